"""A message that is known by its bytes means what it means to protobuf, or is left to it."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelbuild_runtime.errors import ServerError
from modelbuild_runtime.grpc.messages import load
from modelbuild_runtime.open_inference import grpc_request
from modelbuild_runtime.open_inference.grpc_known import KnownMessages
from modelbuild_runtime.tensor import NUMPY, Tensor

MESSAGES = load("open_inference")
MOST = 1000
FIXED = sorted(set(NUMPY) - {"BYTES"})


def question(*inputs: tuple[str, str, tuple[int, ...], bytes], **fields: Any) -> Any:
    message = MESSAGES.ModelInferRequest(model_name="m", **fields)
    for name, datatype, shape, raw in inputs:
        message.inputs.add(name=name, datatype=datatype, shape=shape)
        message.raw_input_contents.append(raw)
    return message


def parsed(body: bytes) -> Any:
    """What protobuf and the long way make of a body: tensors and the rest of the message, or the error."""
    try:
        message = MESSAGES.ModelInferRequest.FromString(body)
        tensors = grpc_request.tensors(message, "m", MOST)
    except ServerError as error:
        return error.message
    except Exception:  # protobuf's
        return None
    rest = [message.model_name, message.model_version, message.id, message.parameters, message.outputs]
    return plain(tensors), [str(part) for part in rest]


def meant(known: KnownMessages, body: bytes, rest: list[str]) -> Any:
    """The same, by what is known; None where that is nothing."""
    try:
        found = known.tensors(body)
    except ServerError as error:
        return error.message
    return None if found is None else (plain(found), rest)


def plain(tensors: dict[str, Tensor]) -> Any:
    return {name: (one.datatype, one.shape, one.data.dtype, one.data.tobytes()) for name, one in tensors.items()}


def known_after(message: Any, body: bytes | None = None) -> KnownMessages:
    """What is known after a message was served."""
    known = KnownMessages(MOST)
    body = message.SerializeToString() if body is None else body
    known.add(message, body, grpc_request.tensors(message, "m", MOST))
    return known


FOUR = ("x", "FP32", (1, 4), np.arange(4, dtype=np.float32).tobytes())


def test_the_next_one_with_other_numbers_is_known():
    known = known_after(question(FOUR, ("n", "INT64", (1,), b"\1" + bytes(7))))
    other = np.array([9, 8, 7, 6], np.float32)
    found = known.tensors(
        question(("x", "FP32", (1, 4), other.tobytes()), ("n", "INT64", (1,), b"\5" + bytes(7))).SerializeToString()
    )
    assert found is not None
    assert found["x"].data.tolist() == [[9, 8, 7, 6]]
    assert found["n"].data.tolist() == [5]
    assert all(tensor.data.flags.aligned for tensor in found.values())


@pytest.mark.parametrize(
    "changed",
    [
        question(("y", *FOUR[1:])),
        question((*FOUR[:2], (2, 2), FOUR[3])),
        question((*FOUR[:1], "BF16", *FOUR[2:])),
        question((*FOUR[:2], (1, 3), FOUR[3][:12])),
        question(FOUR, id="7"),
        question(FOUR, model_version="2"),
    ],
)
def test_another_one_is_not(changed: Any):
    assert known_after(question(FOUR)).tensors(changed.SerializeToString()) is None


def test_what_asks_for_something_of_its_own_is_not_remembered():
    wants = question(FOUR)
    wants.outputs.add(name="y")
    timed = question(FOUR)
    timed.parameters["timeout"].int64_param = 5
    text = question(("t", "BYTES", (1,), b"\1\0\0\0a"))
    for message in (wants, timed, text, question(FOUR, id="7")):
        assert known_after(message).tensors(message.SerializeToString()) is None


def test_fields_in_another_order_are_not_remembered():
    bare = question(FOUR)
    del bare.raw_input_contents[:]
    raws = MESSAGES.ModelInferRequest(raw_input_contents=[FOUR[3]]).SerializeToString()
    body = raws + bare.SerializeToString()
    assert known_after(question(FOUR), body).tensors(body) is None


def test_raw_bytes_first_and_a_description_of_the_same_length_are_not_remembered():
    """Both halves are messages by themselves, and the second has the length of the raw bytes."""
    bare = question(("x", "UINT8", (24,), b""))
    del bare.raw_input_contents[:]
    bare.inputs[0].shape[0] = bare.ByteSize() - 2
    half = MESSAGES.ModelInferRequest(raw_input_contents=[bytes(bare.ByteSize() - 2)]).SerializeToString()
    assert len(half) == bare.ByteSize()
    known = known_after(
        MESSAGES.ModelInferRequest.FromString(half + bare.SerializeToString()), half + bare.SerializeToString()
    )
    assert known.tensors(half + half) is None


def test_bytes_that_look_like_the_tensors_but_belong_to_an_unknown_field_are_not_remembered():
    """The raw bytes come first, and the same again at the end, inside of a field that nobody reads."""
    bare = question(FOUR)
    del bare.raw_input_contents[:]
    raws = MESSAGES.ModelInferRequest(raw_input_contents=[FOUR[3]]).SerializeToString()
    body = raws + bare.SerializeToString() + bytes((15 << 3 | 2, len(raws))) + raws
    message = MESSAGES.ModelInferRequest.FromString(body)
    assert list(message.raw_input_contents) == [FOUR[3]]
    assert known_after(message, body).tensors(body) is None


def test_what_is_remembered_has_an_end():
    known = KnownMessages(MOST)
    for rows in range(1, 200):
        message = question(("x", "UINT8", (rows,), bytes(rows)))
        known.add(message, message.SerializeToString(), grpc_request.tensors(message, "m", MOST))
    assert len(known._layouts) <= 64
    long = question(("x" * 2000, *FOUR[1:]))
    assert known_after(long).tensors(long.SerializeToString()) is None


@st.composite
def questions(draw: st.DrawFn) -> Any:
    """A message that is right."""
    inputs = []
    for at in range(draw(st.integers(1, 3))):
        datatype, shape = draw(st.sampled_from(FIXED)), draw(st.lists(st.integers(1, 3), max_size=3).map(tuple))
        size = prod(shape) * NUMPY[datatype].itemsize
        raw = draw(st.binary(min_size=size, max_size=size))
        inputs.append((f"x{at}", datatype, shape, bytes(size) if datatype == "BOOL" else raw))
    return question(*inputs, model_version=draw(st.sampled_from(["", "1"])))


@given(questions(), st.data())
def test_every_change_of_a_byte_is_known_rightly_or_left_to_protobuf(message: Any, data: st.DataObject):
    body = bytearray(message.SerializeToString())
    known = known_after(message)
    rest = parsed(bytes(body))[1]
    assert meant(known, bytes(body), rest) == parsed(bytes(body))
    for _ in range(8):
        at = data.draw(st.integers(0, len(body) - 1))
        was, body[at] = body[at], data.draw(st.integers(0, 255))
        found = meant(known, bytes(body), rest)
        assert found is None or found == parsed(bytes(body))
        body[at] = was
