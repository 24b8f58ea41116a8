"""The Open Inference protocol over HTTP, written from its specification: tensors as JSON, and as bytes behind it."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from typing import Any

import numpy as np

DTYPES = {"FP32": "<f4", "FP64": "<f8", "INT32": "<i4", "INT64": "<i8", "BYTES": "object"}
NAMES = {np.dtype(dtype): name for name, dtype in DTYPES.items()}
LENGTH = "Inference-Header-Content-Length"

Tensors = dict[str, np.ndarray]


def infer(address: str, model: str, inputs: Tensors, *, binary: bool) -> Tensors:
    """The outputs by name, whichever way they went; an answer that is no 200 fails."""
    host, _, port = address.partition(":")
    connection = HTTPConnection(host, int(port), timeout=60)
    try:
        body, headers = _request(inputs, binary=binary)
        connection.request("POST", f"/v2/models/{model}/infer", body, headers)
        response = connection.getresponse()
        answer = response.read()
    finally:
        connection.close()
    assert response.status == 200, answer[:2000]
    return dict(_outputs(response, answer, binary=binary))


def _request(inputs: Tensors, *, binary: bool) -> tuple[bytes, dict[str, str]]:
    if not binary:
        said = [{**_head(name, array), "data": array.tolist()} for name, array in inputs.items()]
        return json.dumps({"inputs": said}).encode(), {"content-type": "application/json"}
    tails = {name: _packed(array) for name, array in inputs.items()}
    said = [
        {**_head(name, array), "parameters": {"binary_data_size": len(tails[name])}} for name, array in inputs.items()
    ]
    head = json.dumps({"inputs": said, "parameters": {"binary_data_output": True}}).encode()
    headers = {"content-type": "application/octet-stream", LENGTH: str(len(head))}
    return head + b"".join(tails.values()), headers


def _head(name: str, array: np.ndarray) -> dict[str, Any]:
    return {"name": name, "shape": list(array.shape), "datatype": NAMES[array.dtype]}


def _packed(array: np.ndarray) -> bytes:
    if array.dtype != object:
        return array.tobytes()
    texts = [text.encode() for text in array.ravel()]
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


def _outputs(response: HTTPResponse, answer: bytes, *, binary: bool) -> Iterator[tuple[str, np.ndarray]]:
    end = int(response.headers[LENGTH]) if binary else len(answer)
    tail = answer[end:]
    for item in json.loads(answer[:end])["outputs"]:
        if binary:
            assert "data" not in item, f"{item['name']} came as JSON"
            size = item["parameters"]["binary_data_size"]
            array, tail = _unpacked(item["datatype"], tail[:size]), tail[size:]
        else:
            array = np.array(item["data"], DTYPES[item["datatype"]])
        yield item["name"], array.reshape(item["shape"])
    assert tail == b"", f"{len(tail)} bytes belong to no output"


def _unpacked(datatype: str, data: bytes) -> np.ndarray:
    if datatype != "BYTES":
        return np.frombuffer(data, DTYPES[datatype])
    found = []
    while data:
        (size,) = struct.unpack_from("<I", data)
        found.append(data[4 : 4 + size].decode())
        data = data[4 + size :]
    return np.array(found, object)
