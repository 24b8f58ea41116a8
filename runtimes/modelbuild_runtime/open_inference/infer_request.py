"""The Open Inference Protocol's infer request over HTTP: JSON, and tensors in JSON or as raw bytes after it."""

from __future__ import annotations

from math import prod
from typing import Annotated, Any, Dict, List, Mapping, Optional, Tuple

import msgspec

from modelbuild_runtime.bodies import flat_buffer, json_body, large_json
from modelbuild_runtime.bodies.json_body import Body
from modelbuild_runtime.bodies.tensor_data import MAX_RANK, check_count, check_shape, flatten
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.open_inference import binary_tensor
from modelbuild_runtime.tensor import NUMPY, Tensor

RESERVED = frozenset(
    (
        "binary_data_output",
        "strict_json",
        "timeout",
        "priority",
        "sequence_id",
        "sequence_start",
        "sequence_end",
        "headers",
        "triton_enable_empty_final_response",
    )
)
"""Parameters of a request that speak to the server, not to the model."""

Parameters = Optional[Dict[str, Any]]


class Input(msgspec.Struct):
    """One tensor. ``data`` is absent where it follows as raw bytes; an array where it was read straight into one."""

    name: str
    datatype: str
    shape: Tuple[Annotated[int, msgspec.Meta(ge=0, le=1 << 48)], ...]
    data: Optional[List[Any]] = None
    parameters: Parameters = None


class Output(msgspec.Struct):
    """One output that is asked for."""

    name: str
    parameters: Parameters = None


class InferRequest(msgspec.Struct):
    """The JSON of a request."""

    inputs: List[Input]
    id: Optional[str] = None
    parameters: Parameters = None
    outputs: Optional[List[Output]] = None


_decode = msgspec.json.Decoder(InferRequest).decode


def read(body: Body) -> InferRequest:
    """Read the JSON.

    Raises:
        ServerError: it is not JSON, or not such a request.
    """
    if len(body) >= flat_buffer.LARGE:
        large = _large(body)
        if large is not None:
            return large
    try:
        if len(body) < large_json.LARGE:
            return _decode(body)
    except msgspec.ValidationError as error:
        raise json_body.explained(error) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass  # the ordinary way takes it, or says what is wrong
    value = json_body.read(body)
    try:
        return msgspec.convert(value, InferRequest)
    except msgspec.ValidationError as error:
        raise json_body.explained(error) from error


def split(body: Body, header: bytes) -> Tuple[bytes, memoryview]:
    """The JSON and the raw tensors of a body; ``header`` is Inference-Header-Content-Length.

    Raises:
        InvalidInput: the header is no length within the body.
    """
    text = header.decode("latin-1").strip()
    name = "Inference-Header-Content-Length"
    if not text[text.startswith("-") :].isdecimal() or not text.isascii():
        raise InvalidInput(f"Unable to parse {name}, got: {text[:40]}", field=name)
    length = int(text[:20])
    if not 0 <= length <= len(body):
        raise InvalidInput(f"inference header size should be in range (0, {len(body)}), got: {text[:40]}", field=name)
    view = memoryview(body).toreadonly()  # a handler that writes into its arrays gets its own
    return bytes(view[:length]), view[length:]


def tensors(inputs: List[Input], raw: Optional[memoryview], model: str, most: int) -> Dict[str, Tensor]:
    """The tensors by name; ``raw`` are the bytes after the JSON, None where the request has no such part. A tensor of
    raw bytes may hold ``most`` texts.

    Raises:
        TooLarge: it holds more.
        InvalidInput: data is missing, left over, or does not fit its shape.
    """
    found: Dict[str, Tensor] = {}
    start = 0
    for item in inputs:
        name, shape, data = item.name, item.shape, item.data
        check_input(name, item.datatype, shape, found)
        size = _raw_size(item) if item.parameters else None
        if size is not None:
            found[name] = _raw_tensor(item, raw, (start, start + size), model, most)
            start += size
        elif data is None:
            raise InvalidInput(f"input {name!r} has no data", field=name)
        else:
            if data.__class__ is list and data and data[0].__class__ is list:
                data = flatten(name, data)[1]
            if len(data) != prod(shape):
                check_count(name, shape, len(data))
            found[name] = Tensor(item.datatype, shape, data)
    if raw is not None and start != len(raw):
        raise InvalidInput(f"unexpected additional input data for model '{model}'")
    return found


def check_input(name: str, datatype: str, shape: Tuple[int, ...], known: Mapping[str, Tensor]) -> None:
    """What holds for an input however its data were sent.

    Raises:
        InvalidInput: its datatype is none, it is there already, or no array has its shape.
    """
    if datatype not in NUMPY:
        raise InvalidInput(f"input {name!r}: datatype {datatype!r} is not supported", field=name)
    if name in known:
        raise InvalidInput(f"input {name!r} is there twice", field=name)
    if 0 in shape or len(shape) > MAX_RANK:
        check_shape(name, shape)


def whole(body: Body, contract: Contract, model: str) -> Dict[str, Tensor]:
    """A body that is one tensor and nothing else: the only input, with rows as many as there are.

    Raises:
        InvalidInput: the model has several inputs, or the sizes leave it open which shape is meant.
    """
    if len(contract.inputs) != 1:
        raise InvalidInput(f"a raw binary request needs a model with one input; '{model}' has {len(contract.inputs)}")
    spec = contract.inputs[0]
    if spec.datatype == "BYTES":
        shape = tuple(max(size, 1) for size in spec.shape)
        if prod(shape) != 1:
            raise InvalidInput(f"input {spec.name!r} takes more than one element a row", field=spec.name)
        return {spec.name: Tensor("BYTES", shape, [bytes(body)])}
    free = [at for at, size in enumerate(spec.shape) if size < 0]
    if contract.batched and len(free) > 1:
        free = free[1:]  # the rows are one, and another size is to be found
    known = prod(size for size in spec.shape if size >= 0) * NUMPY[spec.datatype].itemsize
    if len(free) > 1 or not known or len(body) % known:
        raise InvalidInput(f"{len(body)} bytes do not make a tensor of shape {list(spec.shape)}", field=spec.name)
    shape = tuple(
        len(body) // known if at in free else max(size, 1) if size < 0 else size for at, size in enumerate(spec.shape)
    )
    array = binary_tensor.read(spec.name, spec.datatype, shape, memoryview(body).toreadonly(), 0)  # no texts: see above
    return {spec.name: Tensor(spec.datatype, shape, array)}


def user_parameters(parameters: Optional[Mapping[str, Any]]) -> Optional[Mapping[str, Any]]:
    """Those that are the handler's business.

    Raises:
        InvalidInput: a name is Triton's own.
    """
    if not parameters:
        return None
    for name in parameters:
        if name.startswith("triton_") and name not in RESERVED:
            raise InvalidInput(f"parameter keys starting with 'triton_' are reserved, got: {name[:60]}", field=name)
    return {name: value for name, value in parameters.items() if name not in RESERVED} or None


def _raw_size(item: Input) -> Optional[int]:
    parameters = item.parameters or {}
    if "shared_memory_region" in parameters:
        raise InvalidInput(f"input {item.name!r}: shared memory is not supported", field=item.name)
    size = parameters.get("binary_data_size")
    if size is None:
        return None
    if type(size) is not int or size < 0:
        raise InvalidInput(f"input {item.name!r}: binary_data_size must be a number of bytes", field=item.name)
    return size


def _raw_tensor(item: Input, raw: Optional[memoryview], part: Tuple[int, int], model: str, most: int) -> Tensor:
    name, (start, end) = item.name, part
    if raw is None:
        raise InvalidInput(f"input {name!r} has binary_data_size; send Inference-Header-Content-Length too", field=name)
    if item.data is not None:
        raise InvalidInput(f"input {name!r} has both data and binary_data_size", field=name)
    if end > len(raw):
        raise InvalidInput(
            f"unexpected size for input '{name}', expecting {end - len(raw)} additional bytes for model '{model}'",
            field=name,
        )
    return Tensor(item.datatype, item.shape, binary_tensor.read(name, item.datatype, item.shape, raw[start:end], most))


def _large(body: Body) -> Optional[InferRequest]:
    """Many numbers, read straight into arrays; None leaves the body to the ordinary way."""
    document = flat_buffer.document(body)
    if not flat_buffer.is_object(document) or not flat_buffer.is_array(document.get("inputs")):
        return None
    names = list(document.keys())
    if len(set(names)) != len(names):
        return None
    items = [_large_input(part) for part in document["inputs"]]
    found = [item for item in items if item is not None]
    if len(found) != len(items):
        return None
    rest = {name: flat_buffer.plain(document[name]) for name in document if name != "inputs"}
    arrays = 1 + sum(1 + count for _, count in found) + isinstance(rest.get("outputs"), list)
    if not flat_buffer.holds_arrays(body, arrays):
        return None
    try:
        request = msgspec.convert({**rest, "inputs": []}, InferRequest)
    except msgspec.ValidationError:
        return None
    request.inputs = [item for item, _ in found]
    return request


def _large_input(part: Any) -> Optional[Tuple[Input, int]]:
    """An input, and how many JSON arrays its data are."""
    if not flat_buffer.is_object(part) or sorted(part.keys()) != ["data", "datatype", "name", "shape"]:
        return None
    name, datatype, shape = part["name"], part["datatype"], flat_buffer.plain(part["shape"])
    if datatype not in NUMPY or not flat_buffer.is_array(part["data"]):
        return None
    read = flat_buffer.numbers(part["data"], datatype)
    if read is None:
        return None
    try:
        item = msgspec.convert({"name": name, "datatype": datatype, "shape": shape}, Input)
    except msgspec.ValidationError:
        return None
    item.data = read[1]  # type: ignore[assignment]  # an array in a list's place
    return item, flat_buffer.arrays_in(read[0])
