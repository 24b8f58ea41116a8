"""One image, asked by the calls of every system whose clients it answers."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import pytest

from contract.clients.environment import python_of
from e2e.projects import ANSWER, REQUEST
from e2e.servers import running

pytestmark = pytest.mark.docker

LEAP_FRAME = {
    "schema": {"fields": [{"name": "price", "type": "double"}, {"name": "count", "type": "long"}]},
    "rows": [[2.5, 4]],
}
TENSORS = [
    {"name": "price", "datatype": "FP64", "shape": [1], "data": [2.5]},
    {"name": "count", "datatype": "INT64", "shape": [1], "data": [4]},
]
CALLS = {
    "rest": ("/predict", REQUEST, ANSWER),
    "open-inference": ("/v2/models/packaged/infer", {"inputs": TENSORS}, 18.0),
    "generate": ("/v2/models/packaged/generate", REQUEST, 18.0),
    "tensorflow-serving": ("/v1/models/packaged:predict", {"instances": [REQUEST]}, 18.0),
    "torchserve": ("/predictions/packaged", REQUEST, 18.0),
    "sagemaker": ("/invocations", REQUEST, 18.0),
    "mlflow": ("/invocations", {"dataframe_records": [REQUEST]}, 18.0),
    "azure": ("/score", REQUEST, 18.0),
    "vertex": ("/v1/endpoints/1/deployedModels/2:predict", {"instances": [REQUEST]}, 18.0),
    "clipper": ("/packaged/predict", {"input": [2.5, 4]}, 18.0),
    "deepdetect": ("/predict", {"service": "packaged", "data": ["price,count", "2.5,4"]}, 18.0),
    "mleap": ("/transform", LEAP_FRAME, 18.0),
}
READY = """
import sys, grpc
with grpc.insecure_channel(sys.argv[1]) as channel:
    for method in ("/grpc.health.v1.Health/Check", "/inference.GRPCInferenceService/ServerReady"):
        assert channel.unary_unary(method)(b"", timeout=20) == b"\\x08\\x01", method
"""


@pytest.fixture(scope="module")
def server(packaged: dict[str, Any], client: Any) -> Iterator[tuple[Any, str]]:
    ports = {"8080/tcp": ("127.0.0.1", None), "8001/tcp": ("127.0.0.1", None)}
    with running(client, packaged["reference"], ports=ports) as found:
        yield found


def post(address: str, path: str, body: Any) -> tuple[int, bytes]:
    host, _, port = address.partition(":")
    connection = HTTPConnection(host, int(port), timeout=30)
    connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
    response = connection.getresponse()
    answer = response.status, response.read()
    connection.close()
    return answer


@pytest.mark.parametrize("system", CALLS)
def test_each_system_s_own_call(server: tuple[Any, str], system: str) -> None:
    path, body, expected = CALLS[system]
    status, answer = post(server[1], path, body)
    assert status == 200, answer
    if isinstance(expected, dict):
        assert json.loads(answer) == expected
    else:
        assert expected in set(numbers(json.loads(answer))), answer


def test_mleap_s_envelope(server: tuple[Any, str]) -> None:
    frame = base64.b64encode(json.dumps(LEAP_FRAME).encode()).decode()
    status, answer = post(
        server[1], "/models/transform", {"modelName": "packaged", "format": "ml.combust.mleap.json", "frame": frame}
    )
    found = json.loads(answer)
    assert (status, found["status"]) == (200, "STATUS_OK"), answer
    assert 18.0 in set(numbers(json.loads(base64.b64decode(found["frame"]))))


def test_grpc(server: tuple[Any, str]) -> None:
    port = server[0].attrs["NetworkSettings"]["Ports"]["8001/tcp"][0]["HostPort"]
    command = [str(python_of("kserve")), "-c", READY, f"127.0.0.1:{port}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def numbers(value: Any) -> Iterator[float]:
    """All numbers in an answer, also those that are text of JSON."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from numbers(item)
    elif isinstance(value, (int, float)):
        yield value
    elif isinstance(value, str):
        try:
            inner = json.loads(value)
        except ValueError:
            return
        yield from numbers(inner)
