"""What may stand where a text is masked."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Mapping

import numpy as np

from modelbuild_runtime.engines import EngineOptions
from modelbuild_runtime.engines.transformers.loading import open_model, open_processor
from modelbuild_runtime.engines.transformers.texts import Texts, Tokens, strings
from modelbuild_runtime.errors import InvalidInput, LoadError
from modelbuild_runtime.signature import Signature, TensorSpec

BEST = 5


class MaskFiller:
    """The five likeliest tokens for the one mask of a text, and the text with each of them."""

    def __init__(self, path: Path, options: EngineOptions) -> None:
        self.model = open_model(path, "AutoModelForMaskedLM", options.options)
        self._texts = Texts(open_processor(path, "AutoTokenizer", options.options), self.model, options.options)
        self._mask = self._texts.tokenizer.mask_token_id
        if self._mask is None:
            raise LoadError(f"the tokenizer of {path.name} has no mask", "Save the folder with the model's tokenizer.")
        self._best = min(BEST, self.model.config.vocab_size)
        self.example = {"text": f"1 {self._texts.tokenizer.mask_token}"}

    def signature(self) -> Signature:
        return Signature(
            (TensorSpec("text", "BYTES", (-1,)),),
            tuple(
                TensorSpec(name, datatype, (-1, self._best))
                for name, datatype in (("token", "BYTES"), ("score", "FP32"), ("sequence", "BYTES"))
            ),
        )

    def predict(self, inputs: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
        import torch

        rows = self._texts.read(strings(inputs["text"], "text"))
        places = [self._place(row) for row in rows]
        scores = np.empty((len(rows), self._best), np.float32)
        tokens, sequences = np.empty(scores.shape, object), np.empty(scores.shape, object)
        with torch.inference_mode():
            for run in self._texts.runs(rows):
                logits = self.model(**self._texts.batch([rows[at] for at in run])).logits
                masked = logits[range(len(run)), [places[at] for at in run]]
                values, numbers = masked.softmax(-1).topk(self._best)
                for at, value, number in zip(run, values.numpy(), numbers.tolist()):
                    scores[at] = value
                    tokens[at] = [self._texts.tokenizer.decode([item]) for item in number]
                    sequences[at] = [self._filled(rows[at], places[at], item) for item in number]
        return {"token": tokens, "score": scores, "sequence": sequences}

    def _place(self, row: Tokens) -> int:
        count = row.ids.count(self._mask)
        if count != 1:
            mask = self._texts.tokenizer.mask_token
            raise InvalidInput(f"it holds {mask} {count} times, and must hold it once", field="text")
        return row.ids.index(self._mask)

    def _filled(self, row: Tokens, place: int, token: int) -> Any:
        ids: List[int] = [*row.ids[:place], token, *row.ids[place + 1 :]]
        return self._texts.tokenizer.decode(ids, skip_special_tokens=True)
