"""MLflow's own scoring client against the real server, and its own scoring app asked the same as the server."""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from contract import wires
from contract.clients.environment import HERE, python_of
from contract.models import MODELS, ColumnsPipeline
from contract.server import serving
from contract.wires import Server
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.signature import TensorSpec

pytestmark = pytest.mark.slow

JSON, CSV = "application/json", "text/csv"
ROW = {"age": 40, "income": 100.0, "job": "cook", "married": True}
COLUMNS = {name: [value, value] for name, value in ROW.items()}


def halves() -> ColumnsPipeline:
    x, y = TensorSpec("x", "FP32", (-1, 4)), TensorSpec("y", "FP32", (-1, 4))
    return ColumnsPipeline(Contract((x,), (y,)), lambda inputs: {"y": inputs["x"] / np.float32(2)})


def sums() -> ColumnsPipeline:
    inputs = tuple(TensorSpec(name, "FP64", (-1,)) for name in "ab")
    outputs = (TensorSpec("sum", "FP64", (-1,)), TensorSpec("large", "BOOL", (-1,)))

    def predict(columns: Any) -> dict[str, np.ndarray]:
        total = columns["a"] + columns["b"]
        return {"sum": total, "large": total > 10}

    return ColumnsPipeline(Contract(inputs, outputs), predict)


def split(*rows: Any, columns: Any = tuple(ROW), **more: Any) -> dict[str, Any]:
    return {"dataframe_split": {"columns": columns, "data": rows, **more}}


FULL = tuple(ROW.values())
SAME: dict[str, tuple[str, str, Any]] = {
    "split": ("loan", JSON, split(FULL, FULL, index=[7, 9])),
    "split in another order": ("loan", JSON, split(FULL[::-1], columns=tuple(ROW)[::-1])),
    "split with a column more": ("loan", JSON, split((*FULL, "x"), columns=(*ROW, "id"))),
    "split without the optional column": ("loan", JSON, split(FULL[:3], columns=tuple(ROW)[:3])),
    "split without a required column": ("loan", JSON, split(FULL[:2], columns=tuple(ROW)[:2])),
    "split without data": ("loan", JSON, {"dataframe_split": {"columns": list(ROW)}}),
    "split with another field": ("loan", JSON, split(FULL, names=["x"])),
    "split that is a list": ("loan", JSON, {"dataframe_split": [FULL]}),
    "records": ("loan", JSON, {"dataframe_records": [ROW, {**ROW, "job": "none"}]}),
    "records with a field more": ("loan", JSON, {"dataframe_records": [{**ROW, "id": "x"}]}),
    "records without a field": ("loan", JSON, {"dataframe_records": [{"age": 40}]}),
    "records that are an object": ("loan", JSON, {"dataframe_records": ROW}),
    "instances": ("loan", JSON, {"instances": [ROW, ROW]}),
    "inputs by name": ("loan", JSON, {"inputs": COLUMNS}),
    "inputs by name, one more": ("loan", JSON, {"inputs": {**COLUMNS, "id": ["x", "y"]}}),
    "inputs without a name": ("loan", JSON, {"inputs": {"age": [40], "income": [100.0]}}),
    "inputs of different lengths": ("loan", JSON, {"inputs": {**COLUMNS, "age": [40]}}),
    "inputs of records": ("loan", JSON, {"inputs": [ROW, ROW]}),
    "inputs of one record": ("loan", JSON, {"inputs": ROW}),
    "a text for a number": ("loan", JSON, split(("old", *FULL[1:]))),
    "two of the names": ("loan", JSON, {"instances": [ROW], "inputs": COLUMNS}),
    "another key beside": ("loan", JSON, {"instances": [ROW], "signature_name": "serving_default"}),
    "params": ("loan", JSON, {"instances": [ROW], "params": {"any": 1}}),
    "cut short": ("loan", JSON, '{"inputs": {"age": [4'),
    "csv": ("loan", CSV, "income,age,job,married\n100,40,cook,true\n50,40,none,true\n"),
    "csv without the optional column": ("loan", CSV, "income,age,job\n100,40,cook\n"),
    "csv with a wrong cell": ("loan", CSV, "income,age,job\nmuch,40,cook\n"),
    "csv with a charset": ("loan", f"{CSV}; charset=utf-8", "income,age,job\n100,40,cook\n"),
    "json with a charset": ("loan", f"{JSON}; charset=UTF-8", {"instances": [ROW]}),
    "another charset": ("loan", f"{JSON}; charset=latin-1", {"instances": [ROW]}),
    "not finite": ("sums", JSON, '{"instances": [{"a": NaN, "b": 1}, {"a": Infinity, "b": 1}]}'),
    "frame of two outputs": ("sums", JSON, split((1, 2), (10, 20), columns=("a", "b"))),
    "integers for fractions": ("sums", JSON, {"dataframe_records": [{"a": 1, "b": 2}]}),
    "matrix as inputs": ("halves", JSON, {"inputs": [[1, 2, 3, 4], [5, 6, 7, 8]]}),
    "matrix as instances": ("halves", JSON, {"instances": [[1, 2, 3, 4]]}),
    "matrix of a wrong width": ("halves", JSON, {"inputs": [[1, 2, 3]]}),
    "matrix of text": ("halves", JSON, {"inputs": [["a", "b", "c", "d"]]}),
    "ragged matrix": ("halves", JSON, {"inputs": [[1, 2, 3, 4], [5]]}),
    "matrix as a frame": ("halves", JSON, split((1.5, 2, 3, 4), columns=("p", "q", "r", "s"))),
    "matrix that is not finite": ("halves", JSON, '{"inputs": [[NaN, -Infinity, 3, 4]]}'),
}

DIFFERENT: dict[str, tuple[str, str, Any]] = {
    "split with a wrong index": ("loan", JSON, split(FULL, index=[1, 2])),
    "split with a short row": ("loan", JSON, split(FULL, FULL[:2])),
    "a fraction for an integer": ("loan", JSON, split((40.5, *FULL[1:]))),
    "no rows": ("loan", JSON, {"instances": []}),
    "several outputs for inputs": ("sums", JSON, {"inputs": {"a": [1], "b": [2]}}),
    "an unknown parameter of the content type": ("loan", f"{CSV};header=present", "income,age,job\n100,40,cook\n"),
    "a list": ("halves", JSON, [[1, 2, 3, 4]]),
    "a content type that is not read": ("loan", "application/x-thing", "x"),
    "rows in order": ("loan", JSON, {"instances": [list(FULL)]}),
    "a frame without columns": ("loan", JSON, {"dataframe_split": {"data": [FULL]}}),
    "numbers as text": ("loan", JSON, split(("40", "100", "cook", True))),
    "parameters that are no object": ("loan", JSON, {"instances": [ROW], "params": [1]}),
    "one row's numbers without its list": ("halves", JSON, {"instances": [1, 2, 3, 4]}),
}
"""What is meant to be otherwise; docs/reference/differences/mlflow.md says why."""


ENFORCED = {"error_code": "INVALID_PARAMETER_VALUE", "sqlstate": "KAM01", "error_class": "SCHEMA_ENFORCEMENT_FAILED"}
"""What MLflow says of some requests that do not fit the signature; others it calls bad, as the server calls all."""


@pytest.fixture(scope="module")
def answered() -> dict[str, list[Any]]:
    """MLflow's answers."""
    asked: dict[str, list[list[str]]] = {}
    order: dict[str, list[str]] = {}
    for case, (model, kind, body) in {**SAME, **DIFFERENT}.items():
        asked.setdefault(model, []).append([kind, body if isinstance(body, str) else json.dumps(body)])
        order.setdefault(model, []).append(case)
    command = [str(python_of("mlflow")), str(HERE / "mlflow_oracle.py")]
    done = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    return {case: answer for model, cases in order.items() for case, answer in zip(cases, found[model], strict=True)}


@pytest.fixture(scope="module")
def ours() -> Iterator[dict[str, Server]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(MODELS, "halves", halves)
        patch.setitem(MODELS, "sums", sums)
        patch.setattr(wires, "EXAMPLES", {})
        yield {name: Server(name) for name in ("loan", "halves", "sums")}


def asked(ours: dict[str, Server], case: tuple[str, str, Any]) -> tuple[int, str, bytes]:
    model, kind, body = case
    sent = (body if isinstance(body, str) else json.dumps(body)).encode()
    answer = ours[model].ask("POST", "/invocations", sent, Content_Type=kind)
    return answer.status, answer.content_type, answer.body


def plain(value: Any) -> Any:
    """Equal where JSON is: NaN equals NaN."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return "NaN" if isinstance(value, float) and math.isnan(value) else value


@pytest.mark.parametrize("case", SAME)
def test_the_same_request_gets_the_same_answer(case, answered, ours):
    status, kind, body = asked(ours, SAME[case])
    their_status, their_kind, their_body = answered[case]
    assert (status, kind.partition(";")[0]) == (their_status, their_kind.partition(";")[0]), (body, their_body)
    if status == 200:
        assert plain(json.loads(body)) == plain(json.loads(their_body))
    elif status == 415:
        assert body.decode() == their_body
    else:
        mine, theirs = json.loads(body), json.loads(their_body)
        theirs.pop("stack_trace", None)
        assert mine.pop("message")
        assert theirs.pop("message")
        assert theirs in (mine, ENFORCED)


@pytest.mark.parametrize("case", DIFFERENT)
def test_what_is_listed_as_different_is(case, answered, ours):
    status, _, body = asked(ours, DIFFERENT[case])
    their_status, _, their_body = answered[case]
    assert status < 500
    assert (status, plain(json.loads(body))) != (
        their_status,
        plain(json.loads(their_body)) if their_body[:1] in "[{" else their_body,
    )


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What MLflow's client got."""
    inputs = [{"name": "a", "datatype": "FP64", "shape": [-1]}, {"name": "b", "datatype": "BYTES", "shape": [-1]}]
    folder = tmp_path_factory.mktemp("mlflow")
    with serving(folder, inputs) as address:
        command = [str(python_of("mlflow")), str(HERE / "mlflow_session.py"), *address.split(":")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_mlflow_s_client(session):
    assert session["version"] == "3.17.2"
    assert session["frame"] == {"a": [1.5, None], "b": ["x", "y"]}
    assert session["records"] == {"a": [1.5], "b": ["x"]}
    assert session["params"] == {"a": [1.5], "b": ["x"]}


def test_an_error_reaches_mlflow_s_client(session):
    assert "error code 400" in session["error"]
    assert "Model is missing inputs ['a']" in session["error"]
