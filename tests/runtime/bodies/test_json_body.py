from __future__ import annotations

import json
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelbuild_runtime.bodies.json_body import MAX_NESTING, explained, read, read_lines
from modelbuild_runtime.errors import InvalidInput, ServerError, TooLarge


def test_tokens_of_numbers_that_are_not_finite_are_read():
    nan, most, least = read(b'{"a": [NaN, Infinity, -Infinity]}')["a"]
    assert math.isnan(nan)
    assert (most, least) == (math.inf, -math.inf)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "the body is empty"),
        (b" \n", "the body is empty"),
        (b"{", "the body is not JSON: input data was truncated"),
        (b"[1,]", "the body is not JSON: trailing comma in array (byte 3)"),
        (b'"\xff"', "the body is not JSON: it is not UTF-8"),
        (b"[NaN", "the body is not JSON: expecting"),
        (b"[NaN] x", "the body is not JSON: extra data"),
        (b'["\\ud800", NaN]', "the body is not JSON: "),
    ],
)
def test_what_is_not_json_is_named(body, words):
    with pytest.raises(InvalidInput) as caught:
        read(body)
    assert caught.value.message.lower().startswith(words.lower())


def test_nesting_is_limited():
    deepest = b"[" * MAX_NESTING + b"]" * MAX_NESTING
    assert read(deepest)
    for body in (b"[" + deepest + b"]", b'{"a":' * 65 + b"1" + b"}" * 65, b"[" * 100_000, b"[NaN," + b"[" * 90_000):
        with pytest.raises(TooLarge, match="64 levels"):
            read(body)


def test_brackets_in_text_do_not_count():
    text = "[" * 200 + '\\"' + "{" * 200
    assert read(json.dumps([text, [1]]).encode()) == [text, [1]]
    assert read(json.dumps([[n] for n in range(200)]).encode())[199] == [199]


def test_nesting_that_text_hides_is_no_way_around_the_parser_s_own_limit():
    body = b'["' + b"]" * 5000 + b'",' + b"[" * 4000 + b"]" * 4000 + b"]"
    with pytest.raises(TooLarge):
        read(body)


def test_lines():
    assert read_lines(b'{"a":1}\n\n[2]\r\n  3') == [{"a": 1}, [2], 3]
    with pytest.raises(InvalidInput) as caught:
        read_lines(b"1\n\n{\n")
    assert caught.value.field == "line 3"


class Shape(msgspec.Struct):
    name: str
    sizes: list[int]


@pytest.mark.parametrize(
    ("body", "message", "field"),
    [
        (b'{"name": 1, "sizes": []}', "name: expected a string, got an integer", "name"),
        (b'{"name": "", "sizes": [1, true]}', "sizes[1]: expected an integer, got a boolean", "sizes[1]"),
        (b'{"name": ""}', "Object missing required field 'sizes'", ""),
        (b"[]", "Expected an object, got a list", ""),
    ],
)
def test_validation_errors_name_their_place(body, message, field):
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(body, type=Shape)
    error = explained(caught.value)
    assert (error.message, error.field) == (message, field)


@given(st.binary() | st.text(alphabet='[]{}",:\\ NaInfity0123456789.eE-+tru').map(str.encode))
def test_whatever_comes_is_json_or_refused(body):
    try:
        found = read(body)
    except ServerError as error:
        assert error.status in {400, 413}  # noqa: PT017
    else:
        json.loads(body)
        assert found is not Ellipsis


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(values)
def test_json_of_the_standard_library_is_read_the_same(value):
    text = json.dumps(value)
    assert json.dumps(read(text.encode())) == text


@pytest.mark.parametrize("tail", [b'\\"', b'"', b'"\\', b'""', b'\\\\"'])
def test_hostile_quotes_cost_linear_time(tail):
    with pytest.raises((TooLarge, InvalidInput)):
        read(b"[" * 65 + tail * 200_000)


@pytest.mark.parametrize("text", [r"\\", r"\"[[", r"\\\"[", "[[{{", "", r"[\\"])
def test_brackets_in_strings_are_no_nesting(text):
    value = json.loads(f'"{text}"')
    body = b"[" + b",".join([f'["{text}"]'.encode()] * 100 + [f'"{"[" * 99}"'.encode()]) + b"]"
    assert read(body) == [[value]] * 100 + ["[" * 99]
    deep = f'["{text}",'.encode() * 65 + b"1" + b"]" * 65
    with pytest.raises(TooLarge):
        read(deep)


def test_what_is_wrong_with_json_is_said_once():
    with pytest.raises(InvalidInput) as caught:
        read(b"{x}")
    assert caught.value.message == "the body is not JSON: object keys must be strings (byte 1)"
