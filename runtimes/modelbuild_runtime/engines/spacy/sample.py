"""A pipeline of rules, and of a classifier that has learnt nothing: what it answers can be seen from its text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, List, Sequence

from modelbuild_runtime.engines import Sample

TEXTS = ("Lyon is near. Paris is not.", "Nothing here!", "From Paris.")
CITIES = ("Lyon", "Paris")


def make(folder: Path) -> Sample:
    """Write the folder ``model``."""
    import spacy

    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    small = {"@architectures": "spacy.TextCatBOW.v3", "exclusive_classes": True, "length": 64, "ngram_size": 1}
    classifier = nlp.add_pipe("textcat", config={"model": {**small, "no_output_layer": False}})
    for label in ("far", "near"):
        classifier.add_label(label)
    nlp.initialize()
    rules = nlp.add_pipe("entity_ruler")
    rules.add_patterns([{"label": "CITY", "pattern": city} for city in CITIES])
    path = folder / "model"
    nlp.to_disk(path)
    return Sample(path, [{"text": text} for text in TEXTS], [_answer(text) for text in TEXTS])


def answers(path: Path, rows: Sequence[Dict[str, Any]]) -> List[Any]:
    """What spaCy itself answers."""
    import spacy

    nlp, found = spacy.load(path), []
    for row in rows:
        doc = nlp(row["text"])
        chances = [doc.cats[label] for label in ("far", "near")] if doc.cats else [0.0, 0.0]
        cities = [{**_span(span), "label": span.label_} for span in doc.ents]
        told = {"ents": _json(cities), "sents": _json([_span(span) for span in doc.sents])}
        label = max(doc.cats, key=doc.cats.__getitem__) if len(doc) else ""  # of nothing it says nothing
        found.append({"label": label, "probabilities": chances, **told})
    return found


def _span(span: Any) -> Dict[str, object]:
    return {"text": span.text, "start": span.start_char, "end": span.end_char}


def _answer(text: str) -> object:
    sentences = [f"{part}." for part in text.split(". ")]
    sentences[-1] = sentences[-1][:-1]
    return {
        "label": "far",
        "probabilities": [0.5, 0.5],
        "ents": _json([{**_place(text, city), "label": "CITY"} for city in CITIES if city in text]),
        "sents": _json([_place(text, sentence) for sentence in sentences]),
    }


def _place(text: str, part: str) -> dict[str, object]:
    return {"text": part, "start": text.index(part), "end": text.index(part) + len(part)}


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
