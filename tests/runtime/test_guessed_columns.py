"""A model of data frames does not say which of its columns of numbers were booleans when it was trained."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import joblib
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from modelbuild_runtime.bodies import csv_body
from modelbuild_runtime.bodies.natural_json import NaturalJson
from modelbuild_runtime.dataplane.dataplane import Dataplane
from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.manifest import Handler, Manifest, Model, Runtime
from modelbuild_runtime.pipeline import load_pipeline
from modelbuild_runtime.request import Request
from modelbuild_runtime.signature import Signature, TensorSpec

FRAME = pd.DataFrame({"x": [0.0, 1, 2, 3], "flag": [True, False, True, True]})
DECLARED = Signature((TensorSpec("x", "FP64", (-1,)), TensorSpec("flag", "FP64", (-1,))), columns=True)


def dataplane(folder: Path, **options: Any) -> Dataplane:
    joblib.dump(LinearRegression().fit(FRAME, [2.0, 1.0, 4.0, 5.0]), folder / "m.joblib")
    return Dataplane(load_pipeline(Manifest(Model("m", "1", "m.joblib"), Runtime("sklearn"), **options), folder))


def answers(plane: Dataplane, payload: Any) -> list[float]:
    job = SimpleNamespace(id="1", trace=None, request=Request(payload))
    plane.prepare(job)
    (outcome,) = plane.run([job])
    if isinstance(outcome, Exception):
        raise outcome
    return outcome.columns["prediction"].round(6).tolist()


def payloads(plane: Dataplane) -> list[Any]:
    read = NaturalJson(plane.contract).read
    return [
        read(b'[{"x": 1, "flag": true}, {"x": 1, "flag": false}]').payload,
        read(b'{"inputs": {"x": [1, 1], "flag": [true, false]}}').payload,
        csv_body.read(b"x,flag\n1,True\n1,False\n", plane.contract).payload,
        csv_body.read(b"1,true\n1,0\n", plane.contract).payload,
    ]


def test_booleans_may_stand_for_numbers_that_nobody_declared(tmp_path: Path) -> None:
    plane = dataplane(tmp_path)
    assert [answers(plane, payload) for payload in payloads(plane)] == [[3.0, 1.0]] * 4


def test_so_they_may_before_a_handler_that_only_postprocesses(tmp_path: Path) -> None:
    (tmp_path / "handler").mkdir()
    (tmp_path / "handler" / "after.py").write_text("def postprocess(outputs: dict) -> dict:\n    return outputs\n")
    plane = dataplane(tmp_path, handler=Handler("after"))
    assert [answers(plane, payload) for payload in payloads(plane)] == [[3.0, 1.0]] * 4


def test_not_for_declared_ones(tmp_path: Path) -> None:
    plane = dataplane(tmp_path, signature=DECLARED)
    for payload in payloads(plane):
        with pytest.raises(InvalidInput, match="expected a number"):
            answers(plane, payload)
