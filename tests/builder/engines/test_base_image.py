from __future__ import annotations

import pytest

from modelbuild.engines.base_image import _not_pulled


@pytest.mark.parametrize(
    "reference, command",
    [
        ("python:3.9-slim", "`mbuild base --python 3.9`"),
        ("registry.example.com/base/python:3.9", "`mbuild base`"),
    ],
)
def test_where_no_registry_is_reachable_a_base_of_the_same_python_can_be_made(reference, command):
    error = _not_pulled("Get https://registry-1.docker.io/v2/: no such host", reference, logged_in=False)
    assert f"{command} makes a small one" in error.hint
