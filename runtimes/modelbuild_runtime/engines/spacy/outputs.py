"""What the components of a pipeline wrote on a document, as arrays: scores as numbers, the rest as JSON text, since no
two documents have as many of anything.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Sequence, Tuple

import msgspec
import numpy as np

from modelbuild_runtime.signature import TensorSpec

CATEGORIES = {"textcat", "textcat_multilabel"}
ENTITIES = {"ner", "beam_ner", "entity_ruler", "future_entity_ruler", "entity_linker"}
SPANS = {"spancat", "spancat_singlelabel", "span_ruler", "span_finder"}
SENTENCES = {"parser", "beam_parser", "senter", "sentencizer"}
TOKENS: Mapping[str, Tuple[str, ...]] = {
    "tagger": ("tag",),
    "morphologizer": ("pos", "morph"),
    "attribute_ruler": ("pos",),
    "lemmatizer": ("lemma",),
    "trainable_lemmatizer": ("lemma",),
    "parser": ("dep", "head"),
    "beam_parser": ("dep", "head"),
}
"""What each factory's component writes; of tokens, which fields."""

_FIELDS: Mapping[str, Callable[[Any], Any]] = {
    "tag": lambda token: token.tag_,
    "pos": lambda token: token.pos_,
    "morph": lambda token: str(token.morph),
    "lemma": lambda token: token.lemma_,
    "dep": lambda token: token.dep_,
    "head": lambda token: token.head.i,
}

Parts = Callable[[Any], Any]


class Outputs(NamedTuple):
    """``labels`` are those of the classifiers; ``best`` where just one of them holds. ``texts`` are made of a document,
    by output.
    """

    labels: Tuple[str, ...]
    best: bool
    texts: Tuple[Tuple[str, Parts], ...]

    def specs(self) -> Tuple[TensorSpec, ...]:
        """The outputs, in the order of ``arrays``."""
        found: List[TensorSpec] = []
        if self.best:
            found.append(TensorSpec("label", "BYTES", (-1,), labels=self.labels))
        if self.labels:
            found.append(TensorSpec("probabilities", "FP32", (-1, len(self.labels)), labels=self.labels))
        return (*found, *(TensorSpec(name, "BYTES", (-1,)) for name, _ in self.texts))

    def arrays(self, docs: Sequence[Any]) -> Dict[str, np.ndarray]:
        """One entry a document. One without tokens has no label: with others, a model would give it one."""
        made: Dict[str, np.ndarray] = {}
        if self.labels:
            scores = [[doc.cats.get(label, 0.0) if len(doc) else 0.0 for label in self.labels] for doc in docs]
            if self.best:
                best = [row.index(max(row)) for row in scores]
                made["label"] = _column([self.labels[i] if len(doc) else "" for i, doc in zip(best, docs)])
            made["probabilities"] = np.array(scores, np.float32).reshape(len(docs), len(self.labels))
        for name, parts in self.texts:
            made[name] = _column([msgspec.json.encode(parts(doc)).decode() for doc in docs])
        return made


def outputs_of(factories: Mapping[str, str], labels: Mapping[str, Sequence[str]]) -> Outputs:
    """What a pipeline's components give: their factories and labels by name."""
    kinds = set(factories.values())
    classifiers = [name for name, factory in factories.items() if factory in CATEGORIES]
    classes = tuple(dict.fromkeys(label for name in classifiers for label in labels.get(name, ())))
    fields = tuple(dict.fromkeys(field for factory in factories.values() for field in TOKENS.get(factory, ())))
    told: List[Tuple[str, Parts]] = []
    for name, kind, parts in (("ents", ENTITIES, entities), ("spans", SPANS, spans), ("sents", SENTENCES, sentences)):
        told += [(name, parts)] if kinds & kind else []
    if fields or not (classes or told):
        told.append(("tokens", lambda doc: tokens(doc, fields)))
    exclusive = bool(classes) and [factories[name] for name in classifiers] == ["textcat"]
    return Outputs(classes, exclusive, tuple(told))


def entities(doc: Any) -> List[Dict[str, Any]]:
    """Places are characters of the text. Identifiers of a rule and of a knowledge base only where there are some."""
    return [_span(span, label=span.label_, id=span.ent_id_, kb_id=span.kb_id_) for span in doc.ents]


def spans(doc: Any) -> Dict[str, List[Dict[str, Any]]]:
    """Groups of spans by their names; with scores where the component gives them."""
    found = {}
    for name, group in doc.spans.items():
        scores = group.attrs.get("scores")
        found[str(name)] = [
            _span(span, label=span.label_, id=span.id_)
            if scores is None
            else {**_span(span, label=span.label_), "score": float(scores[place])}
            for place, span in enumerate(group)
        ]
    return found


def sentences(doc: Any) -> List[Dict[str, Any]]:
    """Sentences with their places."""
    return [_span(span) for span in doc.sents] if len(doc) else []


def tokens(doc: Any, fields: Sequence[str]) -> List[Dict[str, Any]]:
    """Tokens with what the components say of them; ``head`` is the place of a token in this list."""
    return [
        {
            "text": token.text,
            "start": token.idx,
            "end": token.idx + len(token.text),
            **{field: _FIELDS[field](token) for field in fields},
        }
        for token in doc
    ]


def _span(span: Any, **more: str) -> Dict[str, Any]:
    place = {"text": span.text, "start": span.start_char, "end": span.end_char}
    return {**place, **{name: value for name, value in more.items() if value or name == "label"}}


def _column(values: List[str]) -> np.ndarray:
    array = np.empty(len(values), object)
    array[:] = values
    return array
