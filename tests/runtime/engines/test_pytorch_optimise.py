"""PyTorch's programs as graphs: each kind of file, names and order of outputs, and what is left as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.manifest import Handler
from modelbuild_runtime.optimising import trial
from runtime.optimising.held import Held

torch = pytest.importorskip("torch", reason="tested in an environment of its own")
pytest.importorskip("onnxscript", reason="tested in an environment of its own")

ROWS = [{"features": [1.0, 2.0, 3.0], "head": 1}, {"features": [-0.5, 0.25, 9.0], "head": 4}]
FINITE = "ONNX, of finite numbers"
BUILDER = """
import torch

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.cells = torch.nn.LSTM(3, 4, batch_first=True)

    def forward(self, steps):
        return self.cells(steps)[0]

def build_model():
    return Net()
"""

BRANCHING = """
import torch

class Branching(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(3))

    def forward(self, x):
        return x * self.weight if bool(self.weight.sum() > 0) and bool(x.sum() > 0) else x - 1

def build_model():
    return Branching()
"""


@pytest.fixture(autouse=True)
def _no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every candidate is quicker: what other processes do at the time must not decide."""
    monkeypatch.setattr(trial, "microseconds", lambda engines, rows: (100.0, 10.0))


class Net(torch.nn.Module):
    """Two inputs of different kinds, and two outputs, not in the order of their names."""

    def __init__(self) -> None:
        super().__init__()
        self.body = torch.nn.Linear(3, 4)
        self.heads = torch.nn.Embedding(5, 4)

    def forward(self, features: torch.Tensor, head: torch.Tensor) -> dict[str, torch.Tensor]:
        hidden = torch.relu(self.body(features) + self.heads(head))
        return {"label": hidden.argmax(1), "hidden": hidden}


class Best(torch.nn.Module):
    """Of PyTorch, what is no number is the largest."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.argmax(1)


def net() -> Any:
    torch.manual_seed(1)
    return Net().eval()


def exported(folder: Path) -> str:
    rows = torch.export.Dim("rows")
    given = (torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64))
    shapes = {"features": {0: rows}, "head": {0: rows}}
    torch.export.save(torch.export.export(net(), given, dynamic_shapes=shapes), folder / "m.pt2")
    return "m.pt2"


def scripted(folder: Path) -> str:
    torch.jit.script(net()).save(str(folder / "m.pt"))
    return "m.pt"


@pytest.mark.parametrize("make", [exported, scripted])
def test_names_and_order_stay(tmp_path: Path, make: Any) -> None:
    held = Held(tmp_path, "pytorch", make(tmp_path), ROWS)
    assert (held.report["kept"], held.reasons) == ("ONNX", [""])
    random = np.random.default_rng(0)
    many = random.normal(size=(40, 3)).astype(np.float32)
    held.require_equal({"features": many, "head": random.integers(0, 5, 40)})


def test_numbers_that_are_none_are_refused_where_they_come_to_something_else(tmp_path: Path) -> None:
    torch.jit.script(Best()).save(str(tmp_path / "m.pt"))
    held = Held(tmp_path, "pytorch", "m.pt", [[1.0, 2.0, 3.0], [9.0, 2.0, 3.0]])
    assert (held.report["kept"], held.reasons[-1]) == (FINITE, "")
    assert "missing" in held.reasons[0]
    with pytest.raises(InvalidInput, match="missing or infinite"):
        held.kept.predict({"x": np.full((1, 3), np.nan, np.float32)})


def test_a_traced_module_is_kept_whatever_numbers_it_is_given(tmp_path: Path) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Tanh()).eval()
    torch.jit.trace(model, torch.zeros(1, 3)).save(str(tmp_path / "m.pt"))
    held = Held(tmp_path, "pytorch", "m.pt", [[0.5, 1.0, -2.0], [3.0, 1e9, 0.0]])
    assert (held.report["kept"], held.reasons) == ("ONNX", [""])
    held.require_equal({"input": np.array([[np.nan, 1, 2], [np.inf, 0, 1]], np.float32)})


def test_weights_with_the_module_of_a_handler(tmp_path: Path) -> None:
    (tmp_path / "handler").mkdir()
    (tmp_path / "handler/net.py").write_text(BUILDER)
    scope: dict[str, Any] = {}
    exec(BUILDER, scope)  # the same module
    torch.save(scope["build_model"]().state_dict(), tmp_path / "m.pt")
    rows = [{"steps": [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]}, {"steps": [[0.0, 1.0, 0.0], [7.0, -1.0, 2.0]]}]
    held = Held(tmp_path, "pytorch", "m.pt", rows, handler=Handler("net"))
    assert held.report["kept"]
    held.require_equal({"steps": np.random.default_rng(0).normal(size=(5, 2, 3)).astype(np.float32)})


def test_a_branch_that_a_graph_cannot_take_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "handler").mkdir()
    (tmp_path / "handler/net.py").write_text(BRANCHING)
    torch.save({"weight": torch.ones(3)}, tmp_path / "m.pt")
    rows = [[1.0, 2.0, 3.0], [-4.0, 0.5, 0.0]]
    held = Held(tmp_path, "pytorch", "m.pt", rows, handler=Handler("net"))
    assert (held.report["kept"], len(held.reasons)) == ("", 2)
    assert all(reason.startswith("it cannot be made: ") for reason in held.reasons)


def test_a_fixed_number_of_rows_is_left_as_it_is(tmp_path: Path) -> None:
    program = torch.export.export(torch.nn.Linear(3, 2).eval(), (torch.zeros(2, 3),))
    torch.export.save(program, tmp_path / "m.pt2")
    held = Held(tmp_path, "pytorch", "m.pt2", [[1.0, 2.0, 3.0], [0.0, 0.0, 1.0]])
    assert "fixed number of rows" in held.reasons[0]
