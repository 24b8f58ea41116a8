"""What a message holds is counted before it is read: by protobuf's own count, and where it would be too much."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelbuild_runtime.errors import InvalidInput, TooLarge
from modelbuild_runtime.grpc.message_fields import admit
from modelbuild_runtime.grpc.messages import load, parse

INFERENCE = load("open_inference")
SERVING = load("tensorflow_serving")


def sized(number: int, payload: bytes) -> bytes:
    """A field with a length."""
    return bytes([number << 3 | 2]) + varint(len(payload)) + payload


def varint(value: int) -> bytes:
    text = b""
    while value >= 128:
        text += bytes([value & 127 | 128])
        value >>= 7
    return text + bytes([value])


FLOODS = {
    "empty tensors": (INFERENCE.ModelInferRequest, sized(5, b"") * 20_000),
    "empty raw contents": (INFERENCE.ModelInferRequest, sized(7, b"") * 20_000),
    "empty parameters": (INFERENCE.ModelInferRequest, sized(4, b"") * 20_000),
    "texts": (INFERENCE.ModelInferRequest, sized(5, sized(5, sized(8, b"") * 20_000))),
    "packed booleans": (INFERENCE.ModelInferRequest, sized(5, sized(5, sized(1, b"\1" * 20_000)))),
    "packed numbers": (INFERENCE.ModelInferRequest, sized(5, sized(5, sized(3, b"\xff\1" * 20_000)))),
    "packed fractions": (INFERENCE.ModelInferRequest, sized(5, sized(5, sized(6, b"1234" * 20_000)))),
    "numbers one by one": (INFERENCE.ModelInferRequest, sized(5, sized(5, b"\x18\xff\1" * 20_000))),
    "fractions one by one": (INFERENCE.ModelInferRequest, sized(5, sized(5, b"\x351234" * 20_000))),
    "sizes of a shape": (INFERENCE.ModelInferRequest, sized(5, sized(3, b"\1" * 20_000))),
    "examples": (SERVING.ClassificationRequest, sized(2, sized(1, sized(1, b"") * 20_000))),
    "dimensions": (SERVING.PredictRequest, sized(2, sized(2, sized(2, sized(2, b"") * 20_000)))),
}


@pytest.mark.parametrize(("kind", "body"), FLOODS.values(), ids=FLOODS.keys())
def test_a_message_of_more_values_than_allowed(kind, body):
    kind.FromString(body)  # is a good one
    with pytest.raises(TooLarge, match="more than 10000 values"):
        parse(kind, body)
    parse(kind, body, 20_100)


def test_bytes_are_one_value_whatever_is_in_them():
    body = sized(7, b"\x2a\0" * 100_000)
    assert len(parse(INFERENCE.ModelInferRequest, body).raw_input_contents[0]) == 200_000


def values_in(message: Any) -> int:
    """Fields that are there, each item of those that are lists."""
    count = 0
    for field, value in message.ListFields():
        items = [value]
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            items = list(value.values())
            count += 2 * len(items)  # an entry is a message that has its key beside it
            items = items if field.message_type.fields_by_name["value"].message_type is not None else []
        elif not hasattr(value, "DESCRIPTOR") and not isinstance(value, (str, bytes)) and hasattr(value, "__len__"):
            items = list(value)
        for item in items:
            count += 1 + (values_in(item) if hasattr(item, "DESCRIPTOR") else 0)
    return count


TENSORS = st.builds(
    INFERENCE.ModelInferRequest.InferInputTensor,
    name=st.text(max_size=3),
    shape=st.lists(st.integers(-1, 1 << 40), max_size=4),
    contents=st.builds(
        INFERENCE.InferTensorContents,
        bool_contents=st.lists(st.booleans(), max_size=4),
        int64_contents=st.lists(st.integers(-5, 1 << 60), max_size=4),
        fp64_contents=st.lists(st.floats(), max_size=4),
        bytes_contents=st.lists(st.binary(max_size=4), max_size=4),
    ),
)


@given(st.lists(TENSORS, max_size=4), st.lists(st.binary(max_size=5), max_size=4))
def test_the_count_is_never_less_than_what_is_there(inputs, raw):
    message = INFERENCE.ModelInferRequest(model_name="m", inputs=inputs, raw_input_contents=raw)
    count, body = values_in(message), message.SerializeToString()
    with pytest.raises(TooLarge):
        admit(message.DESCRIPTOR, body + sized(7, b"x" * 99), count - 1)
    admit(message.DESCRIPTOR, body, count + 2 * len(inputs) * 4)


@given(st.binary(max_size=60), st.integers(0, 20))
def test_any_bytes_are_counted_or_left_to_the_parser(body, most):
    try:
        parse(INFERENCE.ModelInferRequest, body, most)
    except (InvalidInput, TooLarge):
        return
