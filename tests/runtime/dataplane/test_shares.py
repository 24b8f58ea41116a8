from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from modelbuild_runtime.answers.answer import AnswerWriter
from modelbuild_runtime.bodies.question import wire
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.dataplane.shares import Share, Whole
from modelbuild_runtime.http.message import HttpRequest
from modelbuild_runtime.open_inference.infer_response import InferWriter, Wanted
from modelbuild_runtime.protocols import mlflow
from modelbuild_runtime.request import Request, Response, Rows
from modelbuild_runtime.signature import TensorSpec
from modelbuild_runtime.tensorflow_serving import json_answers

OUTPUTS = {
    "label": np.array([b"a", "b", "c", "d"], object),
    "score": np.array([[0.25, 1.5], [np.nan, 2.0], [3.0, np.inf], [0.1, 5.0]], np.float32),
}
MORE = {
    **OUTPUTS,
    "count": np.arange(4, dtype=np.int16).reshape(4, 1, 1),
    "none": np.zeros((4, 0), np.bool_),
    '%b, "%"': np.arange(4),
}
CONTRACT = Contract((), (TensorSpec("label", "BYTES", (-1,)), TensorSpec("score", "FP32", (-1, 2))))
PARTS = [(0, 1), (1, 3), (3, 4)]
NAMES = [("label", "score"), ("score",), ("count", "score"), ('%b, "%"', "label")]


def pairs(names):
    """Each part of a run as a share of it, and as arrays of its own."""
    outputs = {name: MORE[name] for name in names}
    whole = Whole(outputs)
    for start, end in PARTS:
        own = {name: array[start:end].copy() for name, array in outputs.items()}
        yield Response(end - start, Share(whole, start, end)), Response(end - start, own)


def test_a_share_is_a_mapping_of_its_own_rows_only():
    share = Share(Whole(OUTPUTS), 1, 3)
    assert list(share) == ["label", "score"]
    assert len(share) == 2
    assert share["label"].tolist() == ["b", "c"]
    assert [len(array) for array in share.values()] == [2, 2]
    np.testing.assert_equal(dict(share.items()), {name: array[1:3] for name, array in OUTPUTS.items()})
    assert "other" not in share


def test_what_is_made_of_a_run_is_made_once():
    calls = []

    def make(columns, word):
        calls.append(word)
        return [f"{word}{label}" for label in columns["label"]]

    whole = Whole(OUTPUTS)
    assert [Share(whole, start, end).rows(make, "x") for start, end in PARTS[1:]] == [["xb", "xc"], ["xd"]]
    assert Share(whole, 1, 2).rows(make, "y") == ["yb"]
    assert calls == ["x", "y"]


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("form", ["record", "rows", "instances", "inputs"])
@pytest.mark.parametrize("accept", [b"application/json", b"application/jsonlines", b"text/csv", b"application/x-npy"])
@pytest.mark.parametrize("more", [{}, {"named": False}, {"tokens": True}])
def test_answers_are_those_of_arrays_of_its_own(names, form, accept, more):
    writer = AnswerWriter(CONTRACT, **more)
    wanted = wire(form, accept, (accept.decode(),), False)
    for share, own in pairs(names):
        if accept == b"application/x-npy" and len(names) > 1:
            continue
        assert writer.write(wanted, share).body == writer.write(wanted, own).body


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("form", ["instances", "inputs"])
def test_answers_of_tensorflow_serving_too(names, form):
    for share, own in pairs(names):
        assert json_answers.prediction(share, form) == json_answers.prediction(own, form)


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("form", ["record", "instances", "inputs"])
def test_answers_of_mlflow_too(names, form):
    scoring = mlflow._Scoring(SimpleNamespace(contract=CONTRACT))
    http = HttpRequest("POST", "/invocations", "", {}, b"", {})
    for share, own in pairs(names):
        request = Request(Rows([]), wire=form)
        assert scoring.encode(http, request, share).body == scoring.encode(http, request, own).body


@pytest.mark.parametrize("names", [*NAMES, ("none", "score")])
@pytest.mark.parametrize("want", [None, Wanted(binary=True), Wanted(strict=True), Wanted(binary=True, strict=True)])
def test_answers_of_the_open_inference_protocol_too(names, want):
    writer = InferWriter(CONTRACT, "m", "1")
    for identity in (None, "a"):
        for share, own in pairs(names):
            found, known = writer.write(identity, want, share), writer.write(identity, want, own)
            assert (found.body, found.content_type, found.headers) == (known.body, known.content_type, known.headers)
