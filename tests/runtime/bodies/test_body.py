from __future__ import annotations

import pytest

from modelbuild_runtime.answers.answer import offers
from modelbuild_runtime.bodies.body import BodyReader
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.errors import InvalidInput, NotAcceptable, UnsupportedMediaType
from modelbuild_runtime.http.message import HttpRequest
from modelbuild_runtime.request import Columns, Raw, Rows
from modelbuild_runtime.signature import TensorSpec
from runtime.contracts import OPEN, RECORD, TENSOR, TEXT, WHOLE


def read(contract, body: bytes, kind: str = "application/json", accept: str = "", raw: bool = False):
    headers = {b"content-type": kind.encode(), b"accept": accept.encode()}
    reader = BodyReader(contract, offers(contract), raw=raw)
    return reader.read(HttpRequest("POST", "/predict", "", headers, body, {}, "an-id"))


@pytest.mark.parametrize(
    ("body", "kind", "payload"),
    [
        (b"[1,2,3]", "application/json; charset=utf-8", Rows),
        (b"[1,2,3]", "", Rows),
        (b"[1,2,3]", "application/x-www-form-urlencoded", Rows),
        (b"[1,2,3]\n", "application/jsonlines", Rows),
        (b"1,2,3", "text/csv", Columns),
        (b"x=[1,2,3]", "application/x-www-form-urlencoded", Rows),
    ],
)
def test_the_content_type_says_how_to_read(body, kind, payload):
    request = read(TENSOR, body, kind)
    assert isinstance(request.payload, payload)
    assert request.id == "an-id"
    assert request.headers[b"content-type"] == kind.encode()


def test_the_answer_s_media_type_is_chosen_before_anything_is_predicted():
    assert read(TENSOR, b"[1,2,3]").wire.media.name == "application/json"
    assert read(TENSOR, b"[1,2,3]", accept="text/*").wire.media.name == "text/csv"
    with pytest.raises(NotAcceptable, match="application/json"):
        read(TENSOR, b"[1,2,3]", accept="image/png")
    with pytest.raises(NotAcceptable):
        read(WHOLE, b"[[1,2],[3,4]]", accept="text/csv")


@pytest.mark.parametrize("kind", ["", "application/json", "text/csv", "application/x-www-form-urlencoded"])
@pytest.mark.parametrize("accept", ["", "application/json", "text/csv", "image/png"])
def test_only_what_is_json_by_its_header_and_can_be_answered_is_read_without_a_look_at_the_header(kind, accept):
    reader = BodyReader(TENSOR, offers(TENSOR), raw=False)
    reading = reader.reading({b"content-type": kind.encode(), b"accept": accept.encode()})
    assert (reading is not None) == (kind in ("", "application/json") and accept != "image/png")
    assert BodyReader(TENSOR, offers(TENSOR), raw=True).reading({}) is None


@pytest.mark.parametrize(
    ("kind", "value"), [("image/png", b"\xff"), ("text/plain", "ü"), ("application/octet-stream", b"\xff")]
)
def test_any_body_is_the_only_input_if_that_takes_bytes(kind, value):
    for shape in ((-1,), (-1, 1)):
        contract = Contract((TensorSpec("text", "BYTES", shape),))
        request = read(contract, value if isinstance(value, bytes) else value.encode(), kind)
        tensor = request.payload.tensors["text"]
        assert (request.wire.form, tensor.data, len(tensor.shape)) == ("record", [value], len(shape))


def test_text_must_be_text():
    with pytest.raises(InvalidInput, match="UTF-8"):
        read(TEXT, b"\xff", "text/plain")


@pytest.mark.parametrize("contract", [TENSOR, RECORD, WHOLE, OPEN])
def test_other_content_types_are_named_with_those_that_are_read(contract):
    with pytest.raises(UnsupportedMediaType, match=r"image/png is not read here; send application/json, .*text/csv"):
        read(contract, b"\xff", "image/png")


def test_a_handler_that_decodes_by_itself_gets_bodies_as_they_come():
    request = read(OPEN, b'{"a":', "application/json", "image/png", raw=True)
    assert isinstance(request.payload, Raw)
    assert (request.payload.fields, request.payload.content_type) == ({"body": b'{"a":'}, "application/json")
    assert request.accept == "image/png"
    assert read(OPEN, b"a=1", "application/x-www-form-urlencoded", raw=True).payload.fields == {"a": b"1"}
    assert read(OPEN, b"[1]", "application/x-www-form-urlencoded", raw=True).payload.fields == {"body": b"[1]"}
    assert read(OPEN, bytearray(b"x"), "", raw=True).payload.fields == {"body": b"x"}
