"""A predict that yields: in parts for who asks for parts, whole for everybody else."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from modelbuild_runtime.dataplane.dataplane import Dataplane
from modelbuild_runtime.errors import InvalidInput, LoadError, PredictionFailed, Unsupported
from modelbuild_runtime.request import Request, Response, Rows
from runtime.graphs import pipeline

WORDS = """
closed = []

def predict(model, question: dict):
    try:
        for word in question["text"].split():
            if word == "fail":
                raise ValueError("secret")
            yield word + " "
    finally:
        closed.append(question["text"])
"""


def run(pipe, *rows, **asked):
    request = Request(Rows(list(rows)), **asked)
    job = SimpleNamespace(id="an-id", trace=None, request=request, again=lambda: request)
    dataplane = Dataplane(pipe)
    dataplane.prepare(job)
    return dataplane.run([job])[0]


def test_parts_are_made_when_they_are_asked_for(tmp_path):
    pipe = pipeline(tmp_path, WORDS)
    response = run(pipe, {"text": "a b fail"}, stream=True)
    assert next(response.parts) == "a "
    assert next(response.parts) == "b "
    with pytest.raises(PredictionFailed, match="request id"):
        next(response.parts)


def test_the_whole_for_who_asks_for_no_parts(tmp_path):
    pipe = pipeline(tmp_path, WORDS)
    response = run(pipe, {"text": "a b"}, {"text": "c"})
    assert response.rows == ["a b ", "c "]


@pytest.mark.parametrize(
    ("parts", "expected"), [("b'\\xc3', b'\\xa9'", "é"), ("1, 2.5", [1, 2.5]), ("{'n': 1}, 'x'", [{"n": 1}, "x"])]
)
def test_bytes_are_joined_and_anything_else_is_listed(tmp_path, parts, expected):
    pipe = pipeline(tmp_path, f"def predict(model, question: dict):\n    yield from ({parts},)\n")
    (whole,) = run(pipe, {}).rows
    assert whole == expected


def test_numpy_in_parts_becomes_plain(tmp_path):
    pipe = pipeline(
        tmp_path,
        "import numpy as np\ndef predict(model, q: dict):\n    yield np.arange(2)\n    yield {'x': np.float32(0.5)}\n",
    )
    assert list(run(pipe, {}, stream=True).parts) == [[0, 1], {"x": 0.5}]


def test_what_fails_before_the_first_part_is_an_error(tmp_path):
    pipe = pipeline(tmp_path, WORDS)
    assert isinstance(run(pipe, {"text": "fail"}, stream=True), PredictionFailed)


def test_one_row_only(tmp_path):
    with pytest.raises(InvalidInput, match="one row"):
        run(pipeline(tmp_path, WORDS), {"text": "a"}, {"text": "b"}, stream=True)


def test_a_model_that_makes_no_parts_answers_whole(tmp_path):
    pipe = pipeline(tmp_path, "def predict(model, question: dict):\n    return [question]\n")
    response = run(pipe, {"a": 1}, stream=True)
    assert isinstance(response, Response)
    assert response.parts is None


def test_records_and_features(tmp_path):
    pipe = pipeline(
        tmp_path,
        """
from dataclasses import dataclass

@dataclass
class Prompt:
    text: str
    most: int = 2

def preprocess(prompt: Prompt):
    return prompt.text.split()[: prompt.most]

def predict(model, words, parameters):
    for word in words:
        yield word + parameters.get("mark", ".")
""",
    )
    response = run(pipe, {"text": "a b c"}, stream=True, parameters={"mark": "!"})
    assert list(response.parts) == ["a!", "b!"]
    assert [spec.name for spec in pipe.contract.inputs] == ["text", "most"]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def predict(model, q: dict):\n    yield 1\ndef postprocess(x):\n    return x\n", "postprocess"),
        ("import pandas\ndef predict(model, q: pandas.DataFrame):\n    yield 1\n", "it takes a batch"),
        ("def predict(model, q: list[dict]):\n    yield 1\n", "it takes a batch"),
        ("def preprocess(q: dict):\n    yield 1\n", "is a generator"),
    ],
)
def test_what_does_not_go_together(tmp_path, source, said):
    with pytest.raises(LoadError, match=said):
        pipeline(tmp_path, source)


def test_explanations(tmp_path):
    source = """
import numpy as np

def preprocess(row: dict):
    return [row["a"], row["b"]]

def explain(model, features: np.ndarray):
    return [{"a": x, "b": y} for x, y in features.tolist()]
"""
    pipe = pipeline(tmp_path, source)
    assert run(pipe, {"a": 1, "b": 2}, {"a": 3, "b": 4}, explain=True).rows == [
        {"a": 1.0, "b": 2.0},
        {"a": 3.0, "b": 4.0},
    ]
    assert run(pipe, {"a": 1, "b": 2}).columns is not None


def test_explanations_of_a_handler_s_own_predict(tmp_path):
    pipe = pipeline(
        tmp_path,
        "def load():\n    return 2\ndef predict(m, q: dict):\n    return q['x'] * m\n"
        "def explain(m, q: dict):\n    return {'factor': m, 'of': q['x']}\n",
    )
    assert run(pipe, {"x": 3}, explain=True).rows == [{"factor": 2, "of": 3}]


def test_no_explanation_where_there_is_none(tmp_path):
    with pytest.raises(Unsupported, match="does not explain"):
        run(pipeline(tmp_path, WORDS), {"text": "a"}, explain=True)
