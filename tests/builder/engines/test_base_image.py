from __future__ import annotations

import pytest

from modelbuild.engines.base_image import _not_pulled, _other_bases


def refused(reference: str, platform: str) -> str:
    others = _other_bases(reference, platform, "linux/amd64")
    return _not_pulled(
        "Get https://registry-1.docker.io/v2/: no such host", reference, logged_in=False, others=others
    ).hint


@pytest.mark.parametrize(
    "reference, command",
    [
        ("python:3.9-slim", "`mbuild base --python 3.9`"),
        ("registry.example.com/base/python:3.9", "`mbuild base`"),
    ],
)
def test_where_no_registry_is_reachable_a_base_of_the_same_python_can_be_made(reference, command):
    assert f"{command} makes a small one" in refused(reference, "linux/amd64")


def test_none_can_be_made_for_another_platform():
    hint = refused("python:3.11-slim", "linux/arm64")
    assert "mbuild base" not in hint
    assert "--base takes any image for linux/arm64" in hint
