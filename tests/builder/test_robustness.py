"""Whatever is done to a file, reading it ends, and ends with an answer or with an error that is meant for people."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builder import samples
from modelbuild.artifact import read_artifact
from modelbuild.errors import MbuildError
from modelbuild.formats.detect import detect
from modelbuild.runtime import builtin_runtimes, read

RUNTIMES = builtin_runtimes()
SILENT = "an error that says nothing"
TAKEN = {runtime.name for runtime in RUNTIMES}
SAMPLES: dict[str, Callable[[], bytes]] = {
    "onnx": samples.onnx_classifier,
    "skops": samples.skops,
    "joblib": samples.dumped,
    "joblib-zlib": lambda: samples.dumped(("zlib", 3)),
    "joblib-bz2": lambda: samples.dumped(("bz2", 3)),
    "joblib-lzma": lambda: samples.dumped(("lzma", 3)),
    "pickle-0": lambda: samples.pickled(0),
    "pickle-5": lambda: samples.pickled(5),
    "pickle-in-zlib": lambda: zlib.compress(samples.pickled(2)),
    "xgboost": lambda: b'{"learner":{"a":[1,2,{"b":"c\\""}]},"version":[3,2,0]}',
    "lightgbm": lambda: b"tree\nversion=v4\nmax_feature_idx=0\nfeature_names=a\ntree_sizes=90\n\nTree=0\n" + b"x" * 90,
    "catboost": samples.catboost,
    "statsmodels": samples.statsmodels,
    "pmml": lambda: b'<?xml version="1.0"?><!-- x --><PMML xmlns="http://www.dmg.org/PMML-4_4" version="4.4"/>',
}
ANYTHING = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def look(data: bytes, folder: Path) -> str:
    """The runtime's name, or the name of the error."""
    path = folder / "model"
    path.write_bytes(data)
    try:
        artifact = read_artifact(path, cache=folder / "cache")
        runtime = detect(artifact, RUNTIMES)
        read(runtime, artifact)
    except MbuildError as error:
        return type(error).__name__ if error.message else SILENT
    return runtime.name


@pytest.mark.parametrize("kind", SAMPLES)
def test_cut_off_anywhere(kind, tmp_path):
    data = SAMPLES[kind]()
    places = {
        *range(min(48, len(data))),
        *range(0, len(data), max(1, len(data) // 80)),
        *range(len(data) - 24, len(data)),
    }
    outcomes = {place: look(data[:place], tmp_path) for place in sorted(places) if 0 <= place < len(data)}
    assert set(outcomes.values()) <= {"ArtifactError", "UnknownFormatError", *TAKEN}
    # Nothing that lacks its second half passes for whole.
    assert {outcome for place, outcome in outcomes.items() if place < len(data) // 2}.isdisjoint(TAKEN)


@pytest.mark.parametrize("kind", SAMPLES)
@given(changes=st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), min_size=1, max_size=6))
@ANYTHING
def test_changed_anywhere(kind, changes, tmp_path):
    data = bytearray(SAMPLES[kind]())
    for place, byte in changes:
        data[place % len(data)] = byte
    assert look(bytes(data), tmp_path) != SILENT


@given(data=st.binary(min_size=1, max_size=300))
@ANYTHING
def test_any_bytes(data, tmp_path):
    assert look(data, tmp_path) != SILENT


@pytest.mark.parametrize("runtime", RUNTIMES, ids=lambda runtime: runtime.name)
@pytest.mark.parametrize("kind", SAMPLES)
def test_a_runtime_that_was_named_for_the_wrong_file(kind, runtime, tmp_path):
    (tmp_path / "model").write_bytes(SAMPLES[kind]())
    artifact = read_artifact(tmp_path / "model", cache=tmp_path / "cache")
    with contextlib.suppress(MbuildError):
        read(runtime, artifact)
