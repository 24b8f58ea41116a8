"""Whatever is sent, a client gets an answer or a complaint about its own request: never a failure of the server."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.models import MODELS
from contract.wires import server
from modelbuild_runtime.protocols import Prediction

WIRE = Path(__file__).parent / "wire"
TYPES = (
    "",
    "application/json",
    "text/csv",
    "text/csv;header=present",
    "application/jsonlines",
    "application/x-npy",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=b",
    "image/png",
)
ACCEPTS = ("", "*/*", "application/json", "text/csv", "application/x-npy", "application/jsonlines;q=0.5, text/*")
SEEDS = [path.read_bytes().partition(b"\n\n")[2] for path in sorted(WIRE.glob("*/*.request"))]
SEEDS = [seed for seed in SEEDS if seed and len(seed) < 600]

numbers = st.integers(-3, 5) | st.integers() | st.floats() | st.sampled_from([2**31, 2**63, 2**64, 10**400])
scalars = st.none() | st.booleans() | numbers | st.text(max_size=4)
names = st.sampled_from(
    [
        "x",
        "m",
        "image",
        "age",
        "income",
        "job",
        "married",
        "inputs",
        "instances",
        "parameters",
        "data",
        "b64",
        "id",
        "name",
        "shape",
        "datatype",
        "outputs",
        "y",
        "examples",
        "context",
        "signature_name",
        "specversion",
    ]
)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(names, inner, max_size=4))
tensors = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["x", "m", "image", "age", "y"]),
        "shape": st.lists(st.integers(-1, 4) | st.just(2**40), max_size=3) | st.just([1] * 70) | values,
        "datatype": st.sampled_from(["FP32", "INT32", "BYTES", "BOOL", "FP16", "UINT64", "FP8"]),
    },
    optional={"data": st.lists(scalars, max_size=6) | values, "parameters": st.dictionaries(names, scalars)},
)
tensor_requests = st.fixed_dictionaries(
    {"inputs": st.lists(tensors, max_size=3)}, optional={"id": scalars, "parameters": values, "outputs": values}
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A body that was right once."""
    body = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(body) - 1, 0)))
        kind = draw(st.integers(0, 3))
        if kind == 0:
            del body[at : at + draw(st.integers(1, 8))]
        elif kind == 1:
            body[at : at + 1] = draw(st.binary(max_size=3))
        elif kind == 2:
            body[at:at] = body[at : at + draw(st.integers(1, 20))]
        else:
            body[at:at] = draw(st.sampled_from([b"[", b"]", b"{", b'"', b",", b"NaN", b"1e999", b"\\ud800", b"null"]))
    return bytes(body)


bodies = (
    st.binary(max_size=40)
    | damaged()
    | values.map(lambda value: json.dumps(value).encode())
    | tensor_requests.map(lambda value: json.dumps(value).encode())
)


@pytest.mark.parametrize("model", sorted(MODELS))
@given(body=bodies, kind=st.sampled_from(TYPES), accept=st.sampled_from(ACCEPTS), length=st.integers(-1, 80))
def test_no_request_makes_the_server_fail(model, body, kind, accept, length):
    headers = {b"content-type": kind.encode(), b"accept": accept.encode()}
    if length >= 0:
        headers[b"inference-header-content-length"] = b"%d" % length
    for protocol in server(model).protocols:
        for route in protocol.routes:
            if isinstance(route.endpoint, Prediction):
                target = route.path.replace("{model}", model).replace("{version}", "1")
                target = target.replace("{label}", "stable").encode()
                response = server(model).request(b"POST", target, headers, body)
                assert response.status in {200, 501} or 400 <= response.status < 500, (target, response.body)
                if response.status != 200:
                    assert not math.isnan(len(json.loads(response.body)))
