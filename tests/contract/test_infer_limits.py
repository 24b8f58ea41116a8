"""What the Open Inference Protocol refuses, whatever the body says it is."""

from __future__ import annotations

import json

import pytest

from contract.wires import server

PATH = "/v2/models/iris/infer"
INPUT = {"name": "x", "datatype": "FP64", "shape": [1, 4], "data": [1, 2, 3, 4]}


@pytest.mark.parametrize("timeout", [10**310, 1 << 63, -1, "1", 1.5])
def test_a_timeout_beyond_all_bounds_is_the_client_s_mistake(timeout):
    body = json.dumps({"inputs": [INPUT], "parameters": {"timeout": timeout}}).encode()
    answer = server("iris").ask("POST", PATH, body)
    assert answer.status == 400
    assert b"timeout" in answer.body


@pytest.mark.parametrize("content_type", ["application/octet-stream", "application/json", ""])
@pytest.mark.parametrize("framed", [False, True])
def test_values_are_counted_whatever_the_content_type_says(content_type, framed):
    text = json.dumps({"inputs": [{**INPUT, "data": [""] * 200_000}]}, separators=(",", ":")).encode()
    headers = {"Inference_Header_Content_Length": str(len(text))} if framed else {}
    answer = server("iris").ask("POST", PATH, text, Content_Type=content_type, **headers)
    assert answer.status == 413


def test_separators_among_raw_bytes_are_no_values():
    item = {"name": "x", "datatype": "FP32", "shape": [40_000, 4], "parameters": {"binary_data_size": 640_000}}
    text = json.dumps({"inputs": [item]}).encode()
    headers = {"Inference_Header_Content_Length": str(len(text)), "Content_Type": "application/octet-stream"}
    assert server("iris").ask("POST", PATH, text + b"," * 640_000, **headers).status == 200
