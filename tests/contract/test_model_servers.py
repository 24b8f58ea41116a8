"""Our server held against Multi-Model-Server and TorchServe: the same handler, the same requests, the same answers.

Where ours answers otherwise on purpose, the case says why, and what ours answers. Not compared: the id and the reason phrase
(ours are its own); Connection (theirs close after an error, ours need not); Content-Type where the handler sets none (theirs
then send none, and a client cannot know what it got).
"""

from __future__ import annotations

import http.client
import json
import subprocess
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from contract.clients.environment import HERE, python_of
from contract.model_servers import MMS, TORCHSERVE, serving_original, serving_ours
from modelbuild_runtime import grpc

pytestmark = pytest.mark.slow

PROTOS = Path(grpc.__file__).parent / "protos"

JSON, TEXT, FORM = "application/json", "text/plain", "application/x-www-form-urlencoded"
MULTIPART = (
    b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\none\r\n'
    b'--B\r\nContent-Disposition: form-data; name="t"\r\nContent-Type: text/plain\r\n\r\ntt\r\n'
    b'--B\r\nContent-Disposition: form-data; name="f"; filename="f.json"\r\nContent-Type: application/json\r\n\r\n{"x": 1}\r\n'
    b'--B\r\nContent-Disposition: form-data; name="g"; filename="g.txt"\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nh\xc3\xa9\r\n'
    b'--B\r\nContent-Disposition: form-data; name="n"; filename="n.bin"\r\n\r\n\x00\xff\r\n--B--\r\n'
)
IMAGE = b"\x89PNG\x00\xff"
IGNORED = {"x-request-id", "connection", "content-length", "transfer-encoding", "ts_stream_next"}


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: Any


class Case(NamedTuple):
    """``differs`` is why ours answers otherwise, by server; then ``ours`` are the status and a part of the body."""

    name: str
    method: str
    target: str
    body: bytes = b""
    content_type: str = ""
    headers: Mapping[str, str] = {}
    differs: Mapping[str, str] = {}
    ours: tuple[int, str] = (0, "")


def told(name: str, differs: Mapping[str, str] = {}, ours: tuple[int, str] = (0, ""), **body: Any) -> Case:
    """What the handler is told to do."""
    return Case(name, "POST", "/predictions/echo", json.dumps(body).encode(), JSON, differs=differs, ours=ours)


NO_VERSIONS = {"mms": "it knows no versions, and takes them for nothing"}
NOT_THERE = {"mms": "only TorchServe has this route"}


def both(reason: str) -> Mapping[str, str]:
    return dict.fromkeys(("mms", "torchserve"), reason)


MALFORMED = "it kills the worker with it; ours gives the handler the bytes, as TorchServe does"
CASES = [
    Case("a body of no type", "POST", "/predictions/echo", b"x"),
    Case("get", "GET", "/predictions/echo"),
    Case("put", "PUT", "/predictions/echo", b"x"),
    Case("head", "HEAD", "/predictions/echo"),
    Case("a slash at the end", "POST", "/predictions/echo/", b"x"),
    Case("a query that is not looked at", "POST", "/predictions/echo?q=1", b"x"),
    Case("a version", "POST", "/predictions/echo/1.0", b"x"),
    Case("a version that is not there", "POST", "/predictions/echo/9.9", b"x", differs=NO_VERSIONS, ours=(404, "9.9")),
    Case("more path", "POST", "/predictions/echo/1.0/a/b", b"x"),
    Case("another model", "POST", "/predictions/none", b"x"),
    Case("another model's version", "POST", "/predictions/none/1.0", b"x"),
    Case("no model", "POST", "/predictions", b"x"),
    Case("no model after the slash", "POST", "/predictions/", b"x"),
    Case("invoke", "POST", "/models/echo/invoke?q=1&q=2&r=", b"x"),
    Case("invoke another", "POST", "/models/none/invoke", b"x"),
    Case("invoke, and a field of the body's name", "POST", "/models/echo/invoke?body=q", b"x"),
    Case("invoke with a form", "POST", "/models/echo/invoke?q=1", b"a=1", FORM),
    Case("invocations", "POST", "/invocations", b"x"),
    Case("invocations of a model", "POST", "/invocations?model_name=echo&p=1", b'{"a": 1}', JSON),
    Case("invocations of another", "POST", "/invocations?model_name=none", b"x"),
    Case("the legacy path", "POST", "/echo/predict?z=1", b"x"),
    Case("the legacy path, got", "GET", "/echo/predict"),
    Case("the legacy path of another", "POST", "/none/predict", b"x"),
    Case(
        "the legacy path with a version", "POST", "/echo/1.0/predict", b"x", differs=NOT_THERE, ours=(200, "bytearray")
    ),
    Case("the legacy path with another", "POST", "/echo/9/predict", b"x", differs=NOT_THERE, ours=(404, "version: 9")),
    Case("explain", "POST", "/explanations/echo", b"x", differs=NOT_THERE, ours=(200, "bytearray")),
    Case("explain a version", "POST", "/explanations/echo/1.0/z", b"x", differs=NOT_THERE, ours=(200, "bytearray")),
    Case("explain another", "POST", "/explanations/none", b"x", differs=NOT_THERE, ours=(404, "Model not found")),
    Case(
        "healthy",
        "GET",
        "/ping",
        differs=both("other platforms ask this, too: it says nothing of caches"),
        ours=(200, "Healthy"),
    ),
    Case("json", "POST", "/predictions/echo", b'{"a": [1, 2.5, null]}', JSON),
    Case("json with a charset", "POST", "/predictions/echo", b'{"a": 1}', JSON + "; charset=utf-8"),
    Case("json of a kind", "POST", "/predictions/echo", b'{"a": 1}', "application/x+json"),
    Case("json with a key twice", "POST", "/predictions/echo", b'{"a": 1, "a": 2}', JSON),
    Case("json with tokens", "POST", "/predictions/echo", b'{"a": NaN}', JSON),
    Case(
        "json in capitals",
        "POST",
        "/predictions/echo",
        b'{"a": 1}',
        "Application/JSON",
        differs=both("they tell capitals in media types, HTTP does not"),
        ours=(200, "dict"),
    ),
    Case("text", "POST", "/predictions/echo", "hé".encode(), TEXT),
    Case("csv", "POST", "/predictions/echo", b"a,b", "text/csv; header=present"),
    Case("bytes", "POST", "/predictions/echo", IMAGE, "application/octet-stream"),
    Case("an image", "POST", "/predictions/echo", IMAGE, "image/png"),
    Case("a form", "POST", "/predictions/echo", b"a=1&b=%C3%A9&a=2&c=", FORM),
    Case("a form with a charset", "POST", "/predictions/echo", b"a=1", FORM + "; charset=utf-8"),
    Case("a form with files", "POST", "/predictions/echo", MULTIPART, "multipart/form-data; boundary=B"),
    Case(
        "json that curl calls a form",
        "POST",
        "/predictions/echo",
        b'{"a": 1}',
        FORM,
        differs=both("their handler gets nothing; ours gets the body"),
        ours=(200, "bytearray"),
    ),
    Case(
        "a form of nothing",
        "POST",
        "/predictions/echo",
        b"",
        FORM,
        differs=both("their handler gets nothing; ours tells the client"),
        ours=(400, "nothing was sent: there are no fields"),
    ),
    Case(
        "a form that is none",
        "POST",
        "/predictions/echo",
        b"garbage",
        "multipart/form-data; boundary=B",
        differs=both("their handler gets nothing; ours tells the client"),
        ours=(400, "not a multipart form"),
    ),
    Case(
        "a form without a boundary",
        "POST",
        "/predictions/echo",
        b"x",
        "multipart/form-data",
        differs=both("their handler gets the body; ours tells the client"),
        ours=(400, "no boundary"),
    ),
    Case(
        "a form that is no text",
        "POST",
        "/predictions/echo",
        b"a=%ff",
        FORM,
        differs=both("each makes something else of it; ours tells the client"),
        ours=(400, "not URL-encoded UTF-8"),
    ),
    Case("a header", "POST", "/predictions/echo", b"x", headers={"X-Own": "v"}),
    Case(
        "too large",
        "POST",
        "/predictions/echo",
        b"x" * 100_001,
        differs=both("theirs says nothing; ours says why"),
        ours=(413, "BadRequestException"),
    ),
    Case(
        "delete",
        "DELETE",
        "/predictions/echo",
        differs=both("they predict, whatever the method"),
        ours=(405, "MethodNotAllowedException"),
    ),
    told("an object", do="say", value={"a": [1, 2], "é": None}),
    told("a list", do="say", value=[1, 2]),
    told("null", do="say", value=None),
    told("a number", do="say", value=1.5),
    told("nan", do="say nan"),
    told("a string", do="say", value="héllo"),
    told("a string of a type", do="say", value="héllo", type="text/x-own"),
    told("bytes from the handler", do="say bytes"),
    told("what json cannot say", do="say an object"),
    told("too many answers", all=[1, 2]),
    told("no list", all={"a": 1}),
    told("created", do="say", value="x", status=[201, "Made"]),
    told("gone", do="say", value="x", status=[404, "Gone away"]),
    told("no content", do="say", value="x", status=[204, ""]),
    told("headers", do="say", value="x", headers={"X-A": "1", "Set-Cookie": "a=b"}),
    told("the type as a header", do="say", value="x", headers={"Content-Type": "text/x-own"}),
    told("caching", do="say", value="x", headers={"Cache-Control": "max-age=3"}),
    told("a failure", do="fail", error="KeyError", text="secret"),
    told("out of memory", do="fail", error="MemoryError", text=""),
    told(
        "out of the memory of a gpu",
        {"mms": "only TorchServe looks for this"},
        (507, "Out of resources"),
        do="fail",
        error="RuntimeError",
        text="CUDA out of memory",
    ),
    told("not found, says the handler", do="tell", message="no such thing", code=404),
    told("a status of its own", do="tell", message="odd", code=599),
    told(
        "too large, says the handler",
        {"torchserve": "it says 507 for 413"},
        (413, "big"),
        do="tell",
        message="big",
        code=413,
    ),
    told(
        "an error that is none",
        both("they say 200 with the body 'error'"),
        (500, "fine"),
        do="tell",
        message="fine",
        code=200,
    ),
    told(
        "parts of an answer",
        {"mms": "it knows none: the handler fails to import them"},
        (200, "one two three"),
        do="say",
        value="three",
        parts=["one ", "two "],
    ),
    Case("text that is none", "POST", "/predictions/echo", b"\xff", TEXT, differs={"mms": MALFORMED}, ours=(200, "ÿ")),
    Case(
        "json that is none",
        "POST",
        "/predictions/echo",
        b"{",
        JSON,
        differs={"mms": MALFORMED},
        ours=(200, "bytearray"),
    ),
]


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving_ours(tmp_path_factory.mktemp("ours")) as address:
        yield address


@pytest.fixture(scope="module", params=[MMS, TORCHSERVE], ids=lambda original: original.pins)
def original(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Name and address."""
    name = request.param.pins
    with serving_original(request.param, tmp_path_factory.mktemp(name)) as address:
        yield name, address


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_same_answer(original, ours, case):
    name, address = original
    if case.differs.get(name) == MALFORMED:
        pytest.skip("its worker would die of it, and be missing in the next cases")
    theirs, found = comparable(ask(address, case), name), comparable(ask(ours, case), name)
    if "content-type" not in theirs.headers:
        found.headers.pop("content-type", None)
    if name not in case.differs:
        assert found == theirs
        return
    assert found != theirs, f"they no longer differ: {case.differs[name]}"
    status, words = case.ours
    assert found.status == status
    assert words in text(found)


@pytest.mark.parametrize(
    "case", [case for case in CASES if MALFORMED in case.differs.values()], ids=lambda case: case.name
)
def test_what_kills_a_worker_of_mms_is_given_to_the_handler(ours, case):
    found = comparable(ask(ours, case), "mms")
    assert found.status == case.ours[0]
    assert case.ours[1] in text(found)


@pytest.mark.parametrize("target", ["/", "/api-description", "/predictions/echo"])
def test_descriptions_are_of_the_same_dialect(original, ours, target):
    method = "GET" if target == "/api-description" else "OPTIONS"
    theirs, found = (ask(address, Case("", method, target)) for address in (original[1], ours))
    assert theirs.status == found.status == 200
    assert json.loads(theirs.body)["openapi"] == json.loads(found.body)["openapi"] == "3.0.1"
    if target.startswith("/predictions"):
        assert json.loads(theirs.body)["info"] == json.loads(found.body)["info"]


def test_parts_arrive_as_they_are_made(original, ours):
    addresses = [ours] if original[0] == "mms" else [original[1], ours]  # the other knows no parts
    case = told("", do="wait", seconds=2, parts=["one "])
    for address in addresses:
        host, port = address.split(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=60)
        connection.request(case.method, case.target, case.body, {"Content-Type": JSON})
        began = time.monotonic()
        response = connection.getresponse()
        assert response.read1() == b"one "
        assert time.monotonic() - began < 1.5
        assert response.read() == b"waited"
        assert response.headers["Transfer-Encoding"] == "chunked"
        connection.close()


def test_requests_at_once_are_all_answered(original, ours):
    slow = told("", do="wait", seconds=0.05)
    for address in (original[1], ours):
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _, address=address: ask(address, slow), range(8)))
        assert [(answer.status, answer.body) for answer in answers] == [(200, b"waited")] * 8


CALLS: list[tuple[str, list[dict[str, Any]], str]] = [
    ("Ping", [], ""),
    ("Predictions", [{"model_name": "echo", "input": {"data": "x", "b": "\xff"}}], ""),
    ("Predictions", [{"model_name": "echo", "model_version": "1.0", "input": {"body": '{"a": 1}'}}], ""),
    ("Predictions", [{"model_name": "echo", "input": {}}], ""),
    ("Predictions", [{"model_name": "none"}], "NOT_FOUND"),
    ("Predictions", [{"model_name": "echo", "model_version": "9"}], "NOT_FOUND"),
    ("Predictions", [{"input": {"data": "x"}}], "INVALID_ARGUMENT"),
    ("Predictions", [{"model_name": "echo", "input": {"do": "fail"}}], ""),
    ("Predictions", [{"model_name": "echo", "input": {"do": "tell"}}], ""),
    ("StreamPredictions", [{"model_name": "echo", "input": {"do": "parts"}}], ""),
    ("StreamPredictions", [{"model_name": "none"}], "NOT_FOUND"),
]
"""Method, messages, and the code that ours gives where TorchServe says INTERNAL for whatever the client got wrong."""


@pytest.mark.parametrize("original", [TORCHSERVE], ids=["torchserve"], indirect=True)
def test_the_same_answer_by_grpc(original, ours):
    theirs, found = called(original[1].grpc, CALLS), called(ours.grpc, CALLS)
    for (method, messages, code), one, other in zip(CALLS, theirs, found, strict=True):
        if code:
            assert one[0] == "INTERNAL", (method, messages)
            one[0] = code
        assert other == one, (method, messages)


def test_a_failure_does_not_end_a_stream_of_predictions(ours):
    good = {"model_name": "echo", "sequence_id": "s", "input": {"do": "parts"}}
    messages = [good, {"model_name": "none"}, {"model_name": "echo", "input": {"do": "fail"}}, good]
    ((code, answers),) = called(ours.grpc, [("StreamPredictions2", messages, "")])
    assert code == "OK"
    assert answers == [
        ["one two three", 0, ""],
        ["", 5, "Model not found: none"],
        ["", 14, "Prediction failed"],
        ["one two three", 0, ""],
    ]


def called(address: str, calls: list[tuple[str, list[dict[str, Any]], str]]) -> Any:
    command = [str(python_of("torchserve_grpc")), str(HERE / "torchserve_grpc_session.py"), str(PROTOS), address]
    messages = json.dumps([[method, fields] for method, fields, _ in calls])
    done = subprocess.run(command, input=messages, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for code, answers in found:
        if code == "OK":
            answers[:] = [comparable_message(one) for one in answers]
    return found


def comparable_message(message: Any) -> Any:
    """What the handler tells, without the headers that only requests of HTTP have there."""
    if isinstance(message, list) and message[0].startswith("{"):
        told = json.loads(message[0])
        told.get("told", {}).clear()
        return [told, *message[1:]]
    return message


def ask(address: str, case: Case) -> Answer:
    host, port = address.split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=60)
    try:
        headers = {"Content-Type": case.content_type, **case.headers} if case.content_type else dict(case.headers)
        if case.method not in {"GET", "HEAD"}:
            headers["Content-Length"] = str(len(case.body))
        connection.request(case.method, case.target, case.body or None, headers)
        response = connection.getresponse()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    finally:
        connection.close()


def text(answer: Answer) -> str:
    return answer.body if isinstance(answer.body, str) else json.dumps(answer.body, ensure_ascii=False)


def comparable(answer: Answer, name: str) -> Answer:
    """Without what is not compared; JSON as its value, for its blanks mean nothing."""
    headers = {key: value for key, value in answer.headers.items() if key not in IGNORED}
    body = answer.body.decode("latin-1")
    try:
        body = json.loads(answer.body)
    except ValueError:
        return Answer(answer.status, headers, body)
    if isinstance(body, dict) and "told" in body and name == "mms":
        body["told"].update(explain=None, url_path=None)  # headers that TorchServe adds, and that do no harm
    return Answer(answer.status, headers, repr(body) if body != body else body)
