"""MLflow's python_function: what goes in, what comes out, and what cannot be loaded."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from modelbuild_runtime.engines import EngineOptions
from modelbuild_runtime.errors import InvalidInput, LoadError
from modelbuild_runtime.manifest import Manifest, Model, Runtime
from modelbuild_runtime.process.model import load_model
from modelbuild_runtime.process.replay import Replayer
from modelbuild_runtime.settings import Settings
from modelbuild_runtime.signature import TensorSpec

pytest.importorskip("mlflow", reason="tested in an environment of its own")

import mlflow.pyfunc
from mlflow.models import ModelSignature
from mlflow.pyfunc import scoring_server
from mlflow.types import ColSpec, DataType, Schema
from mlflow.types import TensorSpec as Tensor
from mlflow.types.schema import Array

from modelbuild_runtime.engines.mlflow.engine import load

MODULE = """
import mlflow
import numpy as np
import pandas as pd
from mlflow.models import set_model


class Model(mlflow.pyfunc.PythonModel):
    def predict(self, context, given, params=None):
        return {answer}


set_model(Model())
"""

Engine = Callable[..., Any]


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """A model that returns what an expression makes of ``given``."""

    def make(answer: str, inputs: Any = None, outputs: Any = None, **more: Any) -> Any:
        code = tmp_path / "code.py"
        code.write_text(MODULE.replace("{answer}", answer))
        signature = ModelSignature(Schema(inputs), Schema(outputs) if outputs else None) if inputs else None
        arguments = {"signature": signature, "pip_requirements": ["mlflow"], **more}
        mlflow.pyfunc.save_model(str(tmp_path / "m"), python_model=str(code), **arguments)
        return load(tmp_path / "m", EngineOptions())

    return make


FLOATS = Tensor(np.dtype(np.float32), (-1, 2))
FLOATS_BY_NAME = Tensor(np.dtype(np.float32), (-1, 2), "a")
X = np.array([[1, 2], [3, 4]], np.float32)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("given * 2", {"prediction": [[2, 4], [6, 8]]}),
        ("given[:, 0].tolist()", {"prediction": [1, 3]}),
        ("pd.Series(given[:, 0], name='total')", {"total": [1, 3]}),
        ("pd.DataFrame({'a': given[:, 0], 'b': ['x', 'y']})", {"a": [1, 3], "b": ["x", "y"]}),
        ("{'a': given[:, 0], 'b': [True, False]}", {"a": [1, 3], "b": [True, False]}),
        ("['yes', 'no']", {"prediction": ["yes", "no"]}),
        ("np.array(['2024-01-01', '2024-01-02'], 'datetime64[D]')", {"prediction": ["2024-01-01", "2024-01-02"]}),
    ],
)
def test_whatever_the_model_returns(engine, answer, expected):
    found = engine(answer, [FLOATS]).predict({"input": X})
    assert {name: array.tolist() for name, array in found.items()} == expected


def test_tensors_by_name(engine):
    inputs = [Tensor(np.dtype(np.float32), (-1, 2), "a"), Tensor(np.dtype(object), (-1,), "b")]
    loaded = engine("{'s': given['a'].sum(axis=1), 't': given['b']}", inputs)
    assert loaded.signature().inputs == (TensorSpec("a", "FP32", (-1, 2)), TensorSpec("b", "BYTES", (-1,)))
    found = loaded.predict({"a": X, "b": np.array([b"x", "y"], object)})
    assert (found["s"].tolist(), found["t"].tolist()) == ([3, 7], ["x", "y"])


def test_columns_of_every_type(engine):
    kinds = ("boolean", "integer", "long", "float", "double", "string", "binary", "datetime")
    columns = [ColSpec(DataType[kind], kind) for kind in kinds]
    columns += [ColSpec(Array(DataType.double), "list"), ColSpec(DataType.double, "maybe", required=False)]
    loaded = engine("pd.DataFrame({'kinds': [str(given.dtypes.to_dict())]})", columns)
    specs = {spec.name: (spec.datatype, spec.shape, spec.optional) for spec in loaded.signature().inputs}
    assert specs["integer"] == ("INT32", (-1,), False)
    assert specs["list"] == ("FP64", (-1, -1), False)
    assert specs["maybe"] == ("FP64", (-1,), True)
    given = {
        "boolean": np.array([True]),
        "integer": np.array([1], np.int32),
        "long": np.array([1]),
        "float": np.array([1], np.float32),
        "double": np.array([1.0]),
        "string": np.array([b"x"], object),
        "binary": np.array([b"\xff"], object),
        "datetime": np.array(["2024-01-01T10:00:00"], object),
        "list": np.array([[1.0, 2.0]]),
    }
    (kinds_seen,) = loaded.predict(given)["kinds"].tolist()
    assert "'datetime': dtype('<M8[ns]')" in kinds_seen
    given["datetime"][0] = "yesterday"
    with pytest.raises(InvalidInput, match="'datetime' is no time") as raised:
        loaded.predict(given)
    assert raised.value.field == "datetime"


MIXED = [ColSpec(DataType.double, "x"), ColSpec(DataType.string, "s"), ColSpec(DataType.datetime, "t")]
FRAME = {"columns": ["x", "s", "t"], "data": [[1.5, "a", "2024-01-01T00:00:00"], [None, "b", "2023-12-31T23:00:00"]]}


@pytest.mark.parametrize(
    ("answer", "inputs", "body"),
    [
        ("given['x'].fillna(-1).to_numpy()", MIXED, {"dataframe_split": FRAME}),
        ("given.assign(year=given['t'].dt.year)[['s', 'year']]", MIXED, {"dataframe_split": FRAME}),
        ("given['s'].str.upper().tolist()", MIXED, {"dataframe_split": FRAME}),
        ("given.sum(axis=1)", [FLOATS], {"inputs": X.tolist()}),
        ("{'a': given['a'] * 2, 'b': given['a'][:, 0]}", [FLOATS_BY_NAME], {"inputs": {"a": X.tolist()}}),
    ],
)
def test_the_server_answers_as_mlflow_s(engine, tmp_path, answer, inputs, body):
    engine(answer, inputs)
    text = json.dumps(body)
    loaded = mlflow.pyfunc.load_model(str(tmp_path / "m"))
    theirs = scoring_server.invocations(text, "application/json", loaded, loaded.metadata.get_input_schema())
    manifest = Manifest(Model("m", "1", "m"), Runtime("mlflow"))
    settings = Settings(manifest=str(tmp_path / "manifest.json"))
    (tmp_path / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    ours = load_model(settings, 1, {})
    response = Replayer(settings, ours.router, ours.dataplane).post("/invocations", text.encode())
    assert (response.status, json.loads(response.body)) == (theirs.status, json.loads(theirs.response))


def test_what_mlflow_refuses_the_client_hears(engine):
    loaded = engine("given", [ColSpec(DataType.long, "n")])
    with pytest.raises(InvalidInput, match="the model refuses this input"):
        loaded.predict({"other": np.array([1])})


def test_a_fault_of_the_model_is_its_own(engine):
    with pytest.raises(ZeroDivisionError):
        engine("1 / 0", [FLOATS]).predict({"input": X})


def test_without_a_signature_it_takes_a_frame_of_anything(engine):
    loaded = engine("given['n'] * 2")
    assert loaded.signature().inputs == ()
    assert loaded.predict({"n": np.array([1, 2])})["n"].tolist() == [2, 4]


def test_code_beside_it_is_found(engine, tmp_path):
    (tmp_path / "beside_it.py").write_text("FACTOR = 3\n")
    loaded = engine("__import__('beside_it').FACTOR * given", [FLOATS], code_paths=[str(tmp_path / "beside_it.py")])
    assert loaded.predict({"input": X})["prediction"].tolist() == [[3, 6], [9, 12]]


def test_a_module_that_is_missing_is_named(tmp_path):
    (tmp_path / "MLmodel").write_text("flavors:\n  python_function:\n    loader_module: not_installed\n")
    with pytest.raises(LoadError, match=r"ModuleNotFoundError: .*not_installed") as raised:
        load(tmp_path, EngineOptions())
    assert "--requirement not_installed" in raised.value.hint
