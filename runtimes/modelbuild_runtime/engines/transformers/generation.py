"""Text that is written: further text, or another text, token by token."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from modelbuild_runtime.engines import EngineOptions
from modelbuild_runtime.engines.transformers import chat
from modelbuild_runtime.engines.transformers.loading import open_model, open_processor
from modelbuild_runtime.engines.transformers.sampling import PARAMETERS, Sampling, sampling_of
from modelbuild_runtime.engines.transformers.texts import Texts, Tokens, strings
from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.signature import Signature, TensorSpec

Parameters = Optional[Mapping[str, Any]]
UNFINISHED = "\ufffd"
"""What a decoder makes of the first bytes of a character."""


class _Writer:
    """What both kinds share: text in, text out."""

    kind = ""

    def __init__(self, path: Path, options: EngineOptions, *, cuts: bool = False) -> None:
        told = options.options
        self.model = open_model(path, self.kind, told)
        tokenizer = open_processor(path, "AutoTokenizer", told)
        self._texts = Texts(tokenizer, self.model, told, leaves_cutting=cuts)
        told = self.model.generation_config
        if told.pad_token_id is None:
            told.pad_token_id = self._texts.tokenizer.pad_token_id or 0  # generate() would say so each time
        ends = told.eos_token_id
        self.parameters = PARAMETERS
        self._ends = frozenset(ends if isinstance(ends, list) else [] if ends is None else [ends])

    def signature(self) -> Signature:
        return Signature((TensorSpec("text", "BYTES", (-1,)),), (TensorSpec("generated_text", "BYTES", (-1,)),))

    def _decode(self, ids: Sequence[int]) -> str:
        text: str = self._texts.tokenizer.decode(ids, skip_special_tokens=True)
        return text


class Generator(_Writer):
    """Goes on with a text. Rows that are asked together are written together, as far as the longest goes."""

    kind = "AutoModelForCausalLM"

    def __init__(self, path: Path, options: EngineOptions) -> None:
        self._cuts = options.options.get("too_long") == "cut"
        super().__init__(path, options, cuts=self._cuts)
        if self._texts.tokenizer.chat_template:
            self.record = chat.RECORD
            self.convert = chat.records

    def predict(self, inputs: Mapping[str, np.ndarray], parameters: Parameters = None) -> Dict[str, np.ndarray]:
        rows, sampling = self._asked_for(inputs, parameters)
        written = np.empty(len(rows), object)
        for run in self._runs(rows):
            batch = self._texts.batch([rows[at] for at in run], left=True)
            found = sampling.generate(self.model, _asked(batch))
            written[run] = [self._decode(ids) for ids in found[:, batch["input_ids"].shape[1] :].tolist()]
        return {"generated_text": written}

    def stream(self, inputs: Mapping[str, np.ndarray], parameters: Parameters = None) -> Iterator[str]:
        """The same text, in parts of whole characters: a part is one token, so that others get their turn between."""
        rows, sampling = self._asked_for(inputs, parameters)
        return self._parts(rows[0], sampling)

    def _parts(self, row: Tokens, sampling: Sampling) -> Iterator[str]:
        batch = _asked(self._texts.batch([row]))
        told = self.model.generation_config
        if told.num_beams not in {None, 1} or told.min_new_tokens:
            # Beams are chosen at the end, and some rules count from the beginning of a call.
            yield self._decode(sampling.generate(self.model, batch)[0, len(row.ids) :].tolist())
            return
        ids: List[int] = []
        said = ""
        for token in sampling.tokens(self.model, batch):
            ids.append(token)
            if token in self._ends:
                break
            text = self._decode(ids)
            if not text.endswith(UNFINISHED):
                if len(text) > len(said):
                    yield text[len(said) :]
                said = text
        rest = self._decode(ids)[len(said) :]
        if rest:
            yield rest

    def _runs(self, rows: Sequence[Tokens]) -> Iterator[List[int]]:
        """Rows of one length need no padding, which not all models can tell from text to the last digit."""
        by_length: Dict[int, List[int]] = {}
        for at, row in enumerate(rows):
            by_length.setdefault(len(row.ids), []).append(at)
        yield from by_length.values()

    def _asked_for(self, inputs: Mapping[str, np.ndarray], parameters: Parameters) -> Tuple[List[Tokens], Sampling]:
        """The tokens of each row, and how they are gone on with. Of a text that is cut the end is kept, with room for
        what is to be written.
        """
        rows = self._read(inputs)
        sampling = sampling_of(parameters or {}, self.model.generation_config)
        if self._cuts and sampling.max_new_tokens < self._texts.limit:
            rows = [self._texts.end_of(row, self._texts.limit - sampling.max_new_tokens) for row in rows]
        return rows, self._within(rows, sampling)

    def _read(self, inputs: Mapping[str, np.ndarray]) -> List[Tokens]:
        """Texts, and messages where a row has such."""
        dialogues = inputs[chat.MESSAGES].tolist() if chat.MESSAGES in inputs else []
        if not any(dialogues):
            return self._texts.read(strings(inputs[chat.TEXT], chat.TEXT))
        rows: List[Tokens] = []
        for at, dialogue in enumerate(dialogues):
            if dialogue is None:
                rows += self._texts.read(strings(inputs[chat.TEXT][at : at + 1], chat.TEXT))
            else:
                text = chat.prompt(self._texts.tokenizer, dialogue)
                rows += self._texts.read([text], chat.MESSAGES, special=False)
        return rows

    def _within(self, rows: Sequence[Tokens], found: Sampling) -> Sampling:
        longest = max(len(row.ids) for row in rows)
        room = self._texts.limit - longest
        if room < 1 or (found.asked and room < found.max_new_tokens):
            raise InvalidInput(
                f"it has {longest} tokens, and the model takes {self._texts.limit} with those it writes "
                f"({found.max_new_tokens})",
                field=chat.TEXT,
            )
        return found._replace(max_new_tokens=min(room, found.max_new_tokens))


class Translator(_Writer):
    """Writes another text: a translation, a summary."""

    kind = "AutoModelForSeq2SeqLM"

    def predict(self, inputs: Mapping[str, np.ndarray], parameters: Parameters = None) -> Dict[str, np.ndarray]:
        rows = self._texts.read(strings(inputs["text"], "text"))
        sampling = sampling_of(parameters or {}, self.model.generation_config)
        written = np.empty(len(rows), object)
        for run in self._texts.runs(rows):
            found = sampling.generate(self.model, _asked(self._texts.batch([rows[at] for at in run])))
            written[run] = [self._decode(ids) for ids in found.tolist()]
        return {"generated_text": written}


def _asked(batch: Mapping[str, Any]) -> Dict[str, Any]:
    """Without types, which no model that writes takes."""
    return {name: batch[name] for name in ("input_ids", "attention_mask")}
