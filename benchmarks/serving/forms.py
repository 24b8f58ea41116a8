"""How requests are written and answers are read: the protocols of the servers, over plain HTTP."""

import json
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

_JSON = {"Content-Type": "application/json"}
_WHERE = "Inference-Header-Content-Length"


class Form(NamedTuple):
    """``write`` makes the header fields and the body of some rows; ``read`` gets the answer's head and body."""

    write: Callable[[np.ndarray], tuple[dict[str, str], bytes]]
    read: Callable[[dict[str, str], bytes], np.ndarray]


def instances(field: str = "") -> Form:
    """``{"instances": [row, ...]}``, answered by ``predictions``; with ``field``, a row is a record of it alone."""

    def write(rows: np.ndarray) -> tuple[dict[str, str], bytes]:
        items = _numbers(rows).tolist()
        return _JSON, json.dumps({"instances": [{field: item} for item in items] if field else items}).encode()

    def read(_head: dict[str, str], body: bytes) -> np.ndarray:
        answers = json.loads(body)["predictions"]
        return np.array([answer["probabilities"] if isinstance(answer, dict) else answer for answer in answers])

    return Form(write, read)


def v2(output: str, source: str = "X", datatype: str = "FP32") -> Form:
    """The Open Inference Protocol, in JSON; ``output`` is asked for by name."""

    def write(rows: np.ndarray) -> tuple[dict[str, str], bytes]:
        tensor = {"name": source, "datatype": datatype, "shape": rows.shape, "data": _numbers(rows).ravel().tolist()}
        return _JSON, json.dumps({"inputs": [tensor], "outputs": [{"name": output}]}).encode()

    def read(_head: dict[str, str], body: bytes) -> np.ndarray:
        (tensor,) = json.loads(body)["outputs"]
        return np.reshape(tensor["data"], tensor["shape"])

    return Form(write, read)


def v2_binary(output: str, source: str = "X") -> Form:
    """The same with raw tensors behind the JSON, both ways."""

    def write(rows: np.ndarray) -> tuple[dict[str, str], bytes]:
        data = rows.astype("<f4").tobytes()
        told = {"name": source, "datatype": "FP32", "shape": rows.shape, "parameters": {"binary_data_size": len(data)}}
        asked = {"name": output, "parameters": {"binary_data": True}}
        head = json.dumps({"inputs": [told], "outputs": [asked]}).encode()
        return {"Content-Type": "application/octet-stream", _WHERE: str(len(head))}, head + data

    def read(head: dict[str, str], body: bytes) -> np.ndarray:
        length = int(head[_WHERE.lower()])
        (tensor,) = json.loads(body[:length])["outputs"]
        return np.frombuffer(body[length:], "<f4").reshape(tensor["shape"])

    return Form(write, read)


def _numbers(rows: np.ndarray) -> np.ndarray:
    """As people write them: four decimals, not the sixteen digits of a float32 in JSON."""
    return rows.astype(np.float64).round(4)
