from __future__ import annotations

from types import SimpleNamespace

import pytest

from modelbuild_runtime.errors import InvalidInput, NotFound
from modelbuild_runtime.tensorflow_serving.model_spec import ModelSpec, version_number


def spec(version: str, *, ready: bool = True) -> ModelSpec:
    return ModelSpec(SimpleNamespace(model_name="m", model_version=version, ready=lambda: ready))


@pytest.mark.parametrize(
    "own, version", [("7", 7), ("007", 7), ("", 1), ("1.2", 1), ("v3", 1), ("9" * 30, 1), ("²", 1)]
)
def test_a_version_is_a_number(own, version):
    assert spec(own).version == version


def test_a_version_that_is_no_number_is_a_label():
    spec("v3").check("m", label="v3")
    with pytest.raises(InvalidInput, match="Unrecognized servable version label: 3"):
        spec("3").check("m", label="3")


def test_others_are_not_served():
    for asked, said in (("o", "Latest(o)"), ("m", "Specific(m, 2)")):
        with pytest.raises(NotFound) as caught:
            spec("1").check(asked, 2 if asked == "m" else None)
        assert caught.value.message == f"Servable not found for request: {said}"
    with pytest.raises(NotFound, match="Could not find any versions of model o"):
        spec("1").status("o")


def test_the_state_says_whether_it_can_be_asked():
    states = [spec("1", ready=ready).status("m")["model_version_status"][0]["state"] for ready in (True, False)]
    assert states == ["AVAILABLE", "LOADING"]


def test_versions_in_paths():
    assert version_number("00000000000000000000005") == 5
    with pytest.raises(InvalidInput, match=r"Failed to convert version: 9223372036854775808 to numeric\."):
        version_number("9223372036854775808")
    with pytest.raises(InvalidInput):
        version_number("9" * 5000)
