"""Runs in an environment of its own: asks the server with KServe's REST client, and prints what it got as JSON.

usage: kserve_session.py http://127.0.0.1:8080 < {"DATATYPE": [value, ...], ...}
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import httpx
import numpy as np
from cloudevents.conversion import to_binary, to_structured
from cloudevents.http import CloudEvent, from_http
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput

DTYPES = {"BYTES": np.object_, "BOOL": np.bool_, "FP16": np.float16, "FP32": np.float32, "FP64": np.float64}


def request(values: dict[str, list[Any]], *, binary: bool, outputs: tuple[str, ...] = ()) -> InferRequest:
    inputs = []
    for name, row in values.items():
        array = np.array([row], DTYPES.get(name) or np.dtype(name.lower()))
        item = InferInput(name, list(array.shape), name)
        item.set_data_from_numpy(array, binary_data=binary)
        inputs.append(item)
    asked = [RequestedOutput(name, parameters={"binary_data": binary}) for name in outputs]
    return InferRequest("echo", inputs, request_id="an-id", request_outputs=asked)


def plain(response: Any) -> dict[str, Any]:
    return {
        output.name: [
            value.decode() if isinstance(value, bytes) else value for value in output.as_numpy().ravel().tolist()
        ]
        for output in response.outputs
    }


async def first_version(url: str, values: dict[str, list[Any]]) -> dict[str, Any]:
    """The protocol's version 1, whose data are any JSON."""
    client = InferenceRESTClient(RESTConfig(protocol="v1", retries=0, timeout=30))
    found: dict[str, Any] = {
        "live": await client.is_server_live(url),
        "ready": await client.is_model_ready(url, "echo"),
        "rows": await client.infer(url, {"instances": [values, values]}, model_name="echo"),
        "columns": await client.infer(url, {"inputs": {key: [row] for key, row in values.items()}}, model_name="echo"),
        "record": await client.infer(url, values, model_name="echo"),
        "errors": {},
    }
    asked = {
        "model": client.infer(url, values, model_name="other"),
        "ready": client.is_model_ready(url, "other"),
        "instances": client.infer(url, {"instances": []}, model_name="echo"),
        "explain": client.explain(url, "echo", {"instances": [values]}),
    }
    for name, call in asked.items():
        try:
            await call
        except httpx.HTTPStatusError as error:
            found["errors"][name] = [error.response.status_code, error.response.json()["error"]]
    return found


def events(url: str, values: dict[str, list[Any]]) -> dict[str, Any]:
    """Events in both modes, written and read by the library of CloudEvents, as KServe's own server does."""
    found = {}
    sent = CloudEvent(
        {"type": "test", "source": "/test", "datacontenttype": "application/json"}, {"instances": [values]}
    )
    for name, write in (("binary", to_binary), ("structured", to_structured)):
        headers, body = write(sent)
        answer = httpx.post(f"{url}/v1/models/echo:predict", content=body, headers=headers, timeout=30)
        event = from_http(dict(answer.headers), answer.content)
        found[name] = [answer.status_code, event["type"], event["source"], event.data]
    return found


async def main(url: str, values: dict[str, list[Any]]) -> dict[str, Any]:
    client = InferenceRESTClient(RESTConfig(protocol="v2", retries=0, timeout=30))
    found: dict[str, Any] = {
        "live": await client.is_server_live(url),
        "ready": await client.is_server_ready(url),
        "model": await client.is_model_ready(url, "echo"),
    }
    as_json = {name: row for name, row in values.items() if name != "FP16"}
    try:
        found["other"] = await client.is_model_ready(url, "other")
    except httpx.HTTPStatusError as error:
        found["other"] = error.response.status_code
    response = await client.infer(url, request(values, binary=True), model_name="echo")
    found["binary"], found["id"], found["name"] = plain(response), response.id, response.model_name
    asked = request(values, binary=True, outputs=("INT64", "BYTES"))
    found["asked"] = plain(await client.infer(url, asked, model_name="echo"))
    mixed = request(values, binary=True)
    for item in request(as_json, binary=False).inputs:
        mixed.inputs[[one.name for one in mixed.inputs].index(item.name)] = item
    found["json"] = plain(await client.infer(url, mixed, model_name="echo"))
    try:
        await client.infer(url, request({"BOOL": [True]}, binary=False), model_name="echo")
    except httpx.HTTPStatusError as error:
        found["error"] = [error.response.status_code, error.response.json()]
    found["v1"], found["events"] = await first_version(url, values), events(url, values)
    return found


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(sys.argv[1], json.load(sys.stdin)))))
