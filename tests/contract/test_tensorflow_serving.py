"""TensorFlow Serving's own gRPC client against the real server, in an environment and a process of its own."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from contract.clients.environment import HERE, python_of
from contract.server import DATATYPES, Address, serving
from contract.test_tritonclient import VALUES
from modelbuild_runtime.grpc.messages import load

pytestmark = pytest.mark.slow

RATIO = {"FP16": 0.0, "FP32": 1e-6}


@pytest.fixture(scope="module")
def session(echo: Address, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    python = python_of("tensorflow_serving")
    classes = [{"name": "p", "datatype": "FP32", "shape": [-1, 2]}]
    number = [{"name": "y", "datatype": "FP64", "shape": [-1, 1]}]
    with (
        serving(tmp_path_factory.mktemp("classes"), classes) as two,
        serving(tmp_path_factory.mktemp("number"), number) as one,
    ):
        command = [str(python), str(HERE / "tensorflow_serving_session.py"), echo.grpc, two.grpc, one.grpc]
        values = json.dumps(VALUES)
        done = subprocess.run(command, input=values, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("way", ["all", "lists"])
@pytest.mark.parametrize("datatype", DATATYPES)
def test_every_datatype(session, way, datatype):
    shape, _, values = session[way][datatype]
    tolerance = RATIO.get(datatype)
    assert shape == [1, len(VALUES[datatype])]
    assert values == (VALUES[datatype] if tolerance is None else pytest.approx(VALUES[datatype], rel=tolerance))


@pytest.mark.parametrize("datatype", DATATYPES)
def test_uniform_tensors_of_which_one_value_is_sent(session, datatype):
    shape, _, values = session["uniform"][datatype]
    expected = [VALUES[datatype][-1]] * 6
    assert shape == [2, 3]
    assert values == (expected if datatype == "BYTES" else pytest.approx(expected, rel=1e-6))


def test_large_tensors(session):
    assert session["large"]["FP64"] == [2000, 300]
    assert session["large"]["BYTES"] == [2000, 1]


def test_the_answer_says_which_model_it_is_of(session):
    assert session["spec"] == ["echo", 1, "serving_default"]
    assert sorted(session["versioned"]) == sorted(session["labelled"]) == sorted(DATATYPES)


def test_only_the_outputs_that_are_asked_for(session):
    assert sorted(session["filtered"]) == ["BYTES", "INT8"]


@pytest.mark.parametrize(
    "which, code, said",
    [
        ("model", "NOT_FOUND", "Servable not found for request: Latest(other)"),
        ("version", "NOT_FOUND", "Servable not found for request: Specific(echo, 7)"),
        ("signature", "FAILED_PRECONDITION", 'Serving signature key "other" not found.'),
        ("inputs", "INVALID_ARGUMENT", "input size does not match signature: 1!=13"),
        ("output", "INVALID_ARGUMENT", "output tensor alias not found in signature: other"),
        ("reload", "UNIMPLEMENTED", "in its image"),
    ],
)
def test_errors(session, which, code, said):
    found, details = session["errors"][which]
    assert said in details
    assert found == code


def test_metadata(session):
    signature = session["metadata"]["serving_default"]
    assert sorted(signature) == sorted(DATATYPES)
    assert (signature["FP16"], signature["BYTES"]) == (["float16", [-1, -1]], ["string", [-1, -1]])


def test_status(session):
    assert session["status"] == [[1, "AVAILABLE", 0]]


def test_examples(session):
    assert session["classes"] == [[["", 0.25], ["", 0.75]], [["", 1.0], ["", 0.0]]]
    assert session["not a number"][0] == "INVALID_ARGUMENT"
    assert session["numbers"] == [7.0, 2.5]
    assert session["several"] == [[1.5]]


def test_our_messages_have_the_numbers_of_theirs(session):
    ours = load("tensorflow_serving")
    ours.read()
    found: dict[str, dict[str, int]] = {}
    for kind in vars(ours).values():
        if hasattr(kind, "DESCRIPTOR") and hasattr(kind, "FromString"):
            _fields(kind.DESCRIPTOR, found)
    assert len(found) > 30
    for name, numbers in found.items():
        assert numbers.items() <= session["fields"][name].items()


def _fields(descriptor: Any, found: dict[str, dict[str, int]]) -> None:
    if descriptor.full_name not in found:
        found[descriptor.full_name] = {field.name: field.number for field in descriptor.fields}
        for field in descriptor.fields:
            if field.message_type is not None:
                _fields(field.message_type, found)
