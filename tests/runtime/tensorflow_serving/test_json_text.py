from __future__ import annotations

import pytest

from modelbuild_runtime.errors import InvalidInput, TooLarge
from modelbuild_runtime.tensorflow_serving import json_text


@pytest.mark.parametrize(
    "body, message",
    [
        (b"", "The document is empty"),
        (b" \n", "The document is empty. at offset: 2"),
        (b"instances", "Invalid value. at offset: 0"),
        (b'{"a" 1}', "Missing a colon after a name of object member. at offset: 5"),
        (b'{"\xc3\xa9": }', "Invalid value. at offset: 7"),  # in bytes, as its parser counts
        (b"{1: 2}", "Missing a name for object member. at offset: 1"),
        (b'{"a": "b', "Missing a closing quotation mark in string. at offset: 6"),
        (b'{"a": "\\x"}', "Invalid escape character in string. at offset: 7"),
        (b'{"a": "\xff"}', "Invalid encoding in string. at offset: 7"),
    ],
)
def test_what_its_parser_says(body, message):
    with pytest.raises(InvalidInput) as caught:
        json_text.read(body)
    assert caught.value.message == f"JSON Parse error: {message}"


def test_half_a_surrogate_pair_is_no_text():
    with pytest.raises(InvalidInput, match=r"^JSON Parse error: "):
        json_text.read(b'{"a": "\\ud800"}')


@pytest.mark.parametrize("behind", [b"", b"X", b"\n{}", b' {"a": 2}', b"]"])
def test_what_stands_behind_the_object_does_not_matter(behind):
    assert json_text.read(b'\xef\xbb\xbf {"a": [1, Infinity]}' + behind) == {"a": [1, float("inf")]}


def test_nesting_is_limited():
    with pytest.raises(TooLarge):
        json_text.read(b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}")


def test_a_value_is_shown_up_to_a_limit():
    assert json_text.shown({"a": [1, None, b"\xff", "é"]}) == '{"a": [1, null, {"b64": "/w=="}, "é"]}'
    assert len(json_text.shown([1] * 10_000)) == json_text.LONGEST
    assert json_text.shown([10**5000])


@pytest.mark.parametrize("text", ["aGk=", "aGk", "a G\nk="])
def test_base64_with_and_without_padding(text):
    assert json_text.with_bytes([{"b64": text}, {"b64": 1}]) == [b"hi", {"b64": 1}]


def test_no_base64():
    with pytest.raises(InvalidInput, match="Unable to base64 decode"):
        json_text.with_bytes({"b64": "é"})
