"""Runs in an environment of its own: asks a server that wants TLS, a client's certificate and a key, over gRPC, with
Triton's client and grpcio's stubs, and prints what it got as JSON.

usage: secured_session.py 127.0.0.1:8001 FOLDER KEY, where the folder holds authority.crt, client.crt and client.key
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import tritonclient.grpc as triton
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tritonclient.utils import InferenceServerException


def of_triton(address: str, folder: Path, key: str) -> dict[str, Any]:
    client = triton.InferenceServerClient(
        address,
        ssl=True,
        root_certificates=str(folder / "authority.crt"),
        private_key=str(folder / "client.key"),
        certificate_chain=str(folder / "client.crt"),
    )
    asked = [triton.InferInput("x", [1, 2], "FP32").set_data_from_numpy(np.array([[1, 2]], np.float32))]
    found: dict[str, Any] = {
        "health": [client.is_server_live(), client.is_server_ready(), client.is_model_ready("echo")]
    }
    for name, headers in {"none": {}, "wrong": {"x-api-key": "other"}}.items():
        try:
            client.infer("echo", asked, headers=headers)
        except InferenceServerException as error:
            found[name] = [error.status(), error.message()]
    for name, headers in {"header": {"x-api-key": key}, "bearer": {"authorization": f"Bearer {key}"}}.items():
        result = client.infer("echo", asked, headers=headers)
        found[name] = result.as_numpy("x").tolist()
    client.close()
    return found


def of_grpcio(address: str, folder: Path, certificate: str) -> str:
    names = [folder / name for name in ("authority.crt", f"{certificate}.key", f"{certificate}.crt")]
    files = [name.read_bytes() if name.exists() else None for name in names]
    with grpc.secure_channel(address, grpc.ssl_channel_credentials(*files)) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
        except grpc.RpcError as error:
            return str(error.code().name)
        return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))


if __name__ == "__main__":
    where = Path(sys.argv[2])
    print(
        json.dumps(
            {
                "triton": of_triton(sys.argv[1], where, sys.argv[3]),
                **{name: of_grpcio(sys.argv[1], where, name) for name in ("client", "stranger", "nobody")},
            }
        )
    )
