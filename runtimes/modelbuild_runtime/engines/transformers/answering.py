"""Answers that stand in a text: the likeliest span of the context, looked for in windows where it is long."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Sequence, Tuple

import numpy as np

from modelbuild_runtime.engines import EngineOptions
from modelbuild_runtime.engines.transformers.entities import require_places
from modelbuild_runtime.engines.transformers.loading import open_model, open_processor
from modelbuild_runtime.engines.transformers.texts import Texts, Tokens, strings
from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.signature import Signature, TensorSpec

WINDOW = 384
"""Tokens of question and context together, as Transformers' own pipeline had it; so are the next two."""
OVERLAP = 128
LONGEST_ANSWER = 15
IMPOSSIBLE = -10_000.0


class Span(NamedTuple):
    """An answer: how likely it is, and where in the context it stands."""

    score: float
    start: int
    end: int


class QuestionAnswerer:
    """The answer, how likely it is among all spans of its window, and its characters in the context."""

    def __init__(self, path: Path, options: EngineOptions) -> None:
        self.model = open_model(path, "AutoModelForQuestionAnswering", options.options)
        self._texts = Texts(open_processor(path, "AutoTokenizer", options.options), self.model, options.options)
        require_places(self._texts, path)
        window = min(WINDOW, self._texts.limit)
        self._texts.backend.enable_truncation(window, stride=min(OVERLAP, window // 2), strategy="only_second")

    def signature(self) -> Signature:
        return Signature(
            (TensorSpec("question", "BYTES", (-1,)), TensorSpec("context", "BYTES", (-1,))),
            (
                TensorSpec("answer", "BYTES", (-1,)),
                TensorSpec("score", "FP32", (-1,)),
                TensorSpec("start", "INT64", (-1,)),
                TensorSpec("end", "INT64", (-1,)),
            ),
        )

    def predict(self, inputs: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
        questions, contexts = strings(inputs["question"], "question"), strings(inputs["context"], "context")
        windows = self._windows(questions, contexts)
        spans = self._spans([window for _, window in windows])
        best = [Span(-1.0, 0, 0)] * len(contexts)
        for (at, _), span in zip(windows, spans):
            best[at] = max(best[at], span, key=lambda one: one.score)
        answers = np.empty(len(contexts), object)
        answers[:] = [context[span.start : span.end] for context, span in zip(contexts, best)]
        return {
            "answer": answers,
            "score": np.array([span.score for span in best], np.float32),
            "start": np.array([span.start for span in best], np.int64),
            "end": np.array([span.end for span in best], np.int64),
        }

    def _windows(self, questions: Sequence[str], contexts: Sequence[str]) -> List[Tuple[int, Any]]:
        """Encodings, each with the number of its row."""
        found: List[Tuple[int, Any]] = []
        for at, pair in enumerate(zip(questions, contexts)):
            for name, text in zip(("question", "context"), pair):
                if not text.strip():
                    raise InvalidInput("it is empty", field=name)
            try:
                first = self._texts.backend.encode(*pair)
            except Exception as error:  # the library has no class of its own for it
                raise InvalidInput("it leaves no room for the context", field="question") from error
            found += [(at, window) for window in (first, *first.overflowing)]
        return found

    def _spans(self, windows: Sequence[Any]) -> List[Span]:
        import torch

        rows = [Tokens(window.ids, window.type_ids) for window in windows]
        found = [Span(-1.0, 0, 0)] * len(rows)
        with torch.inference_mode():
            for run in self._texts.runs(rows):
                output = self.model(**self._texts.batch([rows[at] for at in run]))
                for at, start, end in zip(run, output.start_logits.numpy(), output.end_logits.numpy()):
                    found[at] = best_span(windows[at], start, end)
        return found


def best_span(window: Any, start: np.ndarray, end: np.ndarray) -> Span:
    """The likeliest span of whole words in one window; logits are FP32 [tokens]."""
    size = len(window.ids)
    outside = np.array([part != 1 for part in window.sequence_ids])
    begins, ends = (_softmax(np.where(outside, IMPOSSIBLE, logits[:size])) for logits in (start, end))
    scores = np.tril(np.triu(np.outer(begins, ends)), LONGEST_ANSWER - 1)
    scores[outside] = 0
    scores[:, outside] = 0
    first, last = np.unravel_index(int(scores.argmax()), scores.shape)
    places = [window.word_to_chars(window.token_to_word(int(token)), 1) for token in (first, last)]
    return Span(float(scores[first, last]), places[0][0], places[1][1])


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max())
    result: np.ndarray = powers / powers.sum()
    return result
