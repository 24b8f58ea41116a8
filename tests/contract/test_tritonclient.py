"""Triton's own client against the real server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from tritonclient.utils import InferenceServerException

from contract.server import DATATYPES
from modelbuild_runtime.tensor import NUMPY

VALUES: dict[str, list[Any]] = {
    "BOOL": [True, False, True],
    "UINT8": [0, 1, 2**8 - 1],
    "UINT16": [0, 1, 2**16 - 1],
    "UINT32": [0, 1, 2**32 - 1],
    "UINT64": [0, 1, 2**64 - 1],
    "INT8": [-(2**7), 0, 2**7 - 1],
    "INT16": [-(2**15), 0, 2**15 - 1],
    "INT32": [-(2**31), 0, 2**31 - 1],
    "INT64": [-(2**63), 0, 2**63 - 1],
    "FP16": [-1.5, 0.0, 65504.0],
    "FP32": [-1.5, 1e-45, 3.4e38],
    "FP64": [-1.5, 5e-324, 1.7e308],
    "BYTES": ["", "grün", "x" * 300],
}


@pytest.fixture(scope="module")
def client(echo: str) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(echo) as client:
        yield client


def tensors(binary: bool, **values: list[Any]) -> list[triton.InferInput]:
    """One row of three values for every input; those that are not given get values of their own."""
    made = []
    for name in DATATYPES:
        array = np.array([values.get(name, VALUES[name])], NUMPY[name])
        made.append(triton.InferInput(name, array.shape, name).set_data_from_numpy(array, binary_data=binary))
    return made


def text(array: np.ndarray) -> list[Any]:
    return [value.decode() if isinstance(value, bytes) else value for value in array.ravel().tolist()]


@pytest.mark.parametrize("ways", [(True, True), (True, False), (False, True), (False, False)])
@pytest.mark.parametrize("datatype", DATATYPES)
def test_every_datatype_as_json_and_as_raw_bytes(client, datatype, ways):
    asked = [triton.InferRequestedOutput(datatype, binary_data=ways[1])]
    result = client.infer("echo", tensors(ways[0]), outputs=asked)
    array = result.as_numpy(datatype)
    assert text(array) == text(np.array(VALUES[datatype], NUMPY[datatype]))
    assert array.shape == (1, 3)
    assert array.dtype == NUMPY[datatype]
    assert [output["name"] for output in result.get_response()["outputs"]] == [datatype]


def test_all_outputs_are_raw_bytes_where_nothing_else_is_said(client):
    result = client.infer("echo", tensors(binary=True), request_id="the id", model_version="1")
    response = result.get_response()
    assert response["id"] == "the id"
    assert (response["model_name"], response["model_version"]) == ("echo", "1")
    assert [output["name"] for output in response["outputs"]] == list(DATATYPES)
    assert all("binary_data_size" in output["parameters"] for output in response["outputs"])
    assert text(result.as_numpy("INT64")) == VALUES["INT64"]


@pytest.mark.parametrize("binary", [True, False])
def test_numbers_that_are_not_finite(client, binary):
    asked = [triton.InferRequestedOutput("FP32", binary_data=binary)]
    sent = [np.nan, np.inf, -np.inf]
    result = client.infer("echo", tensors(binary, FP32=sent), outputs=asked)
    np.testing.assert_array_equal(result.as_numpy("FP32")[0], np.array(sent, np.float32))


def test_bytes_that_are_no_text(client):
    sent = [b"\xff\x00", b"", b"\n"]
    result = client.infer("echo", tensors(binary=True, BYTES=sent))
    assert result.as_numpy("BYTES")[0].tolist() == sent


def test_many_rows(client):
    array = np.arange(30_000, dtype=np.float32).reshape(1000, 30) / 7
    inputs = []
    for name in DATATYPES:
        sent = array if name == "FP32" else np.ones((1000, 1), NUMPY[name]) if name != "BYTES" else None
        sent = np.full((1000, 1), "x", object) if sent is None else sent
        inputs.append(triton.InferInput(name, sent.shape, name).set_data_from_numpy(sent, binary_data=name != "FP32"))
    result = client.infer("echo", inputs, outputs=[triton.InferRequestedOutput("FP32", binary_data=False)])
    np.testing.assert_array_equal(result.as_numpy("FP32"), array)


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_compressed_requests(client, algorithm):
    result = client.infer("echo", tensors(binary=True), request_compression_algorithm=algorithm)
    assert text(result.as_numpy("FP64")) == VALUES["FP64"]


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_compressed_responses(client, algorithm, binary):
    asked = [triton.InferRequestedOutput(name, binary_data=binary) for name in ("FP64", "BYTES")]
    result = client.infer("echo", tensors(binary=True), outputs=asked, response_compression_algorithm=algorithm)
    assert text(result.as_numpy("FP64")) == VALUES["FP64"]
    assert text(result.as_numpy("BYTES")) == VALUES["BYTES"]


def test_they_are_compressed(client, echo):
    body, length = client.generate_request_body(tensors(binary=True))
    headers = {"Accept-Encoding": "gzip", "Inference-Header-Content-Length": str(length)}
    answer = httpx.post(f"http://{echo}/v2/models/echo/infer", content=body, headers=headers)
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.status_code == 200


def test_classification(client):
    asked = [triton.InferRequestedOutput("FP64", binary_data=False, class_count=2)]
    result = client.infer("echo", tensors(binary=True, FP64=[0.25, 0.5, 0.125]), outputs=asked)
    assert text(result.as_numpy("FP64")) == ["0.500000:1", "0.250000:0"]


def test_health(client):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("echo")
    assert client.is_model_ready("echo", "1")
    assert not client.is_model_ready("other")
    assert not client.is_model_ready("echo", "2")


def test_what_the_server_says_of_itself(client):
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    model = client.get_model_metadata("echo")
    assert [tensor["datatype"] for tensor in model["inputs"]] == list(DATATYPES)
    config = client.get_model_config("echo")
    assert config["input"][0] == {"name": "BOOL", "data_type": "TYPE_BOOL", "dims": [-1]}
    assert client.get_model_repository_index() == [{"name": "echo", "version": "1", "state": "READY", "reason": ""}]


def test_statistics_count(client):
    def count() -> int:
        return client.get_inference_statistics("echo")["model_stats"][0]["inference_stats"]["success"]["count"]

    before = count()
    client.infer("echo", tensors(binary=True))
    assert count() == before + 1
    assert client.get_inference_statistics()["model_stats"][0]["name"] == "echo"


def refused(client: triton.InferenceServerClient, inputs: Any, model: str = "echo", **options: Any) -> tuple[str, str]:
    with pytest.raises(InferenceServerException) as caught:
        client.infer(model, inputs, **options)
    return caught.value.status(), caught.value.message()


def test_errors_reach_the_client_in_words(client):
    good = tensors(binary=True)
    assert refused(client, good, "other") == ("404", "Request for unknown model: 'other' is not found")
    assert refused(client, good[1:])[0] == "400"
    assert "'BOOL' is missing" in refused(client, good[1:])[1]
    unknown = [triton.InferRequestedOutput("nothing")]
    assert "'nothing'" in refused(client, good, outputs=unknown)[1]
    wrong = triton.InferInput("FP32", [1, 3], "INT64").set_data_from_numpy(np.array([[1, 2, 3]]))
    assert "'FP32'" in refused(client, [item if item.name() != "FP32" else wrong for item in good])[1]


def test_what_the_model_raises_stays_in_the_log(client):
    status, message = refused(client, tensors(binary=True, BYTES=["raise", "", ""]))
    assert status == "500"
    assert "secret" not in message


def test_a_timeout_ends_the_wait_behind_a_slow_prediction(client, echo):
    slow, quick = tensors(binary=True, BYTES=["sleep", "", ""]), tensors(binary=True)
    client.infer("echo", slow)  # shows the server that the model can be slow

    async def ask() -> list[Any]:
        async with triton_aio.InferenceServerClient(echo) as client:
            first = asyncio.create_task(client.infer("echo", slow))
            await asyncio.sleep(0.1)
            second = client.infer("echo", quick, timeout=1000)
            return await asyncio.gather(first, second, return_exceptions=True)

    first, second = asyncio.run(ask())
    assert text(first.as_numpy("BYTES")) == ["sleep", "", ""]
    assert isinstance(second, InferenceServerException)
    assert second.status() == "503"


def test_the_asynchronous_client(echo):
    async def ask() -> Any:
        async with triton_aio.InferenceServerClient(echo) as client:
            inputs = tensors(binary=True)
            return await asyncio.gather(*[client.infer("echo", inputs, request_id=str(n)) for n in range(20)])

    results = asyncio.run(ask())
    assert [result.get_response()["id"] for result in results] == [str(n) for n in range(20)]
    assert all(text(result.as_numpy("BYTES")) == VALUES["BYTES"] for result in results)
