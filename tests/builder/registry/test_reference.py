from __future__ import annotations

import pytest

from modelbuild.errors import UsageError
from modelbuild.registry.reference import Reference, parse

DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fraud", Reference("docker.io", "library/fraud", "latest")),
        ("fraud:1.0", Reference("docker.io", "library/fraud", "1.0")),
        ("team/fraud", Reference("docker.io", "team/fraud", "latest")),
        ("localhost/fraud", Reference("localhost", "fraud", "latest")),
        ("localhost:5000/team/fraud:1.0", Reference("localhost:5000", "team/fraud", "1.0")),
        ("ghcr.io/a/b/c:v1_2-3", Reference("ghcr.io", "a/b/c", "v1_2-3")),
        ("index.docker.io/library/python:3.11", Reference("docker.io", "library/python", "3.11")),
        ("[::1]:5000/x", Reference("[::1]:5000", "x", "latest")),
        (f"python@{DIGEST}", Reference("docker.io", "library/python", "", DIGEST)),
        (f"python:3.11@{DIGEST}", Reference("docker.io", "library/python", "3.11", DIGEST)),
        ("a/b__c/d.e-f--g", Reference("docker.io", "a/b__c/d.e-f--g", "latest")),
    ],
)
def test_parts(text, expected):
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fraud", "fraud:latest"),
        ("docker.io/library/python:3.11", "python:3.11"),
        ("localhost:5000/team/fraud:1.0", "localhost:5000/team/fraud:1.0"),
        (f"ghcr.io/a/b@{DIGEST}", f"ghcr.io/a/b@{DIGEST}"),
    ],
)
def test_as_people_write_it(text, expected):
    assert str(parse(text)) == expected
    assert parse(str(parse(text))) == parse(text)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "is empty"),
        (" fraud", "a space"),
        ("Fraud", "capitals in 'Fraud'"),
        ("ghcr.io/Team/fraud", "capitals in 'Team'"),
        ("https://ghcr.io/a/b", "has a scheme"),
        ("ghcr.io/a//b", "an empty part"),
        ("ghcr.io/", "an empty part"),
        ("a/-b", "'-b' in its name"),
        ("a/b..c", "'b..c' in its name"),
        ("a/b:", "the tag ''"),
        ("a/b:-1", "the tag '-1'"),
        ("a/b:" + "x" * 129, "the tag 'xxx"),
        ("a/b:1:2", "the tag '1:2'"),
        ("a/b@sha256:12", "the digest 'sha256:12'"),
        ("bad_host!:80/a", "the registry 'bad_host!:80'"),
        ("a/" + "b" * 300, "more than 255"),
    ],
)
def test_the_rule_that_is_broken_is_named(text, rule):
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert rule in caught.value.message
    assert repr(text) in caught.value.message


def test_capitals_are_corrected():
    with pytest.raises(UsageError) as caught:
        parse("ghcr.io/Team/fraud:RC1")
    assert "ghcr.io/team/fraud:RC1" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("localhost:5000/a", True),
        ("localhost/a", True),
        ("127.0.0.1:1/a", True),
        ("127.9.9.9/a", True),
        ("[::1]:5000/a", True),
        ("ghcr.io/a", False),
        ("localhost.example.com/a", False),
        ("a", False),
    ],
)
def test_loopback(text, expected):
    assert parse(text).is_loopback is expected
