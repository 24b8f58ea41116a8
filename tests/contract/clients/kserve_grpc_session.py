"""Runs in an environment of its own: asks the server with KServe's gRPC client, and prints what it got as JSON.

usage: kserve_grpc_session.py 127.0.0.1:8001 < {"DATATYPE": [value, ...], ...}
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import grpc
import numpy as np
from kserve import InferenceGRPCClient, InferInput, InferRequest

DTYPES = {"BYTES": np.object_, "BOOL": np.bool_, "FP16": np.float16, "FP32": np.float32, "FP64": np.float64}


def request(values: dict[str, list[Any]], *, binary: bool) -> InferRequest:
    inputs = []
    for name, row in values.items():
        array = np.array([row], DTYPES.get(name) or np.dtype(name.lower()))
        item = InferInput(name, list(array.shape), name)
        item.set_data_from_numpy(array, binary_data=binary)
        inputs.append(item)
    return InferRequest("echo", inputs, request_id="an-id")


def plain(response: Any) -> dict[str, Any]:
    return {
        output.name: [
            value.decode() if isinstance(value, bytes) else value for value in output.as_numpy().ravel().tolist()
        ]
        for output in response.outputs
    }


async def main(address: str, values: dict[str, list[Any]]) -> dict[str, Any]:
    async with InferenceGRPCClient(address, retries=0, timeout=30) as client:
        found: dict[str, Any] = {
            "live": await client.is_server_live(),
            "ready": await client.is_server_ready(),
            "model": [await client.is_model_ready("echo"), await client.is_model_ready("other")],
        }
        response = await client.infer(request(values, binary=True))
        found["binary"], found["id"], found["name"] = plain(response), response.id, response.model_name
        try:
            await client.infer(request({"BOOL": [True]}, binary=True))
        except grpc.RpcError as error:
            found["error"] = [error.code().name, error.details()]
        typed = request({name: row for name, row in values.items() if name != "FP16"}, binary=False)
        try:
            await client.infer(typed)
        except grpc.RpcError as error:  # FP16 has no other form than raw bytes, which may not be mixed in
            found["typed"] = [error.code().name, error.details()]
        return found


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(sys.argv[1], json.load(sys.stdin)))))
