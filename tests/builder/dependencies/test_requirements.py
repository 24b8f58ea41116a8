from __future__ import annotations

from dataclasses import replace

import pytest

from builder.values import RUNTIME, make_handler
from modelbuild.dependencies.requirements import less_required, requirements_for, server_requirements
from modelbuild.errors import RequirementError
from modelbuild.runtime import Reading

SERVER = ("msgspec>=0.19", "numpy>=1.22")


def wanted(version="", *, artifact=(), handler=(), extra=(), runtime=RUNTIME):
    reading = Reading("forest", version=version, requirements=tuple(artifact))
    value = make_handler(requirements=tuple(handler)) if handler else None
    return requirements_for(runtime, reading, value, SERVER, extra)


def test_everyones_requirements_sorted_and_once():
    found = wanted(handler=["pandas>=2", "numpy>=1.22"], artifact=["scipy"])
    assert found == ("forest", "joblib", "msgspec>=0.19", "numpy>=1.22", "pandas>=2", "scipy")


@pytest.mark.parametrize(
    ("pin", "version", "expected"),
    [
        ("==", "1.5.2", "forest==1.5.2"),
        (">=", "1.5.2", "forest>=1.5.2"),
        ("==", "1.5.2+cpu", "forest==1.5.2"),
    ],
)
def test_the_framework_follows_the_artifact(pin, version, expected):
    assert expected in wanted(version, runtime=replace(RUNTIME, pin=pin))


@pytest.mark.parametrize(("pin", "version"), [("", "1.5"), ("==", ""), ("==", "unknown")])
def test_without_a_rule_or_a_version_nothing_is_pinned(pin, version):
    assert wanted(version, runtime=replace(RUNTIME, pin=pin)) == ("forest", "joblib", *SERVER)


def test_the_user_overrides_the_pin_the_artifact_and_the_handler():
    found = wanted("1.5", artifact=["scipy==1.0"], handler=["scipy<2"], extra=["Forest==2.0", "scipy==1.14"])
    assert found == ("Forest==2.0", "forest", "joblib", *SERVER, "scipy==1.14")


def test_a_handler_that_contradicts_the_pin_is_named():
    with pytest.raises(RequirementError) as caught:
        wanted("1.5", handler=["forest>=2"])
    assert caught.value.message == (
        "What the artifact needs, forest==1.5, contradicts the handler, which needs forest>=2."
    )
    assert caught.value.hint == "Decide with --requirement 'forest==VERSION'."


def test_a_malformed_requirement_names_who_has_it():
    with pytest.raises(RequirementError, match=r"'pandas=2' of the handler"):
        wanted(handler=["pandas=2"])


def test_credentials_in_a_url_are_refused_and_not_repeated():
    with pytest.raises(RequirementError) as caught:
        wanted(extra=["private @ https://user:s3cret@host/private-1.0-py3-none-any.whl"])
    assert "s3cret" not in str(caught.value) + caught.value.hint
    assert "credentials" in caught.value.message


@pytest.mark.parametrize("url", ["file:///home/me/x-1.0-py3-none-any.whl", "git+https://host/x"])
def test_what_has_no_hash_is_refused(url):
    with pytest.raises(RequirementError, match="cannot be locked") as caught:
        wanted(extra=[f"x @ {url}"])
    assert "--find-links" in caught.value.hint


def test_a_wheel_by_url_is_kept():
    url = "x @ https://host/x-1.0-py3-none-any.whl"
    assert url in wanted(extra=[url])


def test_the_servers_own_requirements_hold_no_comments():
    found = server_requirements()
    assert any(text.startswith("msgspec") for text in found)
    assert not any("#" in text for text in found)


LESS = replace(RUNTIME, requires={"forest": ("numpy",)})


def test_only_what_the_engine_alone_uses_goes_without_its_requirements():
    assert less_required(LESS, None) == {"forest": ("numpy",)}
    assert less_required(LESS, make_handler(requirements=("pandas",))) == {"forest": ("numpy",)}
    assert less_required(LESS, make_handler(requirements=("Forest>=2",))) == {}


@pytest.mark.parametrize("function", ["predict", "explain", "predict_fn", "transform_fn"])
def test_a_handler_that_gets_the_frameworks_own_object_may_use_all_of_it(function):
    assert less_required(LESS, make_handler(entry_points=("preprocess", function))) == {}
