"""Names in a text: adjacent tokens of one kind together, as Transformers' pipeline has them with "simple"."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence, Tuple

import numpy as np

from modelbuild_runtime.engines import EngineOptions
from modelbuild_runtime.engines.transformers.classification import run_model
from modelbuild_runtime.engines.transformers.loading import open_model, open_processor
from modelbuild_runtime.engines.transformers.texts import Texts, Tokens, strings
from modelbuild_runtime.errors import LoadError
from modelbuild_runtime.signature import Signature, TensorSpec

OUTSIDE = "O"
ENTITY = {
    "type": "object",
    "properties": {
        "entity_group": {"type": "string"},
        "score": {"type": "number"},
        "word": {"type": "string"},
        "start": {"type": "integer", "description": "Its first character in the text."},
        "end": {"type": "integer", "description": "The character behind its last."},
    },
    "required": ["entity_group", "score", "word", "start", "end"],
}


class TokenClassifier:
    """Entities with the characters that they stand for: so many a text as there are."""

    def __init__(self, path: Path, options: EngineOptions) -> None:
        self.answers = {"entities": {"type": "array", "items": ENTITY}}
        self.model = open_model(path, "AutoModelForTokenClassification", options.options)
        self._texts = Texts(open_processor(path, "AutoTokenizer", options.options), self.model, options.options)
        require_places(self._texts, path)
        names = self.model.config.id2label
        self._labels = [str(names[number]) for number in range(self.model.config.num_labels)]

    def signature(self) -> Signature:
        return Signature((TensorSpec("text", "BYTES", (-1,)),), (TensorSpec("entities", "BYTES", (-1,)),))

    def predict(self, inputs: Mapping[str, np.ndarray]) -> List[Any]:
        rows = self._texts.read(strings(inputs["text"], "text"), places=True)
        found: List[Any] = [None] * len(rows)
        for run in self._texts.runs(rows):
            logits = run_model(self.model, self._texts.batch([rows[at] for at in run]))
            for at, values in zip(run, logits):
                found[at] = {"entities": self._entities(rows[at], values[: len(rows[at].ids)])}
        return found

    def _entities(self, row: Tokens, logits: np.ndarray) -> List[Dict[str, Any]]:
        """``logits`` are FP32 [tokens, labels]."""
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        scores = powers / powers.sum(axis=1, keepdims=True)
        best = scores.argmax(axis=1).tolist()
        groups: List[List[int]] = []
        last = ""
        for at, number in enumerate(best):
            if row.special[at]:
                continue
            begins, kind = _split(self._labels[number])
            if groups and kind == last and not begins:
                groups[-1].append(at)
            else:
                groups.append([at])
            last = kind
        named = [(_split(self._labels[best[group[0]]])[1], group) for group in groups]
        return [self._entity(kind, group, row, scores, best) for kind, group in named if kind != OUTSIDE]

    def _entity(
        self, kind: str, group: Sequence[int], row: Tokens, scores: np.ndarray, best: Sequence[int]
    ) -> Dict[str, Any]:
        tokenizer = self._texts.tokenizer
        words = tokenizer.convert_ids_to_tokens([row.ids[at] for at in group])
        return {
            "entity_group": kind,
            "score": float(np.mean([scores[at, best[at]] for at in group])),
            "word": tokenizer.convert_tokens_to_string(words),
            "start": row.places[group[0]][0],
            "end": row.places[group[-1]][1],
        }


def _split(label: str) -> Tuple[bool, str]:
    """Whether a label begins an entity, and of what kind it is."""
    if label[:2] in {"B-", "I-"}:
        return label[0] == "B", label[2:]
    return False, label


def require_places(texts: Texts, path: Path) -> None:
    """A tokenizer that knows where its tokens stand.

    Raises:
        LoadError: it is one of those written in Python, which do not.
    """
    if texts.backend is None:
        raise LoadError(
            f"the tokenizer of {path.name} does not tell where in the text its tokens stand",
            "Save the folder with a fast tokenizer (tokenizer.json).",
        )
