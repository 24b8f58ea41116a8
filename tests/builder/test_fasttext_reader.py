from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest

from modelbuild.artifact import read_artifact
from modelbuild.errors import ArtifactError, MbuildError, UnsupportedModelError
from modelbuild.formats.detect import detect
from modelbuild.runtime import Reading, builtin_runtimes, read
from modelbuild_runtime.engines import EngineOptions
from modelbuild_runtime.engines.fasttext.engine import load
from modelbuild_runtime.engines.fasttext.sample import make
from runtime.fasttexts import CBOW, HS, NEGATIVE, ONE_AGAINST_ALL, SKIPGRAM, SUBWORDS, quantized, written

RUNTIMES = builtin_runtimes()
FASTTEXT = next(runtime for runtime in RUNTIMES if runtime.name == "fasttext")


def reading(path: Path, **chosen: int) -> Reading:
    artifact = read_artifact(path, cache=path.parent / "cache")
    assert detect(artifact, RUNTIMES).name == "fasttext"
    return read(FASTTEXT, artifact, chosen)


FILES = {
    "softmax": written,
    "subwords": lambda folder: written(folder, ngrams=2, **SUBWORDS),
    "hierarchical": lambda folder: written(folder, loss=HS),
    "one against all": lambda folder: written(folder, loss=ONE_AGAINST_ALL),
    "many labels": lambda folder: written(folder, labels=tuple(f"t{number}" for number in range(1001))),
    "words": lambda folder: written(folder, kind=SKIPGRAM, loss=NEGATIVE),
    "cbow": lambda folder: written(folder, kind=CBOW, loss=NEGATIVE, **SUBWORDS),
    "quantized": quantized,
    "quantized with norms": lambda folder: quantized(folder, qnorm=True),
}


@pytest.mark.parametrize("kind", FILES)
def test_the_reader_says_what_the_engine_says(kind, tmp_path):
    path = FILES[kind](tmp_path)
    found = reading(path)
    engine = load(path, EngineOptions(options=found.options)).signature()
    for mine, its in ((found.signature.inputs, engine.inputs), (found.signature.outputs, engine.outputs)):
        assert [(s.name, s.datatype, s.shape, s.labels) for s in mine] == [
            (s.name, s.datatype, s.shape, s.labels) for s in its
        ]
    assert ("quantized" in found.format) is ("quantized" in kind)


@pytest.mark.parametrize("best", [2, 5])
def test_so_many_labels_as_are_wanted(best, tmp_path):
    path = written(tmp_path)
    found = reading(path, k=best).signature.outputs
    assert [(spec.name, spec.shape) for spec in found] == [
        ("labels", (-1, min(best, 3))),
        ("probabilities", (-1, min(best, 3))),
    ]
    its = load(path, EngineOptions(options={"k": best})).signature().outputs
    assert [(spec.name, spec.shape) for spec in its] == [(spec.name, spec.shape) for spec in found]


def test_what_is_told_of_it(tmp_path):
    assert reading(make(tmp_path).path).metadata == {
        "model": "supervised",
        "loss": "softmax",
        "dimension": "2",
        "words": "4",
        "labels": "3",
        "word n-grams": "1",
    }


def changed(folder: Path, at: int, to: bytes) -> Reading:
    path = make(folder).path
    data = bytearray(path.read_bytes())
    data[at : at + len(to)] = to
    path.write_bytes(data)
    return reading(path)


def test_a_version_that_is_not_known(tmp_path):
    with pytest.raises(UnsupportedModelError, match=r"model\.bin is of version 13 of fastText's format"):
        changed(tmp_path, 4, b"\x0d")


@pytest.mark.parametrize(
    "at, to",
    [
        (36, b"\x09"),
        (8, b"\xff\xff\xff\xff"),
        (68, b"\x07"),
        (64, b"\xff\xff\xff\x7f"),
        (28, b"\x02"),
        (40, b"\x05"),
        (48, b"\x03"),
        (51, b"\xff"),
    ],
)
def test_numbers_that_cannot_be(at, to, tmp_path):
    with pytest.raises(ArtifactError, match="is a corrupt or truncated fastText model"):
        changed(tmp_path, at, to)


def test_cut_off_or_longer(tmp_path):
    path = make(tmp_path).path
    whole = path.read_bytes()
    for end in (*range(4, len(whole), 3), len(whole) - 1):
        path.write_bytes(whole[:end])
        with pytest.raises(ArtifactError, match="is a corrupt or truncated fastText model"):
            reading(path)
    path.write_bytes(whole + b"\0")
    with pytest.raises(ArtifactError, match="1 bytes follow its end"):
        reading(path)


def test_changed_anywhere_ends_well(tmp_path):
    """With an answer, or an error for people."""
    path = make(tmp_path).path
    whole = path.read_bytes()
    random = np.random.default_rng(0)
    for _ in range(100):
        data = bytearray(whole)
        for at in random.integers(4, len(data), 3):
            data[at] = random.integers(256)
        path.write_bytes(data)
        with contextlib.suppress(MbuildError):
            reading(path)
