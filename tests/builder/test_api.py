"""The verbs for Python: keywords are the options; the same values and errors as on the command line."""

from __future__ import annotations

import subprocess
import sys

import pytest
from onnx import TensorProto, helper

import modelbuild
from modelbuild.errors import ArtifactError, UsageError


def test_inspect(tmp_path):
    value = helper.make_tensor_value_info
    x, y = value("x", TensorProto.FLOAT, ["n", 3]), value("y", TensorProto.FLOAT, ["n", 3])
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    assert modelbuild.inspect(tmp_path / "m.onnx").runtime.name == "onnx"
    assert modelbuild.inspect(str(tmp_path / "m.onnx")).reading.signature.inputs[0].name == "x"


def test_errors_are_those_of_the_command_line(tmp_path):
    with pytest.raises(ArtifactError):
        modelbuild.inspect(tmp_path / "missing.onnx")
    with pytest.raises(UsageError, match="'handlr'"):
        modelbuild.package(tmp_path / "m.onnx", handlr="f.py")


def test_every_verb_stays_a_function_whatever_was_imported():
    program = (
        "import modelbuild, modelbuild.cli; assert all(callable(getattr(modelbuild, v)) for v in modelbuild.__all__)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_importing_costs_nothing():
    program = "import modelbuild, sys; sys.exit(any(name in sys.modules for name in ('docker', 'jinja2', 'rich')))"
    subprocess.run([sys.executable, "-c", program], check=True)
