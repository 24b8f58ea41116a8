from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from environments import make_sample
from modelbuild.artifact import read_artifact
from modelbuild.errors import ArtifactError, MbuildError, UnsupportedModelError
from modelbuild.formats.detect import detect
from modelbuild.runtime import Reading, builtin_runtimes, read
from modelbuild.signature import TensorSpec
from runtime.exports import F32, ROWS, export

RUNTIMES = builtin_runtimes()
JAX = next(runtime for runtime in RUNTIMES if runtime.name == "jax")


def reading(data: bytes, folder: Path) -> Reading:
    path = folder / "function.bin"
    path.write_bytes(data)
    artifact = read_artifact(path, cache=folder / "cache")
    assert detect(artifact, RUNTIMES).name == "jax"
    return read(JAX, artifact)


@pytest.mark.slow
def test_what_jax_itself_writes(tmp_path):
    found = reading(make_sample("jax", tmp_path).path.read_bytes(), tmp_path)
    assert found.signature.inputs == (TensorSpec("features", "FP32", (-1, 3)), TensorSpec("offset", "FP32", (-1,)))
    assert found.signature.outputs == (
        TensorSpec("label", "INT32", (-1,)),
        TensorSpec("probabilities", "FP32", (-1, 2)),
        TensorSpec("scores", "FP32", (-1, 2)),
    )
    assert found.metadata["function"] == "classify"
    assert found.metadata["StableHLO"].startswith("1.")


NAMES: dict[str, tuple[Any, Any, list[str], list[str]]] = {
    "an array": ((("*",), {}), "*", ["arg0"], ["output"]),
    "several": ((("*", "*"), {}), ("*", "*"), ["arg0", "arg1"], ["output0", "output1"]),
    "one dict": ((({"a": "*", "b": "*"},), {}), {"y": "*"}, ["a", "b"], ["y"]),
    "named": (((), {"a": "*", "b": ["*", "*"]}), ["*"], ["a", "b.0", "b.1"], ["output0"]),
    "a dict and an array": ((({"w": {"k": "*"}}, "*"), {}), {"y": ("*", "*")}, ["arg0.w.k", "arg1"], ["y.0", "y.1"]),
    "a dict and a named one": ((({"w": "*"},), {"x": "*"}), "*", ["arg0.w", "x"], ["output"]),
    "nothing in between": ((("*", None, "*"), {}), (None, "*"), ["arg0", "arg2"], ["output1"]),
}


@pytest.mark.parametrize("unique", [True, False], ids=["new", "old"])
@pytest.mark.parametrize("kind", NAMES)
def test_names_are_places_in_the_trees(kind, unique, tmp_path):
    takes, gives, inputs, outputs = NAMES[kind]
    values = {"inputs": [ROWS] * len(inputs), "outputs": [(F32, (str(n),)) for n in range(len(outputs))]}
    found = reading(export(takes, gives, **values, unique=unique), tmp_path).signature
    assert [spec.name for spec in found.inputs] == inputs
    assert [(spec.name, spec.shape) for spec in found.outputs] == [(name, (n,)) for n, name in enumerate(outputs)]


def test_datatypes_and_sizes(tmp_path):
    found = reading(export(inputs=[(14, ("2*b", "b + 1", "7"))], outputs=[(0, ())]), tmp_path).signature
    assert found.inputs == (TensorSpec("x", "FP32", (-1, -1, 7)),)
    assert found.outputs == (TensorSpec("output", "BOOL", ()),)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "another platform": ({"platforms": ["cuda", "tpu"]}, "exported for cuda, tpu, not for the CPU"),
    "several devices": ({"devices": 4}, "exported for 4 devices"),
    "an old convention": ({"convention": 8}, "has the calling convention 8"),
    "effects": ({"effects": ["debug"]}, "has effects"),
    "complex numbers": ({"outputs": [(12, ())]}, "The output 'output' of function.bin is of type 12"),
    "a type of its own": ({"takes": (({"Point"},), {})}, "takes or gives 'Point'"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_served(kind, tmp_path):
    settings, message = REFUSED[kind]
    with pytest.raises(UnsupportedModelError, match=message):
        reading(export(**settings), tmp_path)


def test_custom_calls_are_named(tmp_path):
    (finding,) = reading(export(custom_calls=["mine"]), tmp_path).findings
    assert (finding.severity, finding.what) == ("review", "the custom call 'mine'")


def test_values_without_names(tmp_path):
    with pytest.raises(ArtifactError, match="function has 1 inputs and the types of 2"):
        reading(export(inputs=[ROWS, ROWS]), tmp_path)


def test_nested_without_end(tmp_path):
    tree: Any = "*"
    for _ in range(100):
        tree = {"a": tree}
    with pytest.raises(UnsupportedModelError, match="takes or gives"):
        reading(export(((tree,), {})), tmp_path)


def test_cut_off_or_changed_ends_well(tmp_path):
    """With an answer, or an error for people; where even its kind cannot be told, no runtime takes it."""
    whole = export()
    random = np.random.default_rng(0)
    cut = [whole[:end] for end in range(1, len(whole), 9)]
    changed = []
    for _ in range(100):
        data = bytearray(whole)
        for at in random.integers(len(data), size=3):
            data[at] = random.integers(256)
        changed.append(bytes(data))
    path = tmp_path / "function.bin"
    for data in (*cut, *changed):
        path.write_bytes(data)
        artifact = read_artifact(path, cache=tmp_path / "cache")
        with contextlib.suppress(MbuildError):
            read(JAX, artifact)
        with contextlib.suppress(MbuildError):
            detect(artifact, RUNTIMES)
