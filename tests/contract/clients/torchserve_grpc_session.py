"""Runs in an environment of its own: calls a server's inference service with a client made of the .proto files, and prints
what it got as JSON: the code, and the messages or the details.

usage: torchserve_grpc_session.py PROTOS 127.0.0.1:7070 < [[method, {field: value}], ...]
"""

from __future__ import annotations

import json
import sys
import tempfile
from typing import Any

import grpc
from grpc_tools import protoc

FILES = ("google_rpc_status.proto", "torchserve.proto")


def generated(protos: str) -> tuple[Any, Any]:
    folder = tempfile.mkdtemp()
    common = [part for part in protoc._get_resource_file_name("grpc_tools", "_proto").split(":") if part]
    includes = [f"-I{path}" for path in (protos, *common)]
    for name in FILES:
        assert protoc.main(["", *includes, f"--python_out={folder}", f"--grpc_python_out={folder}", name]) == 0
    sys.path.insert(0, folder)
    import torchserve_pb2
    import torchserve_pb2_grpc

    return torchserve_pb2, torchserve_pb2_grpc


def shown(message: Any) -> Any:
    if hasattr(message, "health"):
        return json.loads(message.health)
    return [message.prediction.decode("latin-1"), message.status.code, message.status.message]


def call(stub: Any, messages: Any, method: str, fields: list[dict[str, Any]]) -> list[Any]:
    def request(field: dict[str, Any]) -> Any:
        inputs = {name: value.encode("latin-1") for name, value in field.pop("input", {}).items()}
        return messages.PredictionsRequest(input=inputs, **field)

    try:
        if method == "Ping":
            from google.protobuf.empty_pb2 import Empty

            return ["OK", [shown(stub.Ping(Empty(), timeout=20))]]
        if method == "StreamPredictions2":
            return ["OK", [shown(one) for one in stub.StreamPredictions2(iter(map(request, fields)), timeout=20)]]
        answer = getattr(stub, method)(request(fields[0]), timeout=20)
        return ["OK", [shown(one) for one in ([answer] if method == "Predictions" else answer)]]
    except grpc.RpcError as error:
        return [error.code().name, error.details().split("\n")[0]]


def main(protos: str, address: str) -> None:
    messages, services = generated(protos)
    with grpc.insecure_channel(address) as channel:
        stub = services.InferenceAPIsServiceStub(channel)
        print(json.dumps([call(stub, messages, method, fields) for method, fields in json.load(sys.stdin)]))


if __name__ == "__main__":
    main(*sys.argv[1:])
