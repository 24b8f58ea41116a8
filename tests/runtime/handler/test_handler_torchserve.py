"""Handlers of Multi-Model-Server and TorchServe, as their documentation shows them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from modelbuild_runtime.errors import LoadError, PredictionFailed, ServerError
from modelbuild_runtime.handler.mms_context import Context
from modelbuild_runtime.request import RawAnswer, RawItem
from runtime.graphs import pipeline


def served(folder: Path, source: str, **options: Any) -> Any:
    return pipeline(folder, source, style="torchserve", **options)


def one(pipe: Any, body: bytes = b"{}", content_type: str = "application/json", **item: Any) -> RawAnswer:
    (answer,) = pipe.run([RawItem({"body": body}, content_type, **item)])
    return answer


ECHO = """
def handle(data, context):
    if data is None:
        return None
    return [{name: [type(value).__name__, str(value)] for name, value in row.items()} for row in data]
"""


@pytest.mark.parametrize(
    ("fields", "content_type", "expected"),
    [
        ({"body": b'{"a": 1}'}, "application/json", {"body": ["dict", "{'a': 1}"]}),
        ({"body": b'{"a": 1}'}, "application/json; charset=utf-8", {"body": ["dict", "{'a': 1}"]}),
        ({"body": b"{"}, "application/json", {"body": ["bytearray", "bytearray(b'{')"]}),
        ({"body": b"[" * 100_000}, "application/json", {"body": ["bytearray", f"bytearray(b'{'[' * 100_000}')"]}),
        ({"body": b"{}"}, "application/x+json", {"body": ["bytearray", "bytearray(b'{}')"]}),
        ({"body": b"{}"}, "Application/JSON", {"body": ["dict", "{}"]}),
        ({"body": b"\xff"}, "text/plain", {"body": ["bytearray", "bytearray(b'\\xff')"]}),
        ({"body": "é".encode()}, "text/plain", {"body": ["str", "é"]}),
        ({"body": b"\x00"}, "image/png", {"body": ["bytearray", "bytearray(b'\\x00')"]}),
        ({"body": b""}, "", {"body": ["bytearray", "bytearray(b'')"]}),
        (
            {"a": b"1", "b": b"t"},
            "multipart/form-data; boundary=x",
            {"a": ["bytearray", "bytearray(b'1')"], "b": ["bytearray", "bytearray(b't')"]},
        ),
        ({"body": b"t"}, "application/x-www-form-urlencoded", {"body": ["bytearray", "bytearray(b't')"]}),
    ],
)
def test_requests_arrive_as_in_those_servers(tmp_path: Path, fields: dict, content_type: str, expected: dict) -> None:
    pipe = served(tmp_path, ECHO)

    assert (pipe.wants, pipe.batchable, pipe.contract.open) == ("raw", False, True)
    (answer,) = pipe.run([RawItem(fields, content_type)])
    assert json.loads(answer.body) == expected
    assert answer.content_type == "application/json"


def test_the_function_is_called_once_to_initialize(tmp_path: Path) -> None:
    pipe = served(
        tmp_path,
        """
calls = []

def handle(data, context):
    calls.append(data)
    return [len(calls)] if data else None
""",
    )

    assert [one(pipe).body, one(pipe).body] == [b"2", b"3"]


CLASS = """
import json
import os

class Helper:
    pass

class Service:
    def initialize(self, context):
        folder = context.system_properties["model_dir"]
        self.labels = json.loads(open(os.path.join(folder, "labels.json")).read())
        self.size = os.path.getsize(os.path.join(folder, context.manifest["model"]["serializedFile"]))

    def handle(self, data, context):
        return [self.labels[row["body"]["n"]] for row in data]
"""


def test_a_class_finds_its_files_beside_the_model(tmp_path: Path) -> None:
    pipe = served(tmp_path, CLASS, files={"labels.json": '["cat", "dog"]'})

    answer = one(pipe, b'{"n": 1}')

    assert (answer.body, answer.content_type) == (b"dog", "text/plain; charset=utf-8")


def test_the_context(tmp_path: Path) -> None:
    pipe = served(
        tmp_path,
        """
class Dimension:
    name, value = "Level", "Model"

def handle(data, context):
    if data is None:
        return
    context.metrics.add_counter("Seen", 1, 0, [Dimension()])
    context.metrics.add_time("Took", 1.5)
    context.set_response_content_type(0, "application/vnd.own")
    context.set_response_header(0, "X-Own", "1")
    context.set_response_status(202, "Accepted", 0)
    return [{
        "name": context.model_name,
        "version": context.manifest["model"]["modelVersion"],
        "batch": context.system_properties["batch_size"],
        "gpu": context.system_properties["gpu_id"],
        "id": context.get_request_id(0),
        "ids": context.request_ids,
        "header": context.get_request_header(0, "X-Custom"),
        "all": dict(context.get_all_request_header(0)),
    }]
""",
    )

    answer = one(pipe, headers={b"x-custom": b"yes"}, id="r1")

    assert (answer.status, answer.content_type, answer.headers) == (202, "application/vnd.own", (("x-own", "1"),))
    assert json.loads(answer.body) == {
        "name": "fraud",
        "version": "7",
        "batch": 1,
        "gpu": None,
        "id": "r1",
        "ids": {"0": "r1"},
        "header": "yes",
        "all": {"body": {"content-type": "application/json"}, "content-type": "application/json", "x-custom": "yes"},
    }
    assert one(pipe).status == 202  # as the handler says each time


def test_metrics_go_to_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pipe = served(
        tmp_path,
        """
from ts.metrics.dimension import Dimension

def handle(data, context):
    context.metrics.add_time("Took", 1.5, idx="r1", dimensions=[Dimension("Level", "Model")])
    return [1]
""",
    )

    with caplog.at_level("INFO", "modelbuild_runtime.handler.metrics"):
        one(pipe)

    assert "Took.Milliseconds:1.5|#Level:Model,requestId:r1" in caplog.messages


def test_base_handler_and_its_error_with_a_status(tmp_path: Path) -> None:
    pipe = served(
        tmp_path,
        """
import numpy as np
from ts.torch_handler.base_handler import BaseHandler
from ts.utils.util import PredictionException

class Scores(BaseHandler):
    def preprocess(self, data):
        if "x" not in data[0]["body"]:
            raise PredictionException("there is no x", 422)
        return np.array([row["body"]["x"] for row in data], np.float32)

    def inference(self, data):
        return self.model.run(None, {"x": data})[0]

    def postprocess(self, data):
        return [{self.mapping[str(int(row.argmax()))]: row.max()} for row in data]
""",
        files={"index_to_name.json": '{"0": "cat", "1": ["n02", "dog"]}'},
    )

    assert json.loads(one(pipe, b'{"x": [0.25, 0.5]}').body) == {"dog": 0.5}
    with pytest.raises(ServerError) as caught:
        one(pipe)
    assert (caught.value.status, caught.value.message) == (422, "there is no x")


def test_each_file_of_a_form_has_its_own_type(tmp_path: Path) -> None:
    types = {"a": "application/json", "b": "text/csv", "c": "image/png", "d": ""}
    fields = {"a": b"[1]", "b": b"1,2", "c": b"x", "d": b"y"}

    (answer,) = served(tmp_path, ECHO).run([RawItem(fields, "multipart/form-data; boundary=x", types=types)])

    assert [kind for kind, _ in json.loads(answer.body).values()] == ["list", "str", "bytearray", "bytearray"]


def test_handlers_that_want_bytes_only_say_so_as_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMS_DECODE_INPUT_REQUEST", "false")

    assert json.loads(one(served(tmp_path, ECHO)).body) == {"body": ["bytearray", "bytearray(b'{}')"]}


@pytest.mark.parametrize(("code", "status"), [(404, 404), (599, 599), (200, 500), (1000, 500), ("x", 500)])
def test_an_error_has_the_status_that_the_handler_says_if_it_is_one(tmp_path: Path, code: Any, status: int) -> None:
    pipe = served(
        tmp_path,
        f"""
from mms.service import PredictionException

def handle(data, context):
    if data:
        raise PredictionException("no", {code!r})
""",
    )

    with pytest.raises(ServerError, match="no") as caught:
        one(pipe)
    assert caught.value.status == status


PARTS = """
from ts.handler_utils.utils import send_intermediate_predict_response

def handle(data, context):
    if data:
        for word in ("one ", b"two "):
            send_intermediate_predict_response([word] * len(data), context.request_ids, "ok", 200, context)
        return ["three"] * len(data)
"""


def test_parts_of_an_answer_are_all_in_it(tmp_path: Path) -> None:
    pipe = served(tmp_path, PARTS, options={"batch_size": 2})

    assert [answer.body for answer in pipe.run([RawItem({"body": b""})] * 3)] == [b"one two three"] * 3


def test_parts_of_an_answer_are_sent_as_they_come(tmp_path: Path) -> None:
    pipe = served(tmp_path, PARTS)

    found = pipe.stream([RawItem({"body": b""})])

    assert pipe.streams
    assert (found.content_type, found.status) == ("text/plain; charset=utf-8", 200)
    assert list(found.items) == [b"one ", b"two ", b"three"]
    assert one(pipe).body == b"one two three"


def test_an_answer_without_parts_is_a_whole_one(tmp_path: Path) -> None:
    source = (
        "NAME = 'send_intermediate_predict_response'\ndef handle(data, context):\n    return data and [data[0]['x']]\n"
    )
    pipe = served(tmp_path, source)

    (answer,) = pipe.stream([RawItem({"x": b"1"})])
    assert answer.body == b"1"
    with pytest.raises(KeyError):
        pipe.stream([RawItem({"y": b"1"})])
    (answer,) = pipe.run([RawItem({"x": b"2"})])  # the failure holds up nobody
    assert answer.body == b"2"


def test_only_handlers_that_give_parts_are_asked_for_them(tmp_path: Path) -> None:
    assert not served(tmp_path, ECHO).streams


def test_parts_of_an_answer_can_be_taken_as_they_come() -> None:
    taken: list[Any] = []
    context = Context("m", "/", {})
    context.begin([RawItem({"body": b""}), RawItem({"body": b""})])
    context.request_processor[1].take = taken.append

    context.give({0: "kept", 1: "taken"})

    assert (context.request_processor[0].parts, taken) == (["kept"], ["taken"])


def test_an_answer_that_has_no_body_has_none(tmp_path: Path) -> None:
    source = "def handle(data, context):\n    context.set_response_status(204)\n    return ['x']\n"

    answer = one(served(tmp_path, source))

    assert (answer.status, answer.body, answer.content_type) == (204, b"", "")


EXPLAINS = """
from ts.torch_handler.base_handler import BaseHandler

class Scores(BaseHandler):
    def initialize(self, context): pass
    def preprocess(self, data): return [1]
    def inference(self, data): return data
    def postprocess(self, data): return ["predicted"]
    def get_insights(self, inputs, raw, target): return [{"why": str(raw), "target": target}]
    def describe_handle(self): return "described"
"""


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, b"predicted"),
        ({b"explain": b"False"}, b"predicted"),
        ({b"explain": b"True"}, b'{\n  "why": "{}",\n  "target": 0\n}'),
        ({b"describe": b"True"}, b"described"),
    ],
)
def test_a_base_handler_explains_when_a_header_asks_for_it(tmp_path: Path, headers: Any, expected: bytes) -> None:
    assert one(served(tmp_path, EXPLAINS), b'"{}"', headers=headers).body == expected


def test_what_an_archive_says_of_the_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "def handle(data, context):\n    return data and [[len(data), context.model_yaml_config]] * len(data)\n"
    (tmp_path / "model" / "MAR-INF").mkdir(parents=True)
    (tmp_path / "model" / "MAR-INF" / "MANIFEST.json").write_text('{"model": {"configFile": "c.yaml"}}')
    (tmp_path / "model" / "c.yaml").write_text("batchSize: 2\n")

    def sizes(**options: Any) -> list[Any]:
        answers = served(tmp_path, source, **options).run([RawItem({"body": b""})] * 3)
        return [json.loads(answer.body) for answer in answers]

    config = {"batchSize": 2}
    assert sizes() == [[2, config], [2, config], [1, config]]
    monkeypatch.setenv("TS_BATCH_SIZE", "3")
    assert sizes() == [[3, config]] * 3
    assert sizes(options={"batch_size": 1}) == [[1, config]] * 3


def test_batches_where_the_handler_takes_them(tmp_path: Path) -> None:
    source = "def handle(data, context):\n    return data and [row['body'].decode() + str(len(data)) for row in data]\n"
    pipe = served(tmp_path, source, options={"batch_size": 4})

    assert pipe.batchable
    assert [answer.body for answer in pipe.run([RawItem({"body": b"a"}), RawItem({"body": b"b"})])] == [b"a2", b"b2"]


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ("{'a': 1}", "Invalid model predict output"),
        ("[1, 2]", "number of batch response mismatched"),
        ("[object()]", "Unsupported model output data type"),
        ("[context.set_response_status(999)]", "Prediction failed"),
    ],
)
def test_what_handle_must_not_return(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, returned: str, message: str
) -> None:
    pipe = served(tmp_path, f"def handle(data, context):\n    return data and {returned}\n")

    with pytest.raises(PredictionFailed, match=message):
        one(pipe)
    assert re.search(r"handle(r)? (returned|set)", caplog.text)


def test_bytes_are_sent_as_they_are(tmp_path: Path) -> None:
    pipe = served(tmp_path, "def handle(data, context):\n    return [bytearray(b'\\x01')]\n")

    assert (one(pipe).body, one(pipe).content_type) == (b"\x01", "application/octet-stream")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1", r"not one class with it \(none\)"),
        ("class A:\n    def handle(self): 1\nclass B(A): pass", r"\(A, B\)"),
        ("def handle(data, context): return 1 / 0", "failed to initialize: ZeroDivisionError"),
        (
            "import ts.torch_handler.image_classifier",
            "imports 'ts.torch_handler.image_classifier', which is not installed",
        ),
    ],
)
def test_what_cannot_be_loaded(tmp_path: Path, source: str, message: str) -> None:
    with pytest.raises(LoadError, match=message):
        served(tmp_path, source)
