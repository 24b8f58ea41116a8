"""fastText: the framework's own answers, text as it comes, and files that would fill the memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fasttext.FastText import _FastText

from modelbuild_runtime.engines import EngineOptions
from modelbuild_runtime.engines.fasttext.engine import load
from modelbuild_runtime.errors import InvalidInput, LoadError
from runtime.fasttexts import CBOW, HS, NEGATIVE, ONE_AGAINST_ALL, SKIPGRAM, SUBWORDS, quantized, written

TEXTS = ["free money", "hello dear lunch", "soleil été", "", "unheard of", "FREE\tmoney \x00 ﬁ"]


KINDS: dict[str, Callable[[Path], Path]] = {
    "softmax": written,
    "one against all": lambda folder: written(folder, loss=ONE_AGAINST_ALL),
    "hierarchical": lambda folder: written(folder, loss=HS),
    "subwords": lambda folder: written(folder, ngrams=2, **SUBWORDS),
    "quantized": quantized,
}


def framework(path: Path) -> Any:
    return _FastText(str(path))


def column(*texts: Any) -> dict[str, np.ndarray]:
    array = np.empty(len(texts), object)
    array[:] = texts
    return {"text": array}


@pytest.mark.parametrize("kind", KINDS)
def test_the_framework_s_own_answers(kind: str, tmp_path: Path) -> None:
    path = KINDS[kind](tmp_path)
    model, engine = framework(path), load(path, EngineOptions())

    answer = engine.predict(column(*TEXTS))

    (spec,) = [spec for spec in engine.signature().outputs if spec.name == "probabilities"]
    for row, text in enumerate(TEXTS):
        labels, probabilities = model.predict(text, k=-1)
        assert answer["label"][row] == (labels[0] if labels else "")
        named = dict(zip(spec.labels, answer["probabilities"][row].tolist(), strict=True))
        assert {label: named[label] for label in labels} == pytest.approx(dict(zip(labels, probabilities, strict=True)))


def test_of_many_labels_the_best(tmp_path: Path) -> None:
    path = written(tmp_path, labels=tuple(f"t{number}" for number in range(1001)))
    engine = load(path, EngineOptions())

    answer = engine.predict(column("free", "money"))

    labels, probabilities = framework(path).predict("free", k=10)
    assert answer["labels"].tolist()[0] == list(labels)
    assert answer["probabilities"][0] == pytest.approx(probabilities)
    assert answer["labels"].shape == answer["probabilities"].shape == (2, 10)


@pytest.mark.parametrize("settings", [{"kind": SKIPGRAM}, {"kind": CBOW, **SUBWORDS}])
def test_vectors_of_texts(settings: dict[str, Any], tmp_path: Path) -> None:
    path = written(tmp_path, loss=NEGATIVE, **settings)
    model, engine = framework(path), load(path, EngineOptions())

    answer = engine.predict(column(*TEXTS))["vector"]

    np.testing.assert_array_equal(answer, [model.get_sentence_vector(text) for text in TEXTS])


def test_a_line_s_end_is_a_space(tmp_path: Path) -> None:
    engine = load(written(tmp_path), EngineOptions())

    answer = engine.predict(column("hello\r\nfree money", "hello free money", b"hello\nfree money"))["probabilities"]

    assert answer[0].tolist() == answer[1].tolist() == answer[2].tolist()


@pytest.mark.parametrize("text", ["a\nb", "a\rb", "\n", "\r", "", "free\x0bmoney\x0c\x1c\x85\u2028x", "\x00"])
def test_one_text_is_one_line_among_others(text: str, tmp_path: Path) -> None:
    engine = load(written(tmp_path), EngineOptions())

    together = engine.predict(column("free money", text, "hello"))

    for row, alone in enumerate(("free money", text.encode(), "hello")):
        assert together["probabilities"][row].tolist() == engine.predict(column(alone))["probabilities"][0].tolist()


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    engine = load(written(tmp_path), EngineOptions())

    assert engine.predict(column(b"\xff\xfe money"))["probabilities"].sum() == pytest.approx(1, abs=1e-3)
    with pytest.raises(InvalidInput, match="half of one"):
        engine.predict(column("\ud800"))


def test_labels_that_are_no_text(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_bytes(path.read_bytes().replace("__label__été".encode(), b"__label__\xe9\xe8t\xe9\xe9"[:14]))

    engine = load(path, EngineOptions())

    assert engine.signature().outputs[0].labels[2].startswith("__label__�")
    assert engine.predict(column("soleil", "free"))["probabilities"].sum() == pytest.approx(2, abs=1e-3)


def test_a_file_of_another_size_is_not_loaded(tmp_path: Path) -> None:
    path = written(tmp_path)
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:-1])

    with pytest.raises(LoadError, match=rf"^model\.bin has {size - 1} bytes, and should have {size}$"):
        load(path, EngineOptions(options={"bytes": size}))
    path.write_bytes(b"other" * 100)
    with pytest.raises(LoadError, match=r"^fastText cannot load model\.bin: "):
        load(path, EngineOptions())
