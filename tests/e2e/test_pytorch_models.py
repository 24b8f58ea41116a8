"""PyTorch's files as PyTorch writes them, packaged, and asked for what PyTorch answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from e2e.command import Mbuild
from e2e.servers import ask, running
from environments import run_in
from modelbuild_runtime.process.models.differences import differs

pytestmark = [pytest.mark.docker, pytest.mark.slow]

Image = Callable[..., str]

NET = """
import torch


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.body = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU())
        self.head = torch.nn.Linear(8, 3)

    def forward(self, measures):
        scores = self.head(self.body(measures))
        return {"label": scores.argmax(1), "probabilities": scores.softmax(1)}
"""
WRITE = """
import json
torch.manual_seed(3)
net = Net()
net(torch.rand(64, 4) * 8)
net.eval()
rows = torch.tensor(json.loads(ROWS))
torch.jit.trace(net, rows[:1], strict=False).save(f"{FOLDER}/traced.pt")
torch.save(net.state_dict(), f"{FOLDER}/weights.pth")
torch.save(net, f"{FOLDER}/module.pt")
answer = net(rows)
print(json.dumps([{"label": int(a), "probabilities": b.tolist()} for a, b in zip(*answer.values())]))
"""
ROWS = [[5.1, 3.5, 1.4, 0.2], [6.0, 2.9, 4.5, 1.5], [6.3, 3.3, 6.0, 2.5]]
# As TorchServe's users write it: the class that TorchServe brings finds and loads the model.
SERVED = """
import torch
from ts.torch_handler.base_handler import BaseHandler


class Handler(BaseHandler):
    def preprocess(self, data):
        return torch.tensor([(row.get("data") or row.get("body"))["measures"] for row in data])

    def postprocess(self, data):
        return data["label"].tolist()
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any]]:
    """A folder of one model in each form, and what it answers to ROWS."""
    folder = tmp_path_factory.mktemp("torch")
    program = WRITE.replace("ROWS", repr(json.dumps(ROWS))).replace("{FOLDER}", str(folder))
    done = run_in("pytorch", "-W", "ignore", "-c", NET + program)
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout)


def test_weights_become_a_graph_that_needs_no_pytorch(
    mbuild: Mbuild, image: Image, client: Any, written: tuple[Path, list[Any]], tmp_path: Path
) -> None:
    folder, expected = written
    handler, example = tmp_path / "net.py", tmp_path / "request.json"
    handler.write_text(f"{NET}\n\ndef build_model():\n    return Net()\n")
    example.write_text(json.dumps([{"measures": row} for row in ROWS]))
    options = ("--handler", handler, "--example", example, "--optimize", "-t", image(), "--json")
    packaged = mbuild("package", folder / "weights.pth", *options).json
    assert packaged["optimisation"]["kept"] == "ONNX", packaged["optimisation"]
    labels = client.images.get(packaged["reference"]).labels
    assert labels["mbuild.runtime"] == "onnx"
    assert not any(text.startswith("torch") for text in json.loads(labels["mbuild.requirements"]))
    with running(client, packaged["reference"]) as (_, address):
        status, answer = ask(address, "/predict", [{"measures": row} for row in ROWS])
        assert (status, differs(answer, expected, tolerance=1e-5)) == (200, "")


def test_torchscript(mbuild: Mbuild, image: Image, client: Any, written: tuple[Path, list[Any]]) -> None:
    folder, expected = written
    packaged = mbuild("package", folder / "traced.pt", "-t", image(), "--json").json
    contract = json.loads(client.images.get(packaged["reference"]).labels["mbuild.contract"])
    assert [(item["name"], item["datatype"], item["shape"]) for item in contract["inputs"]] == [
        ("measures", "FP32", [-1, 4])
    ]
    assert [item["name"] for item in contract["outputs"]] == ["label", "probabilities"]
    with running(client, packaged["reference"]) as (container, address):
        status, answer = ask(address, "/predict", [{"measures": row} for row in ROWS])
        assert (status, differs(answer, expected)) == (200, "")
        alone = [ask(address, "/predict", {"measures": row})[1] for row in ROWS]
        assert differs(alone, expected, tolerance=1e-6) == ""
        assert ask(address, "/predict", {"measures": [None, 1, 2, 3]})[1]["probabilities"] == [None] * 3
        assert ask(address, "/predict", {"measures": [1, 2]})[0] == 400
        status, answer = ask(address, "/predict", {"measures": "many"})
        assert (status, answer["field"]) == (400, "measures")
        assert b"Traceback" not in container.logs()
        packages = container.exec_run(["python3", "-c", "import importlib.metadata as m; print(*m.distributions())"])
        assert b"nvidia" not in packages.output


def test_weights_for_the_handlers_module(
    mbuild: Mbuild, image: Image, client: Any, written: tuple[Path, list[Any]], tmp_path: Path
) -> None:
    folder, expected = written
    handler = tmp_path / "handler.py"
    handler.write_text(NET + "\n\ndef build_model():\n    return Net()\n")
    outcome = mbuild.fails(14, "package", folder / "weights.pth", "-t", image())
    assert "weights.pth holds weights (torch.save), and not the code that they belong to" in outcome.message
    packaged = mbuild("package", folder / "weights.pth", "-H", handler, "-t", image(), "--json").json
    with running(client, packaged["reference"]) as (_, address):
        status, answer = ask(address, "/predict", [{"measures": row} for row in ROWS])
        assert (status, differs(answer, expected)) == (200, "")


def test_torchserves_handler_and_no_pickled_module_without_leave(
    mbuild: Mbuild, image: Image, client: Any, written: tuple[Path, list[Any]], tmp_path: Path
) -> None:
    folder, expected = written
    outcome = mbuild.fails(12, "package", folder / "module.pt", "-t", image())
    assert "Loading this pickled module (torch.save) would execute whatever its pickle says" in outcome.message
    handler = tmp_path / "handler.py"
    handler.write_text(SERVED)
    example = tmp_path / "example.json"
    example.write_text(json.dumps({"request": {"measures": ROWS[0]}, "expected": expected[0]["label"]}))
    given = ("-H", handler, "-e", example, "--name", "irises")
    packaged = mbuild("package", folder / "traced.pt", *given, "-t", image(), "--json").json
    with running(client, packaged["reference"]) as (_, address):
        for row, known in zip(ROWS, expected, strict=True):
            assert ask(address, "/predictions/irises", {"measures": row}) == (200, known["label"])
