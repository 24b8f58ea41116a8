"""The Open Inference Protocol's infer request over gRPC: tensors as raw bytes, or in the field of their datatype."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional

from modelbuild_runtime.bodies.tensor_data import check_count
from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.open_inference import binary_tensor
from modelbuild_runtime.open_inference.infer_request import Output, check_input
from modelbuild_runtime.tensor import Tensor

_LARGEST = 1 << 48
"""No size of a shape is larger, in JSON neither."""
_FIELDS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}


def tensors(message: Any, model: str, most: int) -> Dict[str, Tensor]:
    """The tensors of a ModelInferRequest by name, of at most so many texts.

    Raises:
        TooLarge: a tensor holds more.
        InvalidInput: data is missing, left over, sent in two ways, or does not fit its shape.
    """
    raw = message.raw_input_contents
    if raw and len(raw) != len(message.inputs):
        raise InvalidInput(f"expected {len(message.inputs)} raw_input_contents for model '{model}', got {len(raw)}")
    found: Dict[str, Tensor] = {}
    for position, item in enumerate(message.inputs):
        name, datatype, shape = item.name, item.datatype, tuple(item.shape)
        if shape and (min(shape) < 0 or max(shape) > _LARGEST):
            raise InvalidInput(f"input {name!r}: no array has the shape {list(shape)}", field=name)
        check_input(name, datatype, shape, found)
        if item.parameters and "shared_memory_region" in item.parameters:
            raise InvalidInput(f"input {name!r}: shared memory is not supported", field=name)
        if not raw:
            found[name] = Tensor(datatype, shape, _typed(item, name, datatype, shape))
        elif item.HasField("contents"):
            raise InvalidInput(
                f"contents field must not be specified when using raw_input_contents for '{name}' for model '{model}'",
                field=name,
            )
        else:
            array = binary_tensor.read(name, datatype, shape, memoryview(raw[position]), most)
            found[name] = Tensor(datatype, shape, array)
    return found


def parameters(given: Mapping[str, Any]) -> Optional[Dict[str, Any]]:
    """A map of InferParameter as plain values."""
    if not given:
        return None
    found = {}
    for name, value in given.items():
        choice = value.WhichOneof("parameter_choice")
        if choice is None:
            raise InvalidInput(f"parameter {name!r} has no value", field=name)
        found[name] = getattr(value, choice)
    return found


def outputs(message: Any) -> List[Output]:
    """The outputs that are asked for."""
    return [Output(item.name, parameters(item.parameters)) for item in message.outputs]


def _typed(item: Any, name: str, datatype: str, shape: Any) -> List[Any]:
    """The elements in the field of the datatype, and nothing in another."""
    field = _FIELDS.get(datatype)
    if field is None:
        raise InvalidInput(f"input {name!r}: {datatype} has no field in contents; use raw_input_contents", field=name)
    contents = item.contents
    for descriptor, _ in contents.ListFields():
        if descriptor.name != field:
            raise InvalidInput(f"input {name!r}: {datatype} is sent in {field}, not in {descriptor.name}", field=name)
    elements = list(getattr(contents, field))
    check_count(name, shape, len(elements))
    return elements
