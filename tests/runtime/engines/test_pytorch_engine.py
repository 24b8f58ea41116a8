"""PyTorch: each kind of file, what is learnt of it, datatypes, outputs, weights for a handler's module, and refusals."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest

from modelbuild_runtime.engines import EngineOptions
from modelbuild_runtime.errors import InvalidInput, LoadError
from modelbuild_runtime.manifest import Manifest, Model, Runtime
from modelbuild_runtime.pipeline import load_pipeline
from modelbuild_runtime.process.models.warmup import warm_up
from modelbuild_runtime.signature import Signature, TensorSpec

torch = pytest.importorskip("torch", reason="tested in an environment of its own")

from modelbuild_runtime.engines.pytorch.engine import TorchEngine, load  # noqa: E402

X = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
HEADS = np.array([0, 1])


class Pair(NamedTuple):
    left: Any
    right: Any


class Net(torch.nn.Module):
    """Two inputs of different kinds; training would change its answers."""

    def __init__(self) -> None:
        super().__init__()
        self.body = torch.nn.Linear(3, 4)
        self.heads = torch.nn.Embedding(5, 4)
        self.norm = torch.nn.BatchNorm1d(4)
        self.drop = torch.nn.Dropout()

    def forward(self, features: torch.Tensor, head: torch.Tensor) -> dict[str, torch.Tensor]:
        hidden = self.drop(self.norm(torch.relu(self.body(features) + self.heads(head))))
        return {"hidden": hidden, "label": hidden.argmax(1)}


class Steps(torch.nn.Module):
    """Takes one sequence as well: its steps could be taken for rows."""

    def __init__(self) -> None:
        super().__init__()
        self.cells = torch.nn.LSTM(6, 4, batch_first=True)

    def forward(self, steps: torch.Tensor) -> torch.Tensor:
        return self.cells(steps)[0]


class Keyed(torch.nn.Module):
    """What TorchScript has no word for, as it is."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Any) -> Any:
        return self.function(x)


@pytest.fixture(scope="module")
def net() -> Any:
    torch.manual_seed(1)
    return Net().eval()


@pytest.fixture(scope="module")
def expected(net: Any) -> Any:
    return net(torch.tensor(X), torch.tensor(HEADS))["hidden"].detach().numpy()


def scripted(net: Any, path: Path) -> None:
    torch.jit.script(net).save(str(path))


def traced(net: Any, path: Path) -> None:
    torch.jit.trace(net, (torch.tensor(X), torch.tensor(HEADS)), strict=False).save(str(path))


def weights(net: Any, path: Path) -> None:
    torch.save(net.state_dict(), path)


def old_weights(net: Any, path: Path) -> None:
    torch.save(net.state_dict(), path, _use_new_zipfile_serialization=False)


def parallel_checkpoint(net: Any, path: Path) -> None:
    state = {f"module.{name}": value for name, value in net.state_dict().items()}
    torch.save({"epoch": 3, "model_state_dict": state, "loss": 0.1}, path)


EXAMPLE = ([{"features": [1, 2, 3], "head": 4}],)
BUILDS = SimpleNamespace(build_model=Net)


@pytest.mark.parametrize("write", [scripted, traced, weights, old_weights, parallel_checkpoint])
def test_every_kind_of_file_answers_the_same(write: Any, net: Any, expected: Any, tmp_path: Path) -> None:
    write(net, tmp_path / "m.pt")
    engine = load(tmp_path / "m.pt", EngineOptions(examples=EXAMPLE, handler=BUILDS))
    assert engine.signature().inputs == (TensorSpec("features", "FP32", (-1, 3)), TensorSpec("head", "INT64", (-1,)))
    answer = engine.predict({"features": X, "head": HEADS})
    assert list(answer) == ["hidden", "label"]
    np.testing.assert_allclose(answer["hidden"], expected, rtol=1e-6)
    assert answer["label"].dtype == np.int64


def test_without_an_example_numbers_are_passed_on(net: Any, expected: Any, tmp_path: Path) -> None:
    scripted(net, tmp_path / "m.pt")
    engine = load(tmp_path / "m.pt", EngineOptions())
    assert engine.signature() == Signature()
    np.testing.assert_allclose(engine.predict({"a": X.astype(float), "b": HEADS})["hidden"], expected, rtol=1e-6)
    with pytest.raises(InvalidInput, match="the model takes features, head"):
        engine.predict({"features": X})


@pytest.mark.parametrize(
    ("module", "spec"),
    [
        (torch.nn.Sequential(torch.nn.Linear(5, 2)), TensorSpec("input", "FP32", (-1, 5))),
        (torch.nn.Sequential(torch.nn.Linear(5, 2).double()), TensorSpec("input", "FP64", (-1, 5))),
        (torch.nn.Sequential(torch.nn.Embedding(9, 2)), TensorSpec("input", "INT64", (-1, -1))),
        (torch.nn.Sequential(torch.nn.Conv2d(3, 4, 5), torch.nn.ReLU()), TensorSpec("input", "FP32", (-1, 3, -1, -1))),
        (Steps(), TensorSpec("steps", "FP32", (-1, -1, 6))),
    ],
    ids=["linear", "double", "embedding", "convolution", "lstm"],
)
def test_weights_suggest_what_a_module_of_one_input_takes(module: Any, spec: TensorSpec, tmp_path: Path) -> None:
    torch.jit.script(module).save(str(tmp_path / "m.pt"))
    assert load(tmp_path / "m.pt", EngineOptions()).signature().inputs == (spec,)


def asked(folder: Path, function: Any, array: Any, dtype: Any = None) -> dict[str, np.ndarray]:
    """The answer of a module of any function."""
    from modelbuild_runtime.engines.pytorch.weights import of_module

    program = of_module(Keyed(function))
    argument = program.arguments[0]._replace(dtype=dtype, shape=(-1,))
    return TorchEngine(torch, program._replace(arguments=(argument,)), {}).predict({"x": array})


def test_outputs_of_every_form(tmp_path: Path) -> None:
    def names(function: Any) -> list[str]:
        return list(asked(tmp_path, function, X))

    assert names(lambda x: x) == ["output"]
    assert names(lambda x: (x, x)) == ["output_0", "output_1"]
    assert names(lambda x: Pair(x, None)) == ["left"]
    assert names(lambda x: {"a": x, "b": [x, {"c": x}]}) == ["a", "b_0", "b_1_c"]
    assert asked(tmp_path, lambda x: x.sum(), X)["output"].shape == ()
    assert asked(tmp_path, lambda x: x.to_sparse(), X)["output"].tolist() == X.tolist()
    with pytest.raises(TypeError, match=r"the output 'output' is a torch\.complex64"):
        asked(tmp_path, lambda x: x.to(torch.complex64), X)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "uint16", "int8", "int16", "int32", "int64", "float16", "float64"])
def test_datatypes_go_through_as_they_are(dtype: str, tmp_path: Path) -> None:
    array = np.array([1, 0, 1], dtype)
    answer = asked(tmp_path, lambda x: x, array)["output"]
    assert answer.dtype == array.dtype
    assert answer.tolist() == array.tolist()


def test_bfloat16_is_float32_outside(tmp_path: Path) -> None:
    answer = asked(tmp_path, lambda x: x + x if x.dtype == torch.bfloat16 else 1 / 0, X, torch.bfloat16)
    assert answer["output"].dtype == np.float32
    assert answer["output"].tolist() == (2 * X).tolist()


def test_arrays_are_left_as_they_were_and_missing_values_stay_missing(tmp_path: Path) -> None:
    array = np.array([[np.nan, -1.0]], np.float32)
    array.flags.writeable = False
    answer = asked(tmp_path, lambda x: x.relu_(), array)["output"]
    assert array[0, 1] == -1
    assert np.isnan(answer[0, 0])
    assert answer[0, 1] == 0


def exported(module: Any, path: Path, *given: Any, **shapes: Any) -> None:
    torch.export.save(torch.export.export(module.eval(), given, dynamic_shapes=shapes or None), path)


class Counting(torch.nn.Module):
    """An export that changes a buffer with every call, has a constant argument, and takes and gives what is nested."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: dict[str, torch.Tensor], factor: int = 2) -> Any:
        self.calls.add_(1)
        return x["a"] * factor + self.calls, [x["b"]]


def test_an_exported_program_with_a_state_and_nested_inputs(tmp_path: Path) -> None:
    exported(Counting(), tmp_path / "m.pt2", {"a": torch.zeros(1, 2), "b": torch.zeros(1)}, 3)
    engine = load(tmp_path / "m.pt2", EngineOptions())
    assert [spec.name for spec in engine.signature().inputs] == ["x_a", "x_b"]
    assert [spec.name for spec in engine.signature().outputs] == ["output_0", "output_1_0"]
    sent = {"x_a": np.ones((1, 2), np.float32), "x_b": np.ones(1, np.float32)}
    first, second = engine.predict(sent), engine.predict(sent)
    assert (first["output_0"].tolist(), second["output_0"].tolist()) == ([[4.0, 4.0]], [[5.0, 5.0]])


def test_what_was_exported_on_a_gpu_runs_on_the_cpu(net: Any, expected: Any, tmp_path: Path) -> None:
    """As such a file says it: no GPU is needed to write so, only to read it as it is."""
    exported(net, tmp_path / "cpu.pt2", torch.tensor(X), torch.tensor(HEADS))
    with zipfile.ZipFile(tmp_path / "cpu.pt2") as source, zipfile.ZipFile(tmp_path / "m.pt2", "w") as target:
        for name in source.namelist():
            data = source.read(name)
            target.writestr(name, re.sub(rb'"type": ?"cpu", ?"index": ?null', b'"type": "cuda", "index": 0', data))
    engine = load(tmp_path / "m.pt2", EngineOptions())
    np.testing.assert_allclose(engine.predict({"features": X, "head": HEADS})["hidden"], expected, rtol=1e-6)


def test_a_program_of_a_fixed_number_of_rows_takes_any(net: Any, expected: Any, tmp_path: Path) -> None:
    exported(net, tmp_path / "m.pt2", torch.tensor(X), torch.tensor(HEADS))
    pipeline = load_pipeline(Manifest(Model("m", "1", "m.pt2"), Runtime("pytorch")), tmp_path)
    warm_up(pipeline)
    assert pipeline.batchable
    answer: Any = pipeline.run({"features": X[[0, 1, 0]], "head": HEADS[[0, 1, 0]]})
    np.testing.assert_allclose(answer["hidden"], expected[[0, 1, 0]], rtol=1e-6)


def test_what_a_model_refuses_is_the_clients_to_hear(net: Any, tmp_path: Path) -> None:
    traced(net, tmp_path / "m.pt")
    engine = load(tmp_path / "m.pt", EngineOptions())
    with pytest.raises(InvalidInput, match=r"the model refuses a value: .*index out of range"):
        engine.predict({"features": X, "head": HEADS + 90})
    with pytest.raises(InvalidInput, match="shapes cannot be multiplied"):
        engine.predict({"features": X[:, :2], "head": HEADS})


def test_weights_want_the_module_that_they_belong_to(net: Any, tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    weights(net, path)

    def refused(handler: Any | None) -> str:
        with pytest.raises(LoadError) as caught:
            load(path, EngineOptions(handler=handler))
        return caught.value.message

    assert "holds weights, and not the module" in refused(None)
    assert "returned a int, not a torch.nn.Module" in refused(SimpleNamespace(build_model=lambda: 1))
    assert "failed: ZeroDivisionError" in refused(SimpleNamespace(build_model=lambda: 1 / 0))
    assert "it lacks weight; it lacks bias; the module has no body.weight, and" in refused(
        SimpleNamespace(build_model=lambda: torch.nn.Linear(2, 2))
    )
    torch.save({"weight": torch.zeros(3, 3), "bias": torch.zeros(2)}, path)
    assert "size mismatch for weight" in refused(SimpleNamespace(build_model=lambda: torch.nn.Linear(2, 2)))
    torch.save({"epoch": 3}, path)
    assert "holds a dict with epoch, not weights by name" in refused(BUILDS)


def test_a_pickled_module_only_where_it_was_allowed(net: Any, expected: Any, tmp_path: Path) -> None:
    torch.save(net, tmp_path / "m.pt")
    with pytest.raises(LoadError, match=r"cannot load m\.pt"):
        load(tmp_path / "m.pt", EngineOptions(handler=BUILDS))
    engine = load(tmp_path / "m.pt", EngineOptions(options={"pickled": True}, examples=EXAMPLE))
    np.testing.assert_allclose(engine.predict({"features": X, "head": HEADS})["hidden"], expected, rtol=1e-6)


class Listed(torch.nn.Module):
    def forward(self, xs: list[torch.Tensor]) -> torch.Tensor:
        return xs[0]


def test_arguments_that_are_no_tensors_need_a_handler(tmp_path: Path) -> None:
    torch.jit.script(Listed()).save(str(tmp_path / "m.pt"))
    with pytest.raises(LoadError, match=r"its forward takes xs: List\[Tensor\], not a tensor"):
        load(tmp_path / "m.pt", EngineOptions())
    engine = load(tmp_path / "m.pt", EngineOptions(handler=SimpleNamespace(predict=None)))
    assert engine.model([torch.ones(1)]).item() == 1


class Optionals(torch.nn.Module):
    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None, scale: float = 2.0) -> torch.Tensor:
        return x * scale if mask is None else x * mask


def test_optional_arguments_may_be_left_out(tmp_path: Path) -> None:
    torch.jit.script(Optionals()).save(str(tmp_path / "m.pt"))
    engine = load(tmp_path / "m.pt", EngineOptions(examples=([{"x": [1.0], "mask": [0.5]}],)))
    assert [(spec.name, spec.optional) for spec in engine.signature().inputs] == [("x", False), ("mask", True)]
    assert engine.predict({"x": X})["output"].tolist() == (2 * X).tolist()
    assert engine.predict({"x": X, "mask": X})["output"].tolist() == (X * X).tolist()
