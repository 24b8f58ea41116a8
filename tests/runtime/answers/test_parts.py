from __future__ import annotations

import math

import pytest

from modelbuild_runtime.answers.parts import encode

PARTS = ["a", "two\nlines", b"bytes", {"n": 1}, math.nan]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("application/jsonlines", [b'"a"\n', b'"two\\nlines"\n', b'"bytes"\n', b'{"n":1}\n', b"NaN\n"]),
        (
            "text/event-stream",
            [
                b'data: "a"\n\n',
                b'data: "two\\nlines"\n\n',
                b'data: "bytes"\n\n',
                b'data: {"n":1}\n\n',
                b"data: null\n\n",
            ],
        ),
        ("text/plain", [b"a", b"two\nlines", b"bytes", b'{"n":1}\n', b"NaN\n"]),
        ("", [b"a", b"two\nlines", b"bytes", b'{"n":1}\n', b"NaN\n"]),
    ],
)
def test_each_part_has_its_media_type_s_form(kind, expected):
    assert list(encode(iter(PARTS), kind)) == expected


def test_a_part_is_made_when_it_is_asked_for():
    made = []

    def parts():
        for name in "ab":
            made.append(name)
            yield name

    stream = encode(parts(), "text/plain")
    assert made == []
    assert next(stream) == b"a"
    assert made == ["a"]
