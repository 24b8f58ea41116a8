from __future__ import annotations

import numpy as np
import pytest

from modelbuild_runtime.errors import InvalidInput, ServerError, TooLarge
from modelbuild_runtime.grpc.messages import load
from modelbuild_runtime.tensor import NUMPY
from modelbuild_runtime.tensorflow_serving import tensor_proto
from modelbuild_runtime.tensorflow_serving.data_type import DATA_TYPES

MESSAGES = load("tensorflow")
MOST = 1 << 20
VALUES = {
    "BOOL": [True, False, True],
    "BYTES": [b"a", b"", "é".encode()],
    "FP16": [0.5, -1.0, np.inf],
    "FP32": [0.5, -1.0, np.nan],
    "FP64": [0.1, -1e300, np.inf],
}


def values(datatype: str) -> list:
    if datatype in VALUES:
        return VALUES[datatype]
    limits = np.iinfo(NUMPY[datatype])
    return [limits.min, 1, limits.max]


def proto(dtype: int, shape: list[int], **fields):
    message = MESSAGES.TensorProto(dtype=dtype)
    for size in shape:
        message.tensor_shape.dim.add(size=size)
    for name, value in fields.items():
        if name == "tensor_content":
            message.tensor_content = value
        else:
            getattr(message, name).extend(value)
    return message


@pytest.mark.parametrize("datatype", DATA_TYPES)
def test_every_datatype_both_ways(datatype):
    array = np.array(values(datatype), NUMPY[datatype]).reshape(3, 1)
    message = MESSAGES.TensorProto()
    tensor_proto.write("x", array, message)
    assert not message.tensor_content  # others than Python look for lists only
    tensor = tensor_proto.read("x", MESSAGES.TensorProto.FromString(message.SerializeToString()), MOST)
    assert (tensor.datatype, tensor.shape, tensor.data.dtype) == (datatype, (3, 1), NUMPY[datatype])
    equal_nan = {"equal_nan": True} if array.dtype.kind == "f" else {}
    assert np.array_equal(tensor.data, array, **equal_nan)


@pytest.mark.parametrize("datatype", [name for name in DATA_TYPES if name != "BYTES"])
def test_raw_bytes(datatype):
    array = np.array(values(datatype), NUMPY[datatype])
    tensor = tensor_proto.read("x", proto(DATA_TYPES[datatype].number, [3], tensor_content=array.tobytes()), MOST)
    assert tensor.data.tobytes() == array.tobytes()


def test_raw_truth_values_are_0_or_1():
    assert tensor_proto.read("x", proto(10, [2], tensor_content=b"\2\0"), MOST).data.view(np.uint8).tolist() == [1, 0]


@pytest.mark.parametrize(
    "dtype, field, given, expected",
    [
        (1, "float_val", [2.5], [2.5] * 4),
        (1, "float_val", [1, 2], [1, 2, 2, 2]),
        (1, "float_val", [], [0.0] * 4),
        (7, "string_val", [b"a"], [b"a"] * 4),
        (7, "string_val", [], [b""] * 4),
        (10, "bool_val", [False, True], [False, True, True, True]),
        (6, "int_val", [-5], [-5] * 4),
        (14, "half_val", [0x3FC0], [1.5] * 4),  # the upper half of a float
    ],
)
def test_the_last_value_stands_for_the_rest(dtype, field, given, expected):
    assert tensor_proto.read("x", proto(dtype, [2, 2], **{field: given}), MOST).data.ravel().tolist() == expected


def test_tensors_without_axes_and_without_values():
    assert tensor_proto.read("x", proto(1, [], float_val=[2]), MOST).data.shape == ()
    assert tensor_proto.read("x", proto(1, [0, 4]), MOST).data.shape == (0, 4)


@pytest.mark.parametrize(
    "message, said",
    [
        (proto(8, [1]), "data type 8"),
        (proto(0, [1]), "data type 0"),
        (proto(1, [-1]), "negative"),
        (proto(1, [1], float_val=[1, 2]), "is 1 elements, and float_val has 2"),
        (proto(1, [2], tensor_content=b"1234"), "4 bytes for 2 elements of 4"),
        (proto(7, [1], tensor_content=b"a"), "string_val"),
        (proto(6, [1], int_val=[128]), "beyond the range of int8"),
        (proto(17, [1], int_val=[-1]), "beyond the range of uint16"),
        (proto(1, [1] * 40, float_val=[1]), "dimensions"),
    ],
)
def test_what_is_no_tensor(message, said):
    with pytest.raises(InvalidInput, match=said) as caught:
        tensor_proto.read("x", message, MOST)
    assert caught.value.field == "x"


def test_one_value_does_not_stand_for_any_number():
    with pytest.raises(TooLarge):
        tensor_proto.read("x", proto(1, [1 << 20], float_val=[1]), MOST)
    with pytest.raises(ServerError):
        tensor_proto.read("x", proto(1, [1 << 62, 1 << 62], float_val=[1]), MOST)
    unknown = proto(1, [])
    unknown.tensor_shape.unknown_rank = True
    with pytest.raises(InvalidInput):
        tensor_proto.read("x", unknown, MOST)
