from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelbuild_runtime.http import media_type
from modelbuild_runtime.http.media_type import MediaType, choose, parse

OFFERS = ("application/json", "text/csv", "application/x-npy")


@pytest.mark.parametrize(
    ("header", "name", "params"),
    [
        (b"", "", {}),
        (b"application/json", "application/json", {}),
        (b" Application/JSON ; Charset=UTF-8", "application/json", {"charset": "UTF-8"}),
        (b'multipart/form-data; boundary="a b;c"; x=1', "multipart/form-data", {"boundary": "a b;c", "x": "1"}),
        (b'text/csv;header="pre\\sent"', "text/csv", {"header": "present"}),
        (b"application/vnd.me+json", "application/json", {}),
        (b"application/x-ndjson", "application/jsonlines", {}),
        (b";;;", "", {}),
    ],
)
def test_parse(header, name, params):
    assert parse(header) == MediaType(name, params)


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (b"", "application/json"),
        (b"*/*", "application/json"),
        (b"*", "application/json"),
        (b"text/html, */*;q=0.8", "application/json"),
        (b"text/csv", "text/csv"),
        (b"text/*", "text/csv"),
        (b"application/json;q=0.5, text/csv", "text/csv"),
        (b"text/csv;q=0.5, application/x-npy;q=0.9", "application/x-npy"),
        (b"*/*, text/csv", "text/csv"),
        (b"application/json;q=0, */*", "text/csv"),
        (b"application/*;q=0.1, application/x-npy;q=0", "application/json"),
        (b"image/png", None),
        (b"application/json;q=0", None),
        (b"application/json;q=nonsense", None),
    ],
)
def test_choose(accept, chosen):
    found = choose(accept, OFFERS)
    assert (found.name if found else None) == chosen


def test_the_accepted_type_keeps_its_parameters():
    assert choose(b"text/csv;header=present", OFFERS) == MediaType("text/csv", {"header": "present"})


@given(st.binary(max_size=60))
def test_any_header_is_read(header):
    assert isinstance(parse(header), MediaType)
    found = choose(header, OFFERS)
    assert found is None or found.name in OFFERS


def test_offers_of_this_module_are_known_by_their_usual_names():
    assert parse(media_type.JSON_LINES.encode()).name == media_type.JSON_LINES
