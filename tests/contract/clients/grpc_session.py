"""Runs in an environment of its own: asks the server with Triton's gRPC clients and with grpcio's stubs for health and
reflection, and prints what it got as JSON.

usage: grpc_session.py 127.0.0.1:8001 < {"DATATYPE": [value, ...], ...}
"""

from __future__ import annotations

import asyncio
import json
import queue
import sys
from typing import Any

import grpc
import numpy as np
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from tritonclient.utils import InferenceServerException

DTYPES = {"BYTES": np.object_, "BOOL": np.bool_, "FP16": np.float16, "FP32": np.float32, "FP64": np.float64}


def inputs(values: dict[str, list[Any]], **others: list[Any]) -> list[Any]:
    made = []
    for name, row in {**values, **others}.items():
        array = np.array([row], DTYPES.get(name) or np.dtype(name.lower()))
        made.append(triton.InferInput(name, list(array.shape), name).set_data_from_numpy(array))
    return made


def plain(array: np.ndarray) -> list[Any]:
    return [value.decode() if isinstance(value, bytes) else value for value in array.ravel().tolist()]


def refused(ask: Any) -> list[str]:
    try:
        ask()
    except InferenceServerException as error:
        return [error.status(), error.message()]
    return ["", ""]


def of_triton(address: str, values: dict[str, list[Any]]) -> dict[str, Any]:
    client = triton.InferenceServerClient(address)
    asked = inputs(values)
    result = client.infer("echo", asked, request_id="an-id", model_version="1", parameters={"mine": 1})
    some = client.infer("echo", asked, outputs=[triton.InferRequestedOutput("INT64")])
    classes = client.infer(
        "echo", inputs(values, FP64=[0.25, 0.5, 0.125]), outputs=[triton.InferRequestedOutput("FP64", class_count=2)]
    )
    found: dict[str, Any] = {
        "live": client.is_server_live(),
        "ready": client.is_server_ready(),
        "model": [client.is_model_ready("echo"), client.is_model_ready("echo", "1"), client.is_model_ready("other")],
        "values": {name: plain(result.as_numpy(name)) for name in values},
        "id": result.get_response().id,
        "some": [output.name for output in some.get_response().outputs],
        "classes": plain(classes.as_numpy("FP64")),
        "metadata": client.get_server_metadata(as_json=True),
        "tensors": [tensor["datatype"] for tensor in client.get_model_metadata("echo", as_json=True)["inputs"]],
        "config": client.get_model_config("echo", as_json=True)["config"]["input"][0],
        "index": client.get_model_repository_index(as_json=True)["models"],
        "counted": client.get_inference_statistics("echo").model_stats[0].inference_stats.success.count > 0,
        "log": client.get_log_settings(as_json=True)["settings"]["log_info"],
        "trace": client.get_trace_settings(as_json=True)["settings"]["trace_level"],
        "regions": [
            client.get_system_shared_memory_status("", None, True),
            client.get_cuda_shared_memory_status("", None, True),
        ],
        "no memory": refused(lambda: client.register_system_shared_memory("r", "/r", 8)),
        "another": refused(lambda: client.infer("other", asked)),
        "missing": refused(lambda: client.infer("echo", asked[1:])),
        "raised": refused(lambda: client.infer("echo", inputs(values, BYTES=["raise", "", ""]))),
        "late": refused(lambda: client.infer("echo", inputs(values, BYTES=["sleep", "", ""]), client_timeout=0.1)),
        "unload": refused(lambda: client.unload_model("echo")),
    }
    client.load_model("echo")
    client.unregister_system_shared_memory()
    for algorithm in ("gzip", "deflate"):
        packed = client.infer("echo", asked, compression_algorithm=algorithm)
        found[algorithm] = plain(packed.as_numpy("FP64"))
    found["large"] = large(client, values)
    found["stream"] = streamed(client, values)
    client.close()
    return found


def large(client: Any, values: dict[str, list[Any]]) -> bool:
    """A thousand rows, 12 MB of them in one tensor, come back as they were."""
    sent = np.arange(3_000_000, dtype=np.float32).reshape(1000, 3000)
    made = []
    for name, row in values.items():
        array = sent if name == "FP32" else np.full((1000, 1), row[1], DTYPES.get(name) or np.dtype(name.lower()))
        made.append(triton.InferInput(name, list(array.shape), name).set_data_from_numpy(array))
    result = client.infer("echo", made, outputs=[triton.InferRequestedOutput("FP32")])
    return bool((result.as_numpy("FP32") == sent).all())


def streamed(client: Any, values: dict[str, list[Any]]) -> list[Any]:
    """Many requests on one stream, one of them wrong: answers in order, the id of each."""
    answers: queue.Queue[Any] = queue.Queue()
    client.start_stream(callback=lambda result, error: answers.put((result, error)))
    for number in range(100):
        name = "echo" if number != 50 else "other"
        client.async_stream_infer(name, inputs(values, INT64=[number, 0, 0]), request_id=str(number))
    found = []
    for _ in range(100):
        result, error = answers.get(timeout=30)
        if error is None:
            response = result.get_response()
            found.append([response.id, int(result.as_numpy("INT64")[0, 0])])
            assert response.parameters["triton_final_response"].bool_param
        else:
            found.append(["error", error.message()])
    client.stop_stream()
    return found


async def of_triton_aio(address: str, values: dict[str, list[Any]]) -> list[Any]:
    async with triton_aio.InferenceServerClient(address) as client:
        asked = [client.infer("echo", inputs(values, INT64=[n, 0, 0]), request_id=str(n)) for n in range(50)]
        results = await asyncio.gather(*asked)
        return [[result.get_response().id, int(result.as_numpy("INT64")[0, 0])] for result in results]


def of_grpcio(address: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with grpc.insecure_channel(address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        status = health_pb2.HealthCheckResponse.ServingStatus.Name
        found["health"] = [
            status(stub.Check(health_pb2.HealthCheckRequest(service=name)).status)
            for name in ("", "inference.GRPCInferenceService")
        ]
        watching = stub.Watch(health_pb2.HealthCheckRequest())
        found["watched"] = status(next(watching).status)
        watching.cancel()
        database = ProtoReflectionDescriptorDatabase(channel)
        found["services"] = sorted(database.get_services())
        file = database.FindFileContainingSymbol("inference.GRPCInferenceService")
        found["file"] = [file.name, list(file.dependency)]
        for path in ("/inference.GRPCInferenceService/Nothing", "/a.B/C"):
            try:
                channel.unary_unary(path)(b"", timeout=5)
            except grpc.RpcError as error:
                found[path] = error.code().name
    return found


if __name__ == "__main__":
    rows = json.load(sys.stdin)
    print(
        json.dumps(
            {
                "triton": of_triton(sys.argv[1], rows),
                "aio": asyncio.run(of_triton_aio(sys.argv[1], rows)),
                "grpcio": of_grpcio(sys.argv[1]),
            }
        )
    )
