"""What SageMaker's platform and its local mode send, in their order."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import httpx
import pytest

from contract.clients.environment import HERE, python_of
from contract.models import MODELS
from contract.server import serving
from contract.wires import Server, server
from modelbuild_runtime.http.message import HttpRequest, HttpResponse
from modelbuild_runtime.request import Request, Response
from runtime.graphs import pipeline

ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"


def test_a_container_that_starts_is_pinged_until_it_is_healthy():
    assert Server("iris", ready=False).ask("GET", "/ping").status == 503
    assert server("iris").ask("GET", "/ping").status == 200


@pytest.mark.parametrize(("batch", "strategy"), [("", "MULTI_RECORD"), ("true", "MULTI_RECORD"), ("True", None)])
def test_batch_transform_learns_what_it_may_send(batch, strategy):
    asked = Server("iris", environment={"SAGEMAKER_BATCH": batch}).ask("GET", "/execution-parameters")
    found = json.loads(asked.body)
    assert found.get("BatchStrategy") == strategy
    assert found["MaxPayloadInMB"] * found["MaxConcurrentTransforms"] <= 100


def test_a_batch_has_a_line_of_output_for_each_line_of_input():
    body = b"".join(b"%d,2,3,4\n" % n for n in range(50))
    answer = server("iris").ask("POST", "/invocations", body, Content_Type="text/csv", Accept="text/csv")
    assert answer.body.count(b"\n") == 50


@pytest.mark.parametrize(
    ("value", "echoed"), [("a=b", "a=b"), ("x" * 1024, "x" * 1024), ("x" * 1025, None), ("\xe9", None), ("", None)]
)
def test_custom_attributes_come_back_if_they_are_what_they_may_be(value, echoed):
    answer = server("iris").ask("POST", "/invocations", b"[1,2,3,4]", **{ATTRIBUTES: value})
    assert answer.headers.get(ATTRIBUTES) == echoed


@pytest.mark.parametrize(("usual", "given"), [("text/csv", "text/csv"), ("image/png", "application/json")])
def test_the_usual_answer_may_be_set(usual, given):
    told = Server("iris", environment={"SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": usual})
    assert told.ask("POST", "/invocations", b"[1,2,3,4]", Accept="*/*").content_type.startswith(given)


def test_other_headers_of_the_platform_do_no_harm():
    headers = {"X_Amzn_SageMaker_Target_Model": "a", "X_Amzn_SageMaker_Inference_Id": "b", "Accept": "application/json"}
    answer = server("iris").ask("POST", "/invocations", b"[1,2,3,4]", Content_Type="application/json", **headers)
    assert answer.status == 200


@pytest.mark.parametrize(
    ("content_type", "body"),
    [("text/csv", b"1,2,3,4\n9,2,3,4\n"), ("application/jsonlines", b"[1,2,3,4]\n[9,2,3,4]\n")],
)
@pytest.mark.parametrize("accept", [{}, {"Accept": "*/*"}])
def test_batch_transform_gets_lines_for_lines_without_asking(content_type, body, accept):
    transforming = Server("iris", environment={"SAGEMAKER_BATCH": "true"})
    answer = transforming.ask("POST", "/invocations", body, Content_Type=content_type, **accept)
    assert answer.content_type.startswith(content_type)
    assert answer.body.count(b"\n") == 2
    assert (
        server("iris").ask("POST", "/invocations", body, Content_Type=content_type).content_type == "application/json"
    )


def test_a_table_with_a_header_is_a_table_to_batch_transform_and_a_data_frame_to_an_endpoint():
    body = b"age,income,job\n40,100,cook\n"
    transforming = Server("loan", environment={"SAGEMAKER_BATCH": "true"})
    assert transforming.ask("POST", "/invocations", body, Content_Type="text/csv").body == b"score\n2.5\n"
    assert json.loads(server("loan").ask("POST", "/invocations", body, Content_Type="text/csv").body) == {
        "predictions": [2.5]
    }


@pytest.mark.parametrize(
    ("accept", "mine"), [("text/csv", False), ("application/json", True), ("", True), ("*/*", True)]
)
def test_instances_are_answered_in_the_type_that_is_accepted(accept, mine):
    body = b'{"instances": [[1, 2, 3, 4]]}'
    answer = server("iris").ask("POST", "/invocations", body, Content_Type="application/json", Accept=accept)
    assert answer.body.startswith(b'{"predictions"') == mine
    assert answer.status == 200


def test_the_handler_s_own_attributes_win():
    one = Server("raw")
    answer = Response(1, raw=b"x", content_type="text/plain", headers=((ATTRIBUTES, "handler"),))
    assert [value for name, value in encoded(one, answer, {ATTRIBUTES.encode(): b"client"}).headers] == ["handler"]
    plain = Response(1, raw=b"x", content_type="text/plain")
    assert [value for name, value in encoded(one, plain, {ATTRIBUTES.encode(): b"client"}).headers] == ["client"]


@pytest.mark.parametrize(
    ("accept", "streams", "content_type", "body"),
    [
        (b"", True, "application/jsonlines", b'"a"\n{"n":1}\n'),
        (b"*/*", True, "application/jsonlines", b'"a"\n{"n":1}\n'),
        (b"text/event-stream", True, "text/event-stream; charset=utf-8", b'data: "a"\n\ndata: {"n":1}\n\n'),
        (b"application/json", False, "", b""),
    ],
)
def test_a_handler_that_answers_in_parts_does_unless_a_whole_is_asked_for(accept, streams, content_type, body):
    one = Server("items")
    one.service.streams = True
    request = asked(one, b"[1]", {b"accept": accept})
    assert request.stream == streams
    if streams:
        answer = encoded(one, Response(1, parts=iter(["a", {"n": 1}])), {b"accept": accept}, request)
        assert (answer.content_type, b"".join(answer.parts or ())) == (content_type, body)


def test_parts_of_a_handler_that_encodes_go_out_as_they_come():
    one = Server("raw")
    one.service.streams = True
    request = asked(one, b"x", {})
    assert request.stream
    answer = encoded(one, Response(1, parts=iter([b"a", "b"]), content_type="text/plain"), {}, request)
    assert (answer.content_type, b"".join(answer.parts or ())) == ("text/plain", b"ab")


def prediction(one: Server) -> Any:
    from modelbuild_runtime.protocols import sagemaker

    return next(r for r in sagemaker.protocol(one.service).routes if r.path == "/invocations").endpoint


def asked(one: Server, body: bytes, headers: dict[bytes, bytes]) -> Request:
    return prediction(one).decode(HttpRequest("POST", "/invocations", "", headers, body, {}))


def encoded(
    one: Server, response: Response, headers: dict[bytes, bytes], request: Request | None = None
) -> HttpResponse:
    http = HttpRequest("POST", "/invocations", "", headers, b"x", {})
    return prediction(one).encode(http, request or asked(one, b"x", headers), response)


HANDLER = "def model_fn(model_dir): return 2\ndef predict_fn(data, model): return data / model\n"
TOOLKIT = [
    ("application/json", "application/json", "[[1, 2], [3, 4]]"),
    ("application/json", "*/*", "[1]"),
    ("application/json", "application/json", "[NaN]"),
    ("text/csv", "text/csv", "1,2\n3,4\n"),
    ("text/csv", "application/json", "1,2\n"),
    ("text/csv", "text/csv", "1\n2\n"),
    ("application/json", "text/csv", "[[1, 2]]"),
    ("application/json", "application/x-npy", "[1, 2]"),
    ("image/png", "application/json", "x"),
    ("application/json", "image/png", "[1]"),
    ("application/json", "application/json", "[1,"),
]


@pytest.mark.slow
def test_the_toolkit_answers_the_same_with_the_same_handler(tmp_path, monkeypatch):
    (tmp_path / "inference.py").write_text(HANDLER)
    command = [str(python_of("sagemaker")), str(HERE / "sagemaker_oracle.py"), str(tmp_path / "inference.py")]
    done = subprocess.run(command, input=json.dumps(TOOLKIT), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    monkeypatch.setitem(MODELS, "halves", lambda: pipeline(tmp_path, HANDLER, style="sagemaker"))
    one = Server("halves")
    for (kind, accept, body), (status, content_type, text) in zip(TOOLKIT, json.loads(done.stdout), strict=True):
        answer = one.ask("POST", "/invocations", body.encode(), Content_Type=kind, Accept=accept)
        if status == 200:
            assert (answer.status, answer.content_type) == (200, content_type), (kind, accept, body)
            assert answer.body.decode("latin-1") == text
        else:  # the toolkit knows one status for all that is wrong, and shows its traceback
            assert status == 500
            assert answer.status in {400, 406, 415}
            assert b"Traceback" not in answer.body


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["MultiRecord", "SingleRecord"])
def test_local_mode_s_calls_in_its_order(tmp_path, strategy):
    """What sagemaker.core.local sends: until it is healthy, its parameters, then each payload; a line each is written."""
    inputs = [{"name": "a", "datatype": "FP64", "shape": [-1]}, {"name": "b", "datatype": "FP64", "shape": [-1]}]
    with serving(tmp_path, inputs, SAGEMAKER_BATCH="True", SAGEMAKER_MAX_PAYLOAD_IN_MB="6") as address:
        assert httpx.get(f"http://{address}/ping").status_code == 200
        parameters = httpx.get(f"http://{address}/execution-parameters")
        assert parameters.json() == {"MaxConcurrentTransforms": 16, "MaxPayloadInMB": 6}
        lines = [b"%d,%d.5" % (n, n) for n in range(10)]
        payloads = lines if strategy == "SingleRecord" else [b"\n".join(lines[:6]), b"\n".join(lines[6:])]
        headers = {"Content-type": "text/csv", "Accept": "text/csv", "X-Amzn-SageMaker-Custom-Attributes": "trace=1"}
        answers = [httpx.post(f"http://{address}/invocations", content=sent, headers=headers) for sent in payloads]
    assert {answer.headers["x-amzn-sagemaker-custom-attributes"] for answer in answers} == {"trace=1"}
    assert b"".join(answer.content for answer in answers).splitlines() == [b"%d.0,%d.5" % (n, n) for n in range(10)]
