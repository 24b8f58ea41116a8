from __future__ import annotations

import base64
import json

import pytest

from modelbuild_runtime import cloud_event
from modelbuild_runtime.errors import InvalidInput

ATTRIBUTES = {"specversion": "1.0", "id": "7", "source": "/test", "type": "t"}
BINARY = {f"ce-{name}".encode(): value.encode() for name, value in ATTRIBUTES.items()}
STRUCTURED = {b"content-type": b"Application/CloudEvents+JSON; charset=utf-8"}


def structured(**more):
    return cloud_event.read(STRUCTURED, json.dumps({**ATTRIBUTES, **more}).encode())


def test_both_modes_are_seen():
    assert cloud_event.is_event(BINARY)
    assert cloud_event.is_event(STRUCTURED)
    assert not cloud_event.is_event({b"content-type": b"application/json"})


def test_binary_mode():
    event = cloud_event.read({**BINARY, b"content-type": b"text/plain", b"ce-mine": b"1"}, b"\xff")
    assert event == ({**ATTRIBUTES, "mine": "1"}, b"\xff", "text/plain", False)


@pytest.mark.parametrize(
    "data, content_type, expected",
    [
        ({"data": {"a": [1, float("nan"), None]}}, "application/json", b'{"a":[1,NaN,null]}'),
        ({"data": "text"}, "application/json", b'"text"'),
        ({"data": "text", "datacontenttype": "text/plain"}, "text/plain", b"text"),
        ({"data_base64": base64.b64encode(b"\xff").decode(), "datacontenttype": "image/png"}, "image/png", b"\xff"),
    ],
)
def test_structured_mode(data, content_type, expected):
    event = structured(**data)
    assert (event.data, event.content_type, event.structured) == (expected, content_type, True)
    assert event.attributes["id"] == "7"


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_what_every_event_has(name):
    with pytest.raises(InvalidInput) as caught:
        cloud_event.read({key: value for key, value in BINARY.items() if key != f"ce-{name}".encode()}, b"{}")
    assert caught.value.field == name


@pytest.mark.parametrize("more", [{}, {"data_base64": "*"}, {"data": 1, "datacontenttype": 1}, {"id": 7, "data": 1}])
def test_what_is_no_event(more):
    with pytest.raises(InvalidInput, match=r"^Cloud Event Exceptions: "):
        structured(**more)


def test_answers_have_the_mode_of_their_event():
    binary = cloud_event.read(BINARY, b"")
    body, content_type, headers = cloud_event.written(binary, {"id": "8"}, b"[1]", "application/json")
    assert (body, content_type) == (b"[1]", "application/json")
    assert dict(headers).keys() == {"ce-id", "ce-specversion", "ce-time"}
    body, content_type, headers = cloud_event.written(structured(data=1), {"id": "8"}, b"[1]", "application/json")
    assert content_type == cloud_event.STRUCTURED
    assert not headers
    assert json.loads(body)["data"] == [1]
    body, _, _ = cloud_event.written(structured(data=1), {"id": "8"}, b"\xff", "image/png")
    assert (json.loads(body)["data_base64"], json.loads(body)["datacontenttype"]) == ("/w==", "image/png")


def test_what_an_answer_may_repeat():
    assert cloud_event.merged(structured(data=1, mine="x", number=3)) == {"source": "/test", "type": "t", "mine": "x"}
