"""JAX: names and datatypes, numbers of rows, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="tested in an environment of its own")

from jax import export  # noqa: E402

from modelbuild_runtime.engines import EngineOptions  # noqa: E402
from modelbuild_runtime.engines.jax.engine import load  # noqa: E402
from modelbuild_runtime.errors import LoadError  # noqa: E402
from modelbuild_runtime.signature import TensorSpec  # noqa: E402

jax.config.update("jax_enable_x64", True)
(ROWS,) = export.symbolic_shape("rows")


def saved(folder: Path, function: Any, *shapes: Any, **named: Any) -> Path:
    path = folder / "function.bin"
    path.write_bytes(export.export(jax.jit(function), platforms=["cpu"])(*shapes, **named).serialize())
    return path


def array(shape: Any = (ROWS, 2), dtype: Any = np.float32) -> Any:
    return jax.ShapeDtypeStruct(shape, dtype)


DTYPES = ("bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64")
FLOATS = ("float16", "float32", "float64")


@pytest.mark.parametrize("name", [*DTYPES, *FLOATS])
def test_every_datatype(tmp_path: Path, name: str) -> None:
    engine = load(saved(tmp_path, lambda x: x, array(dtype=np.dtype(name))), EngineOptions())

    least, most = (False, True) if name == "bool" else (-np.inf, np.nan)
    if name.startswith(("int", "uint")):
        least, most = np.iinfo(name).min, np.iinfo(name).max
    x = np.array([[least, most]], name)
    answer = engine.predict({"arg0": x})["output"]
    assert answer.dtype == x.dtype
    np.testing.assert_array_equal(answer, x)


def test_bfloat16_is_spoken_as_fp32(tmp_path: Path) -> None:
    engine = load(saved(tmp_path, lambda x: x, array(dtype=jax.numpy.bfloat16)), EngineOptions())

    assert engine.signature().inputs == (TensorSpec("arg0", "FP32", (-1, 2)),)
    answer = engine.predict({"arg0": np.array([[1.0, 1.00390625]], np.float32)})["output"]
    assert (answer.dtype, answer.tolist()) == (np.float32, [[1, 1]])


def test_names_are_places_in_the_trees(tmp_path: Path) -> None:
    def function(weights: Any, x: Any, *, scale: Any) -> Any:
        return {"all": [weights["w"]["k"] * x, x * scale], "none": None}

    shapes = {"w": {"k": array(())}}, array()
    engine = load(saved(tmp_path, function, *shapes, scale=array((ROWS, 1))), EngineOptions())

    assert [spec.name for spec in engine.signature().inputs] == ["arg0.w.k", "arg1", "scale"]
    assert [spec.name for spec in engine.signature().outputs] == ["all.0", "all.1"]
    assert not engine.batched
    x, scale = np.ones((3, 2), np.float32), np.full((3, 1), 5, np.float32)
    answer = engine.predict({"arg0.w.k": np.float32(2), "arg1": x, "scale": scale})
    assert [answer[name].tolist() for name in ("all.0", "all.1")] == [[[2, 2]] * 3, [[5, 5]] * 3]


def test_rows_are_filled_up_where_each_has_its_own_answer(tmp_path: Path) -> None:
    engine = load(saved(tmp_path, lambda x: x * 2, array()), EngineOptions())
    sizes = []
    call = engine._call
    engine._call = lambda *arrays: (sizes.append(len(arrays[0])), call(*arrays))[1]

    for rows in (1, 2, 3, 5, 8, 9):
        x = np.arange(rows * 2, dtype=np.float32).reshape(rows, 2)
        np.testing.assert_array_equal(engine.predict({"arg0": x})["output"], x * 2)
    assert sizes == [1, 2, 4, 8, 8, 16]


def test_rows_that_hang_on_each_other_are_not(tmp_path: Path) -> None:
    engine = load(saved(tmp_path, lambda x: x - x.mean(axis=0), array()), EngineOptions())

    x = np.array([[1, 2], [3, 4], [8, 6]], np.float32)
    np.testing.assert_allclose(engine.predict({"arg0": x})["output"], x - x.mean(axis=0), rtol=1e-6)


def test_two_symbols_are_two_sizes(tmp_path: Path) -> None:
    first, second = export.symbolic_shape("a, b")
    engine = load(saved(tmp_path, lambda x, y: (x, y), array((first,)), array((second,))), EngineOptions())

    assert not engine.batched
    answer = engine.predict({"arg0": np.ones(2, np.float32), "arg1": np.ones(3, np.float32)})
    assert [len(answer[name]) for name in ("output0", "output1")] == [2, 3]


def test_linear_algebra_has_its_library(tmp_path: Path) -> None:
    engine = load(saved(tmp_path, jax.numpy.linalg.inv, array((2, 2))), EngineOptions())

    answer = engine.predict({"arg0": np.array([[2, 0], [0, 4]], np.float32)})["output"]
    np.testing.assert_allclose(answer, [[0.5, 0], [0, 0.25]])


def test_what_cannot_be_sent(tmp_path: Path) -> None:
    path = saved(tmp_path, lambda x: x, array(dtype=np.complex64))

    with pytest.raises(LoadError, match="'arg0' is complex64"):
        load(path, EngineOptions())
