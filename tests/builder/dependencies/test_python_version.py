from __future__ import annotations

from dataclasses import replace

import pytest

from builder.values import RUNTIME, make_handler
from modelbuild.dependencies.python_version import choose_python
from modelbuild.errors import RequirementError, UsageError
from modelbuild.runtime import Reading


def choose(version: str = "", *, requested: str = "", host: str = "3.11", handler: str = "", runtime=RUNTIME, **more):
    value = make_handler(python=handler) if handler else None
    return choose_python(runtime, Reading("forest", version=version), value, requested=requested, host=host, **more)


@pytest.mark.parametrize(
    ("version", "host", "expected"),
    [
        ("", "3.11", "3.11"),
        ("", "3.8", "3.14"),  # the host's is too old for the server: the newest
        ("1.5", "3.10", "3.10"),
        ("1.5", "3.13", "3.11"),  # the framework has no wheels for the host's
        ("2.1", "3.10", "3.14"),
        ("2.1.dev0+local", "3.12", "3.12"),
        ("not a version", "3.12", "3.12"),
    ],
)
def test_the_hosts_python_is_preferred_where_it_fits(version, host, expected):
    assert choose(version, host=host) == expected


def test_the_handlers_demand_counts_by_minor_version():
    assert choose(host="3.11", handler=">=3.11.4") == "3.11"
    assert choose(host="3.11", handler="==3.12.*") == "3.12"
    assert choose(host="3.13", handler="<=3.12") == "3.12"


def test_what_was_requested_is_taken_or_refused_with_the_reason():
    assert choose("1.5", requested="3.9") == "3.9"
    with pytest.raises(RequirementError) as caught:
        choose("1.5", requested="3.13")
    assert caught.value.message == "Python 3.13 was requested, but Forest 1.5 needs Python 3.9 or 3.10 or 3.11."
    assert "--requirement 'forest==...'" in caught.value.hint


def test_the_bases_python_is_taken_or_refused_with_the_reason():
    assert choose("1.5", base="3.9") == "3.9"
    with pytest.raises(RequirementError) as caught:
        choose("1.5", base="3.13")
    assert caught.value.message == "The base image has Python 3.13, but Forest 1.5 needs Python 3.9 or 3.10 or 3.11."
    assert "another --base, or leave it out" in caught.value.hint


@pytest.mark.parametrize("text", ["3", "3.11.2", "2.7", "py311", "3.x"])
def test_a_request_is_a_minor_version(text):
    with pytest.raises(UsageError, match=r"no minor version"):
        choose(requested=text)


def test_nobody_suits_everyone():
    with pytest.raises(RequirementError) as caught:
        choose("1.5", handler=">=3.12")
    assert "Forest 1.5 needs Python 3.9 or 3.10 or 3.11" in caught.value.message
    assert "the handler needs Python 3.12 or 3.13 or 3.14" in caught.value.message
    assert "Change it in the handler." in caught.value.hint


def test_the_users_version_of_the_framework_decides():
    assert choose("1.5", host="3.13", requirements=("Forest==2.0",)) == "3.13"
    assert choose("1.5", host="3.13", requirements=("other==2.0",)) == "3.11"
    assert choose("1.5", host="3.13", requirements=("this is none",)) == "3.11"  # refused where requirements are read


def test_the_runtimes_own_range():
    assert choose(host="3.13", runtime=replace(RUNTIME, python="<3.11")) == "3.10"
