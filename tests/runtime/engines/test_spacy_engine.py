"""spaCy: what each component gives, documents one by one and together, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

spacy = pytest.importorskip("spacy", reason="tested in an environment of its own")

from modelbuild_runtime.engines import EngineOptions  # noqa: E402
from modelbuild_runtime.engines.spacy import words  # noqa: E402
from modelbuild_runtime.engines.spacy.engine import load  # noqa: E402
from modelbuild_runtime.errors import InvalidInput, LoadError  # noqa: E402

TEXTS = ["Ada went to Paris. She liked it.", "", "Nothing", "Zoë ran 😀 to Lyon"]


def column(*texts: Any) -> dict[str, np.ndarray]:
    array = np.empty(len(texts), object)
    array[:] = texts
    return {"text": array}


def taught(*names: str) -> Any:
    """A pipeline of components that have seen one sentence, for its labels."""
    nlp = spacy.blank("en")
    for name in names:
        nlp.add_pipe(name)
    words, heads = ["Ada", "went", "to", "Paris", "."], [1, 1, 1, 2, 1]
    told = {
        "heads": heads,
        "deps": ["nsubj", "ROOT", "prep", "pobj", "punct"],
        "tags": ["NNP", "VBD", "IN", "NNP", "."],
        "lemmas": ["Ada", "go", "to", "Paris", "."],
        "pos": ["PROPN", "VERB", "ADP", "PROPN", "PUNCT"],
        "morphs": ["", "Tense=Past", "", "", ""],
        "entities": ["U-PERSON", "O", "O", "U-GPE", "O"],
        "cats": {"dull": 1.0, "fun": 0.0},
        "spans": {"sc": [(12, 17, "GPE")]},
    }
    doc = nlp.make_doc("Ada went to Paris.")
    assert [token.text for token in doc] == words
    examples = [spacy.training.Example.from_dict(doc, told)]
    nlp.initialize(lambda: examples)
    return nlp


def engine_of(nlp: Any, folder: Path) -> Any:
    nlp.to_disk(folder / "m")
    return load(folder / "m", EngineOptions())


@pytest.fixture(scope="module")
def grammar(tmp_path_factory: pytest.TempPathFactory) -> Any:
    names = ("tagger", "morphologizer", "parser", "trainable_lemmatizer", "ner", "spancat", "textcat_multilabel")
    return engine_of(taught(*names), tmp_path_factory.mktemp("grammar"))


def test_what_each_component_says(grammar: Any) -> None:
    assert [spec.name for spec in grammar.signature().outputs] == ["probabilities", "ents", "spans", "sents", "tokens"]

    answer = grammar.predict(column(TEXTS[0]))

    doc = grammar.model(TEXTS[0])
    assert answer["probabilities"][0] == pytest.approx([doc.cats["dull"], doc.cats["fun"]])
    assert grammar.signature().outputs[0].labels == ("dull", "fun")
    assert [(item["text"], item["label"]) for item in json.loads(answer["ents"][0])] == [
        (span.text, span.label_) for span in doc.ents
    ]
    assert [item["text"] for item in json.loads(answer["sents"][0])] == [span.text for span in doc.sents]
    found = json.loads(answer["spans"][0])["sc"]
    assert [item["score"] for item in found] == pytest.approx(doc.spans["sc"].attrs["scores"].tolist())
    assert json.loads(answer["tokens"][0])[1] == {
        "text": "went",
        "start": 4,
        "end": 8,
        "tag": doc[1].tag_,
        "pos": doc[1].pos_,
        "morph": str(doc[1].morph),
        "dep": doc[1].dep_,
        "head": doc[1].head.i,
        "lemma": doc[1].lemma_,
    }


def test_together_as_one_by_one(grammar: Any) -> None:
    together = grammar.predict(column(*TEXTS))

    for row, text in enumerate(TEXTS):
        alone = grammar.predict(column(text))
        np.testing.assert_allclose(together["probabilities"][row], alone["probabilities"][0], atol=1e-5)
        for name in ("ents", "sents", "tokens"):
            assert together[name][row] == alone[name][0]


def test_places_are_characters_of_the_text(grammar: Any) -> None:
    for text, tokens in zip(TEXTS, grammar.predict(column(*TEXTS))["tokens"], strict=True):
        assert all(text[token["start"] : token["end"]] == token["text"] for token in json.loads(tokens))


def test_a_text_without_tokens_has_no_label(tmp_path: Path) -> None:
    engine = engine_of(taught("textcat"), tmp_path)

    answer = engine.predict(column("", "fun"))

    assert [spec.name for spec in engine.signature().outputs] == ["label", "probabilities"]
    assert answer["label"].tolist()[0] == ""
    assert answer["label"].tolist()[1] in {"dull", "fun"}
    assert answer["probabilities"].sum(axis=1) == pytest.approx([0, 1])


def test_rules_have_identifiers(tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "CITY", "pattern": "Lyon", "id": "Q456"}])
    nlp.add_pipe("span_ruler").add_patterns([{"label": "PLACE", "pattern": "Lyon", "id": "1"}])

    answer = engine_of(nlp, tmp_path).predict(column("Near Lyon"))

    place = {"text": "Lyon", "start": 5, "end": 9}
    assert json.loads(answer["ents"][0]) == [{**place, "label": "CITY", "id": "Q456"}]
    assert json.loads(answer["spans"][0]) == {"ruler": [{**place, "label": "PLACE", "id": "1"}]}


def test_a_disabled_component_does_not_run(tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "CITY", "pattern": "Lyon"}])
    nlp.add_pipe("sentencizer")
    nlp.disable_pipe("entity_ruler")

    assert [spec.name for spec in engine_of(nlp, tmp_path).signature().outputs] == ["sents"]


def test_an_excluded_component_is_not_loaded(tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "CITY", "pattern": "Lyon"}])
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("merge_entities")
    nlp.to_disk(tmp_path / "m")

    engine = load(tmp_path / "m", EngineOptions(options={"exclude": "entity_ruler, merge_entities"}))

    assert engine.model.component_names == ["sentencizer"]
    assert [spec.name for spec in engine.signature().outputs] == ["sents"]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Any]:
    """An engine with room for a few words, alone or beside a handler."""
    monkeypatch.setattr(words, "STRINGS", 40)
    monkeypatch.setattr(words, "ZONE", 200)
    taught("ner").to_disk(tmp_path / "m")

    def made(**options: Any) -> Any:
        return load(tmp_path / "m", EngineOptions(**options))

    return made


def test_words_of_strangers_do_not_stay(small: Callable[..., Any]) -> None:
    engine = small()
    strings, vocabulary = engine.model.vocab.strings, engine.model.vocab
    before = len(strings)
    most = 0

    for number in range(300):
        answer = engine.predict(column(f"neverseen{number} word", f"other{number}"))
        most = max(most, len(strings))
        assert json.loads(answer["tokens" if "tokens" in answer else "ents"][0]) is not None

    assert "neverseen0" in vocabulary  # the first stay
    assert "neverseen150" not in vocabulary
    assert "neverseen150" not in strings
    assert most < before + 40 + 200  # no more than one zone has characters


def test_beside_a_handler_no_word_outlives_its_prediction(small: Callable[..., Any]) -> None:
    engine = small(handler=ModuleType("handler"))
    for number in range(60):
        engine.predict(column(f"neverseen{number} word"))
    kept = engine.model("a document that a handler makes and keeps")

    for number in range(60, 200):
        engine.predict(column(f"neverseen{number} word"))
        assert f"neverseen{number}" not in engine.model.vocab.strings

    assert kept.text == "a document that a handler makes and keeps"
    assert [token.lower_ for token in kept][:2] == ["a", "document"]


def test_long_words_fill_the_room_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(words, "CHARACTERS", 1000)
    engine = engine_of(taught("ner"), tmp_path)

    for number in range(8):
        engine.predict(column(f"{number}" * 300))
    engine.predict(column("w" * words.ZONE + "!"))

    assert "1" * 300 in engine.model.vocab.strings
    assert "7" * 300 not in engine.model.vocab.strings


def test_answers_are_the_same_with_and_without_zones(small: Callable[..., Any]) -> None:
    engine, texts = small(), column(*TEXTS, *(f"Ada{number} went to Lyon{number}" for number in range(40)))
    first = engine.predict(texts)["ents"].tolist()

    assert all(engine.predict(texts)["ents"].tolist() == first for _ in range(20))


def test_a_failing_component_leaves_the_words_in_order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(doc: Any) -> Any:
        if "boom" in doc.text:
            raise ArithmeticError(doc.text)
        return doc

    monkeypatch.setattr(words, "STRINGS", 40)
    monkeypatch.setattr(words, "ZONE", 200)
    spacy.Language.component("refuses", func=refuse)
    nlp = spacy.blank("en")
    nlp.add_pipe("refuses")
    engine = engine_of(nlp, tmp_path)

    for number in range(100):
        with pytest.raises(ArithmeticError, match=f"boom{number}"):
            engine.predict(column(f"a text with boom{number}"))
        (tokens,) = engine.predict(column(f"a text with word{number}"))["tokens"]
        assert json.loads(tokens)[3]["text"] == f"word{number}"

    assert "boom90" not in engine.model.vocab.strings


def test_text_in_bytes(tmp_path: Path) -> None:
    engine = engine_of(spacy.blank("en"), tmp_path)

    answer = engine.predict(column("é".encode(), b"\xff"))["tokens"]

    assert [json.loads(tokens)[0]["text"] for tokens in answer] == ["é", "�"]


def test_a_text_that_is_too_long(tmp_path: Path) -> None:
    engine = engine_of(spacy.blank("en"), tmp_path)
    engine.model.max_length = 10

    with pytest.raises(InvalidInput, match="has 11 characters, and the pipeline takes 10"):
        engine.predict(column("x" * 11))


def test_a_component_that_nobody_registered(tmp_path: Path) -> None:
    spacy.Language.component("negations", func=lambda doc: doc)
    nlp = spacy.blank("en")
    nlp.add_pipe("negations")
    nlp.to_disk(tmp_path / "m")
    assert load(tmp_path / "m", EngineOptions()).model.pipe_names == ["negations"]
    config = tmp_path / "m" / "config.cfg"
    config.write_text(config.read_text().replace('factory = "negations"', 'factory = "absent"'))

    with pytest.raises(
        LoadError, match=r"^spaCy 3\S* cannot load m: \[E002\] Can't find factory for 'absent'"
    ) as caught:
        load(tmp_path / "m", EngineOptions())
    assert "registers 'absent' in a handler" in str(caught.value.hint)
