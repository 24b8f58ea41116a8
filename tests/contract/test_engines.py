"""What every runtime must do, run over each folder of engines that there is."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest

from contract.engines import APART, NAMES, Served, as_rows
from modelbuild_runtime.errors import LoadError
from modelbuild_runtime.manifest import Model
from modelbuild_runtime.pipeline import load_pipeline
from modelbuild_runtime.process.models.differences import differs
from modelbuild_runtime.process.models.warmup import learn, warm_up
from modelbuild_runtime.request import Response
from modelbuild_runtime.signature import Signature
from modelbuild_runtime.tensor import DATATYPES, NUMPY


@pytest.fixture(scope="module", params=NAMES)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Served:
    return Served(request.param, tmp_path_factory.mktemp(request.param))


def test_there_are_runtimes() -> None:
    assert NAMES == [APART] if APART else {"onnx", "sklearn"} <= set(NAMES)


def test_it_answers_what_the_framework_answers(served: Served) -> None:
    (outcome,) = served.ask(served.rows)

    assert differs(as_rows(outcome), served.expected) == ""


def test_a_batch_is_its_rows(served: Served) -> None:
    together = as_rows(served.ask(served.rows)[0])
    alone = [as_rows(outcome)[0] for outcome in served.ask(*[[row] for row in served.rows])]

    assert differs(together, alone, tolerance=1e-6) == ""


def test_order_does_not_matter(served: Served) -> None:
    backwards = as_rows(served.ask(served.rows[::-1])[0])

    assert differs(backwards[::-1], served.expected) == ""


def test_warm_up_works_and_rows_may_be_joined(served: Served) -> None:
    assert served.warm.error is None
    assert served.warm.seconds > 0
    assert served.pipeline.batchable


def test_the_signature_is_complete(served: Served) -> None:
    contract = served.signature

    assert contract.inputs
    assert contract.outputs
    for spec in (*contract.inputs, *contract.outputs):
        assert spec.datatype in NUMPY
        assert spec.shape[0] == -1
    assert len({spec.name for spec in contract.inputs}) == len(contract.inputs)


def test_the_signature_is_true(served: Served) -> None:
    (outcome,) = served.ask(served.rows)
    assert isinstance(outcome, Response)
    columns = outcome.columns or {}

    assert tuple(columns) == tuple(spec.name for spec in served.signature.outputs)
    for spec in served.signature.outputs:
        array = columns[spec.name]
        assert DATATYPES[array.dtype] == spec.datatype
        assert all(size in (-1, found) for size, found in zip(spec.shape, array.shape, strict=True))
        if spec.labels:
            assert len(spec.labels) == array.shape[-1] or array.ndim == 1
    assert learn(served.signature, columns).outputs == served.signature.outputs


def test_a_declared_signature_changes_nothing(served: Served, tmp_path: Path) -> None:
    """What the builder read may come with the manifest: the same names then, and the same answers."""
    declared = Signature(served.signature.inputs, served.signature.outputs)
    manifest = msgspec.structs.replace(served.manifest, signature=declared)

    again = load_pipeline(manifest, served.folder)
    warm_up(again)

    assert again.contract.inputs == served.signature.inputs
    assert again.contract.outputs == served.signature.outputs


def test_an_empty_batch_is_an_empty_answer(served: Served) -> None:
    empty = {
        spec.name: np.zeros((0, *[max(size, 0) for size in spec.shape[1:]]), NUMPY[spec.datatype])
        for spec in served.signature.inputs
    }

    answer = served.pipeline.run(empty)

    if not isinstance(answer, dict):  # a handler's
        assert answer == []
        return
    assert {name: (len(array), array.ndim) for name, array in answer.items()} == {
        spec.name: (0, len(spec.shape)) for spec in served.signature.outputs
    }


def test_a_damaged_artifact_is_one_clear_error(served: Served, tmp_path: Path) -> None:
    path = tmp_path / served.sample.path.name
    shutil.copytree(served.sample.path, path) if served.sample.path.is_dir() else shutil.copy(served.sample.path, path)
    for file in [path] if path.is_file() else path.rglob("*"):
        if file.is_file():
            file.write_bytes(file.read_bytes()[:40])
    manifest = msgspec.structs.replace(served.manifest, model=Model("sample", "1", path.name))

    with pytest.raises(LoadError, match=path.name):
        load_pipeline(manifest, tmp_path)


def test_inputs_are_left_as_they_were(served: Served) -> None:
    from modelbuild_runtime.samples import sample_columns

    inputs = sample_columns(served.pipeline.contract, 2)
    before = {name: array.copy() for name, array in inputs.items()}

    served.pipeline.run(inputs)

    for name, array in inputs.items():
        np.testing.assert_array_equal(array, before[name])
