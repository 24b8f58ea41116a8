"""MLflow's python_function: what goes in, what comes out, and what cannot be loaded."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest

from modelbuild_runtime.dataplane.question import question
from modelbuild_runtime.engines import EngineOptions
from modelbuild_runtime.errors import InvalidInput, LoadError
from modelbuild_runtime.manifest import Manifest, Model, Runtime
from modelbuild_runtime.process.models.model import Model as Loaded
from modelbuild_runtime.process.models.model import load_model
from modelbuild_runtime.process.models.replay import Replayer
from modelbuild_runtime.request import Request, Rows
from modelbuild_runtime.settings import Settings
from modelbuild_runtime.signature import TensorSpec

pytest.importorskip("mlflow", reason="tested in an environment of its own")

import mlflow.pyfunc
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.pyfunc import scoring_server
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
from mlflow.types import TensorSpec as Tensor
from mlflow.types.schema import Array, Object, Property

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

    def make(answer: str, inputs: Any = None, outputs: Any = None, params: Any = None, **more: Any) -> Any:
        code = tmp_path / "code.py"
        code.write_text(MODULE.replace("{answer}", answer))
        sides = (Schema(inputs), Schema(outputs) if outputs else None, params) if inputs else ()
        signature = ModelSignature(*sides) if inputs else None
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
    response = served(tmp_path)[1].post("/invocations", text.encode())
    assert (response.status, json.loads(response.body)) == (theirs.status, json.loads(theirs.response))


def served(root: Path) -> tuple[Loaded, Replayer]:
    """The server's layers around the folder ``m``."""
    manifest = Manifest(Model("m", "1", "m"), Runtime("mlflow"))
    settings = Settings(manifest=str(root / "manifest.json"))
    (root / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    ours = load_model(settings, 1, {})
    return ours, Replayer(settings, ours.router, ours.dataplane)


PARAMS = ParamSchema(
    [
        ParamSpec("factor", "double", 2.0),
        ParamSpec("times", "long", 1),
        ParamSpec("word", "string", None),
        ParamSpec("flag", "boolean", False),
        ParamSpec("since", "datetime", "2024-01-01"),
        ParamSpec("steps", "long", [1], (-1,)),
        ParamSpec("further", Object([Property("a", DataType.long)]), {"a": 1}),
    ]
)
ASKED = "[str((given * params['factor'] * params['times']).tolist()) + str(sorted(params.items()))] * len(given)"
GIVEN = [
    {},
    {"factor": 3, "times": 2, "word": "x", "flag": True},
    {"since": "2025-05-05T10:00:00", "steps": [3, 4], "further": {"a": 5}, "word": None},
    {"factor": 1.5, "unknown": [1, 2]},
]
WRONG = [
    ({"factor": "much"}, "factor", "'factor' must be a number"),
    ({"factor": True}, "factor", "'factor' must be a number"),
    ({"times": 1.5}, "times", "'times' must be a whole number"),
    ({"word": 1}, "word", "'word' must be text"),
    ({"flag": 1}, "flag", "'flag' must be true or false"),
    ({"since": "once"}, "since", "'since' must be a time"),
    ({"steps": 1}, "steps", "'steps' must be a list, each a whole number"),
    ({"steps": ["1"]}, "steps", "'steps' must be a list, each a whole number"),
    ({"further": {"b": 1}}, "further", "'further' must be an object"),
]


@pytest.mark.parametrize("params", [*GIVEN, *(wrong for wrong, _, _ in WRONG)], ids=str)
def test_params_mean_what_they_mean_to_mlflow(engine, tmp_path, params):
    engine(ASKED, [FLOATS], params=PARAMS)
    text = json.dumps({"inputs": X.tolist(), "params": params})
    loaded = mlflow.pyfunc.load_model(str(tmp_path / "m"))
    schema = loaded.metadata.get_input_schema()
    try:
        theirs = scoring_server.invocations(text, "application/json", loaded, schema)
        status, answer = theirs.status, json.loads(theirs.response)
    except MlflowException as error:
        status, answer = error.get_http_status_code(), None
    response = served(tmp_path)[1].post("/invocations", text.encode())
    assert response.status == status
    if status == 200:
        assert json.loads(response.body) == answer


@pytest.mark.parametrize(("params", "field", "words"), WRONG)
def test_a_wrong_param_is_named(engine, params, field, words):
    with pytest.raises(InvalidInput, match=words) as raised:
        engine(ASKED, [FLOATS], params=PARAMS).predict({"input": X}, params)
    assert raised.value.field == field


def test_other_protocols_set_them_too(engine, tmp_path):
    engine("given[:, 0] * params['factor']", [FLOATS], params=PARAMS)
    server = served(tmp_path)[1]
    tensor = {"name": "input", "shape": [2, 2], "datatype": "FP32", "data": X.ravel().tolist()}
    for path, body in (
        ("/predict", {"instances": X.tolist(), "parameters": {"factor": 10}}),
        ("/predict", {"inputs": {"input": X.tolist()}, "parameters": {"factor": 10}}),
        ("/v2/models/m/infer", {"inputs": [tensor], "parameters": {"factor": 10}}),
    ):
        response = server.post(path, json.dumps(body).encode())
        assert (response.status, b"[10.0,30.0]" in response.body) == (200, True), response.body
    one = {"input": [1, 2], "factor": 10, "steps": [1]}
    assert json.loads(server.post("/v2/models/m/generate", json.dumps(one).encode()).body)["prediction"] == 10


def test_requests_of_different_params_never_share_a_run(engine, tmp_path):
    """Nor an answer that was kept."""
    engine("given[:, 0] * params['factor']", [FLOATS], params=PARAMS)
    dataplane = served(tmp_path)[0].dataplane
    jobs = []
    for params in ({"factor": 2}, {"factor": 3}, {"factor": 2}, None):
        job = SimpleNamespace(
            request=Request(Rows(X.tolist()), parameters=params), id="", trace=None, cancelled=False, deadline=0
        )
        dataplane.prepare(job)
        jobs.append(job)
    assert [job.key == jobs[0].key for job in jobs] == [True, False, True, False]
    assert [question(job.request, b"m") == question(jobs[0].request, b"m") for job in jobs] == [
        True,
        False,
        True,
        False,
    ]
    together = dataplane.run([jobs[0], jobs[2]])
    alone = [dataplane.run([job])[0] for job in jobs]
    assert [one.columns["prediction"].tolist() for one in together] == [[2, 6], [2, 6]]
    assert [one.columns["prediction"].tolist() for one in alone] == [[2, 6], [3, 9], [2, 6], [2, 6]]


def test_params_reach_a_model_of_one_row_at_a_time(engine, tmp_path):
    one, answered = [Tensor(np.dtype(np.float32), (1, 2))], [Tensor(np.dtype(np.float32), (1,))]
    engine("(given.sum(axis=1) * params['factor']).astype(np.float32)", one, answered, params=PARAMS)
    server = served(tmp_path)[1]
    for given, expected in ({}, [6.0, 14.0]), ({"factor": 10}, [30.0, 70.0]):
        response = server.post("/predict", json.dumps({"instances": X.tolist(), "parameters": given}).encode())
        assert (response.status, json.loads(response.body)) == (200, {"predictions": expected})


def test_params_are_in_the_contract(engine, tmp_path):
    engine("given", [FLOATS], params=PARAMS)
    told = served(tmp_path)[0].dataplane.contract.parameters
    assert told["factor"] == {"type": ["number", "null"], "default": 2.0}
    assert told["steps"] == {"type": "array", "items": {"type": "integer"}, "default": [1]}
    assert told["word"] == {"type": ["string", "null"]}
    assert told["since"]["default"] == "2024-01-01"


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
