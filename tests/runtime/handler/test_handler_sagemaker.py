"""Handlers of SageMaker: their functions, and the toolkit's defaults where some are missing."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelbuild_runtime.errors import (
    InvalidInput,
    LoadError,
    NotAcceptable,
    ServerError,
    TooLarge,
    UnsupportedMediaType,
)
from modelbuild_runtime.handler import sagemaker_bodies as bodies
from modelbuild_runtime.request import RawAnswer, RawItem
from runtime.graphs import pipeline

WHOLE = """
import json, os

def model_fn(model_dir):
    return os.path.basename(model_dir)

def input_fn(body, content_type):
    assert content_type == "application/json" and isinstance(body, str)
    return json.loads(body)

def predict_fn(data, model):
    return {"model": model, "data": data}

def output_fn(prediction, accept):
    return json.dumps(prediction), accept
"""


def served(folder: Path, source: str) -> Any:
    return pipeline(folder, source, style="sagemaker")


def ask(pipe: Any, body: bytes, content_type: str = "application/json", accept: str = "") -> RawAnswer:
    (answer,) = pipe.run([RawItem({"body": body}, content_type, accept=accept)])
    return answer


def test_all_functions(tmp_path: Path) -> None:
    pipe = served(tmp_path, WHOLE)

    assert (pipe.wants, pipe.batchable, pipe.contract.open) == ("raw", False, True)
    answer = ask(pipe, b"[1]")
    assert (json.loads(answer.body), answer.content_type) == ({"model": "model", "data": [1]}, "application/json")


def test_the_context_as_one_more_argument(tmp_path: Path) -> None:
    pipe = served(
        tmp_path,
        """
def model_fn(model_dir, context): return context.model_name
def predict_fn(data, model, context): return [model, data.tolist()]
""",
    )

    assert json.loads(ask(pipe, b"[1, 2]").body) == ["fraud", [1, 2]]


def test_transform_fn_does_all(tmp_path: Path) -> None:
    pipe = served(
        tmp_path,
        """
def model_fn(model_dir): return 3
def transform_fn(model, body, content_type, accept): return f"{model} {body} {content_type}", "text/plain"
""",
    )

    answer = ask(pipe, b"1,2", "text/csv")
    assert (answer.body, answer.content_type) == (b"3 1,2 text/csv", "text/plain")


@pytest.mark.parametrize(
    "model", ["type('M', (), {'predict': lambda self, data: data * 2})()", "lambda data: data * 2"]
)
def test_without_predict_fn_the_models_own(tmp_path: Path, model: str) -> None:
    pipe = served(tmp_path, f"def model_fn(model_dir): return {model}\n")

    assert ask(pipe, b"[[1, 2]]").body == b"[[2, 4]]"


def test_without_model_fn_the_packaged_model(tmp_path: Path) -> None:
    pipe = served(tmp_path, "import json\ndef input_fn(body, content_type): return json.loads(body)\n")

    assert ask(pipe, b"[[1, 2]]").body == b"[[1.0, 2.0]]"


def test_bytes_for_what_is_no_text_and_response_objects(tmp_path: Path) -> None:
    pipe = served(
        tmp_path,
        """
class Response:
    response = b"raw"

def model_fn(model_dir): return 1
def input_fn(body, content_type): return type(body).__name__
def predict_fn(data, model): return data
def output_fn(prediction, accept): return Response() if prediction == "bytes" else prediction
""",
    )

    assert ask(pipe, b"\xff", "image/png").body == b"raw"
    assert ask(pipe, b"x", "text/csv", "text/plain").body == b"str"
    with pytest.raises(InvalidInput, match="not UTF-8"):
        ask(pipe, b"\xff", "text/csv")


def test_forms_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedMediaType, match="takes a body, not a form"):
        served(tmp_path, WHOLE).run([RawItem({"file": b""}, "multipart/form-data")])


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1", "none of the functions model_fn, transform_fn, input_fn, predict_fn, output_fn"),
        (WHOLE + "def transform_fn(m, b, c, a): pass", "transform_fn and input_fn; transform_fn replaces"),
        ("def model_fn(): pass", "model_fn of the handler takes 0 arguments"),
        (
            "def model_fn(model_dir): return open('/nowhere/at/all')",
            "model_fn of the handler failed: FileNotFoundError",
        ),
    ],
)
def test_what_cannot_be_loaded(tmp_path: Path, source: str, message: str) -> None:
    with pytest.raises(LoadError, match=message):
        served(tmp_path, source)


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"[[1, 2], [3, 4]]", "application/json"),
        ("[[1, 2], [3, 4]]", ""),
        (b"1,2\n3,4\n", "text/csv"),
        (b"[1, 2]\n\n[3, 4]", "application/jsonlines"),
        (npy(np.array([[1, 2], [3, 4]])), "application/x-npy"),
    ],
)
def test_bodies_that_the_toolkit_reads(body: bytes, content_type: str) -> None:
    assert bodies.read(body, content_type).tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("body", "content_type", "error"),
    [
        (b"{", "application/json", InvalidInput),
        (npy(np.array([{}], object)), "application/x-npy", InvalidInput),
        (npy(np.zeros(100))[:-1], "application/x-npy", InvalidInput),
        (npy(np.zeros(100)).replace(b"(100,)", b"(9" + b"0" * 12 + b",)"), "application/x-npy", InvalidInput),
        (b"PK\x03\x04", "application/x-npy", InvalidInput),
        (b"[" * 100_000, "application/json", InvalidInput),
        (b"[" * 100_000, "application/jsonlines", InvalidInput),
        (json.dumps(["x" * 1_000_000, *["y"] * 10_000]), "application/json", TooLarge),
        (b'["%b"]\n' % (b"x" * 1_000_000) + b'["y"]\n' * 10_000, "application/jsonlines", TooLarge),
        (b"x", "image/png", UnsupportedMediaType),
    ],
)
def test_bodies_that_it_does_not(body: bytes, content_type: str, error: type) -> None:
    with pytest.raises(error):
        bodies.read(body, content_type)


@pytest.mark.parametrize(
    ("accept", "body", "kind"),
    [
        ("", b"[[1.5, 2.0]]", "application/json"),
        ("*/*", b"[[1.5, 2.0]]", "application/json"),
        ("text/html, text/csv;q=0.9", b"1.5,2.0\n", "text/csv"),
        ("application/jsonlines", b"[1.5, 2.0]\n", "application/jsonlines"),
        ("application/x-npy", npy(np.array([[1.5, 2.0]])), "application/x-npy"),
    ],
)
def test_answers_that_it_writes(accept: str, body: bytes, kind: str) -> None:
    assert bodies.write(np.array([[1.5, 2.0]]), accept) == (body, kind)


def test_dicts_of_arrays_are_json() -> None:
    assert bodies.write({"a": np.array([1]), 2: (np.float32(0.5),)}, "")[0] == b'{"a": [1], "2": [0.5]}'
    with pytest.raises(NotAcceptable, match="text/html"):
        bodies.write(1, "text/html")


def test_a_generator_answers_in_parts_or_whole(tmp_path: Path) -> None:
    pipe = pipeline(
        tmp_path,
        """
def model_fn(folder):
    return None

def input_fn(body, kind):
    return body

def predict_fn(data, model):
    return data

def output_fn(text, accept):
    for word in text.split():
        yield word
""",
        style="sagemaker",
    )
    item = RawItem({"body": b'"a b"'}, "application/json", accept="text/plain")
    parts = pipe.stream([item])
    assert (list(parts.items), parts.content_type) == ([b'"a', b'b"'], "text/plain")
    assert pipe.run([item])[0].body == b'"ab"'


def test_the_context_has_the_request_s_headers_and_those_of_its_answer(tmp_path: Path) -> None:
    pipe = served(
        tmp_path,
        """
def model_fn(model_dir): return None
def transform_fn(model, body, content_type, accept, context):
    name = "X-Amzn-SageMaker-Custom-Attributes"
    asked = context.get_request_header(0, name)
    if asked:
        context.set_response_header(0, name, asked + "!")
        context.set_response_status(201, "Created")
    return "done"
""",
    )
    item = RawItem({"body": b"1"}, "application/json", headers={b"x-amzn-sagemaker-custom-attributes": b"a"})
    first, second = pipe.run([item, RawItem({"body": b"1"}, "application/json")])
    assert (first.headers, first.status) == ((("x-amzn-sagemaker-custom-attributes", "a!"),), 201)
    assert (second.headers, second.status) == ((), 200)


def test_the_toolkit_s_own_errors_are_told_to_the_client(tmp_path: Path) -> None:
    pipe = served(
        tmp_path,
        """
class Refusal(Exception):
    status_code, message = 422, "not this one"
Refusal.__module__ = "sagemaker_inference.errors"
def model_fn(model_dir): return None
def predict_fn(data, model): raise Refusal()
""",
    )
    with pytest.raises(ServerError, match="not this one") as caught:
        ask(pipe, b"[1]")
    assert caught.value.status == 422


def test_texts_are_read_as_the_toolkit_reads_them() -> None:
    for body in ('["a", ["b"], 1]', '[["a", 1], ["bcd", 2]]', '{"a": ["b"]}', '"a"'):
        try:
            wanted = np.array(json.loads(body))
        except ValueError:
            with pytest.raises(InvalidInput):
                bodies.read(body, "application/json")
        else:
            found = bodies.read(body, "application/json")
            assert (found.dtype, found.tolist()) == (wanted.dtype, wanted.tolist())
