from __future__ import annotations

import time
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelbuild_runtime.bodies import form_question
from modelbuild_runtime.bodies.form_body import MAX_PARTS, Part, fields, read, types
from modelbuild_runtime.errors import InvalidInput, ServerError, TooLarge
from modelbuild_runtime.http import media_type
from runtime.contracts import ALL, MIXED, OPEN, RECORD, TEXT

MULTIPART = media_type.parse(b"multipart/form-data; boundary=b")
URLENCODED = media_type.parse(b"application/x-www-form-urlencoded")


def part(name: str, value: bytes, filename: str = "", kind: str = "") -> bytes:
    head = f'Content-Disposition: form-data; name="{name}"' + (f'; filename="{filename}"' if filename else "")
    return (
        b"--b\r\n"
        + head.encode()
        + (f"\r\nContent-Type: {kind}" if kind else "").encode()
        + b"\r\n\r\n"
        + value
        + b"\r\n"
    )


def multipart(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--b--\r\n"


def test_fields_and_files():
    body = multipart(part("a", b"1"), part("f", b"\xff\r\n\x00", "x.png", "Image/PNG"), part("e", b""))
    parts = read(body, MULTIPART)
    assert parts == [Part("a", b"1"), Part("f", b"\xff\r\n\x00", "x.png", "image/png"), Part("e", b"")]
    assert fields(parts) == {"a": b"1", "f": b"\xff\r\n\x00", "e": b""}
    assert types(parts) == {"a": "", "f": "image/png", "e": ""}


def test_the_media_type_of_a_file():
    sent = [Part("a", b"", "x", "text/plain; charset=utf-8"), Part("b", b"", "y"), Part("c", b"", "", "text/plain")]
    assert types(sent) == {"a": "text/plain", "b": "application/octet-stream", "c": ""}


def test_urlencoded_text():
    assert fields(read(b"a=1&b=gr%C3%BCn+x&c=&a=2", URLENCODED)) == {"a": b"2", "b": "grün x".encode(), "c": b""}


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (b"", MULTIPART, "not a multipart form"),
        (b"hello", MULTIPART, "not a multipart form"),
        (multipart(part("a", b"1"))[:-6], MULTIPART, "not a multipart form"),
        (multipart(), MULTIPART, "not a multipart form|no fields"),
        (b"x", media_type.parse(b"multipart/form-data"), "no boundary"),
        (b"", URLENCODED, "nothing was sent"),
        (b"a=%ff", URLENCODED, "UTF-8"),
        (b"a=\xff", URLENCODED, "UTF-8"),
    ],
)
def test_what_is_no_form(body, kind, words):
    with pytest.raises(InvalidInput, match=words):
        read(body, kind)


def test_the_number_of_fields_is_limited():
    with pytest.raises(TooLarge):
        read(multipart(*[part("a", b"1")] * (MAX_PARTS + 1)), MULTIPART)
    with pytest.raises(TooLarge):
        read(b"&".join([b"a=1"] * (MAX_PARTS + 1)), URLENCODED)


def record(body: bytes, contract, kind=MULTIPART):
    question = form_question.read(body, kind, contract)
    assert question.form == "record"
    (item,) = question.payload.items
    return item


def test_text_becomes_the_contract_s_values():
    body = multipart(part("age", b"40"), part("job", b"007"), part("married", b"no"))
    assert record(body, RECORD) == {"age": 40, "job": "007", "married": False}
    assert record(b"age=40&job=&married=", RECORD, URLENCODED) == {"age": 40, "job": ""}
    assert record(b"age=40", OPEN, URLENCODED) == {"age": "40"}


def test_parts_that_say_what_they_are():
    assert record(multipart(part("v", b"[1, 2]"), part("n", b"3", kind="application/json")), MIXED) == {
        "v": [1, 2],
        "n": 3,
    }


def test_one_file_for_the_only_input_may_have_any_name():
    assert record(multipart(part("file", b"\xff", "a.bin")), TEXT) == {"text": b"\xff"}
    assert record(multipart(part("file", b"x")), TEXT) == {"file": "x"}


def test_a_field_sent_twice_is_a_list():
    assert record(b"a=1&a=2&a=3", OPEN, URLENCODED) == {"a": ["1", "2", "3"]}


def test_a_wrong_value_names_its_field():
    with pytest.raises(InvalidInput, match="'age' is INT64") as caught:
        record(b"age=old", RECORD, URLENCODED)
    assert caught.value.field == "age"


@pytest.mark.parametrize("name", ALL)
@given(
    body=st.binary(max_size=40)
    | st.builds(
        lambda name, value, kind, cut: multipart(part(name, value, kind=kind))[: cut or None],
        st.sampled_from(["x", "text", "m", ""]),
        st.binary(max_size=10),
        st.sampled_from(["", "text/plain", "application/json", "application/x-npy"]),
        st.integers(-8, 0),
    ),
    kind=st.sampled_from([MULTIPART, URLENCODED]),
)
def test_anything_is_read_or_refused(name, body, kind):
    try:
        form_question.read(body, kind, ALL[name])
    except ServerError as error:
        assert error.status in {400, 413}  # noqa: PT017


PIECES = st.sampled_from(
    [b"%41", b"%C3%A9", b"a", b"=", b"+", b" ", b"\n", b"\t", b"%3d", b"%0A", b"&", b"_", b"%00", b"%25"]
)


@given(st.lists(PIECES | st.just(b"x" * 90)).map(b"".join))
def test_escapes_are_undone_as_the_standard_library_does(body):
    expected = [(name, value.encode()) for name, value in parse_qsl(body.decode(), keep_blank_values=True)]
    if not expected:
        return
    assert [(part.name, part.value) for part in read(body, URLENCODED)] == expected


@pytest.mark.parametrize("body", [b"x=%", b"x=%4", b"x=%%41", b"%zz=1", b"x=1%"])
def test_what_is_no_escape_is_refused(body):
    with pytest.raises(InvalidInput, match="two hexadecimal digits"):
        read(body, URLENCODED)


def test_millions_of_escapes_are_read_in_a_moment():
    began = time.process_time()
    (part,) = read(b"x=" + b"%41b" * 2_000_000, URLENCODED)
    assert part.value == b"Ab" * 2_000_000
    assert time.process_time() - began < 1
