"""Texts to tokens to batches of tensors."""

from __future__ import annotations

from typing import Any, Iterator, List, Mapping, NamedTuple, Sequence, Tuple

import numpy as np

from modelbuild_runtime.errors import InvalidInput

UNLIMITED = 1 << 30
"""What tokenizers say that know no limit is larger."""
ANOTHER_RUN = 64
"""Tokens of padding that cost about as much as one more run of the model."""
LARGEST_RUN = 1 << 14
"""Tokens, padding included, that are run at once: what they need of memory grows with them."""


class Tokens(NamedTuple):
    """One row. ``places`` are the characters that each token stands for, where they were asked for; ``special`` is 1
    for tokens that stand for none.
    """

    ids: List[int]
    types: List[int]
    places: Sequence[Tuple[int, int]] = ()
    special: Sequence[int] = ()


class Texts:
    """A tokenizer, and what its model takes of it."""

    def __init__(self, tokenizer: Any, model: Any, options: Mapping[str, Any], *, leaves_cutting: bool = False) -> None:
        """``options`` may hold ``max_length``, and what to do with what is ``too_long``: "cut" it, or refuse it. Who
        ``leaves_cutting`` gets all tokens, and cuts them.
        """
        self.tokenizer = tokenizer
        self._limit = min(int(options.get("max_length") or UNLIMITED), limit_of(tokenizer, model))
        self._cuts = cuts = options.get("too_long") == "cut" and not leaves_cutting
        self._most = UNLIMITED if leaves_cutting else self._limit
        self._backend = getattr(tokenizer, "backend_tokenizer", None)
        if self._backend is not None:
            self._backend.no_padding()
            self._backend.no_truncation()
            if cuts and self._limit < UNLIMITED:
                self._backend.enable_truncation(self._limit)
        names = set(tokenizer.model_input_names)
        self._types = "token_type_ids" in names
        pad = tokenizer.pad_token_id
        pad = getattr(model.config, "pad_token_id", None) if pad is None else pad
        self.pads = pad is not None
        self._pad = pad or 0
        self.special = frozenset(tokenizer.all_special_ids)

    @property
    def limit(self) -> int:
        """How many tokens the model takes; ``UNLIMITED`` where nobody knows."""
        return self._limit

    @property
    def backend(self) -> Any:
        """The tokenizer as the library beneath has it, which knows where tokens stand; None for one in Python."""
        return self._backend

    def read(
        self, texts: Sequence[Any], field: str = "text", *, places: bool = False, special: bool = True
    ) -> List[Tokens]:
        """Tokens of texts, or of pairs of them, with the ``special`` ones that the model wants around them.

        Raises:
            InvalidInput: a text is too long for the model.
        """
        if self._backend is None:
            rows = [self._slowly(text, special=special) for text in texts]
        elif places:
            found = self._backend.encode_batch(texts)
            rows = [Tokens(row.ids, row.type_ids, row.offsets, row.special_tokens_mask) for row in found]
        else:
            rows = [
                Tokens(row.ids, row.type_ids)
                for row in self._backend.encode_batch_fast(texts, add_special_tokens=special)
            ]
        for row in rows:
            if len(row.ids) > self._most:
                raise InvalidInput(f"it has {len(row.ids)} tokens, and the model takes {self._limit}", field=field)
            if not row.ids:
                raise InvalidInput("it is empty", field=field)
        return rows

    def _slowly(self, text: Any, *, special: bool) -> Tokens:
        """By a tokenizer that is written in Python."""
        pair = text if isinstance(text, tuple) else (text,)
        cut = {"truncation": True, "max_length": self._limit} if self._cuts and self._limit < UNLIMITED else {}
        found = self.tokenizer(*pair, add_special_tokens=special, **cut)
        ids = list(found["input_ids"])
        return Tokens(ids, list(found.get("token_type_ids") or [0] * len(ids)))

    def end_of(self, row: Tokens, size: int) -> Tokens:
        """The last so many tokens, after the special one that a text begins with."""
        if len(row.ids) <= size:
            return row
        lead = 1 if row.ids[0] in self.special and size > 1 else 0
        start = len(row.ids) - size + lead
        return Tokens(row.ids[:lead] + row.ids[start:], row.types[:lead] + row.types[start:])

    def batch(self, rows: Sequence[Tokens], *, left: bool = False) -> Mapping[str, Any]:
        """What the model takes: ids, mask and types as INT64 [rows, longest]."""
        import torch

        width = max(len(row.ids) for row in rows)
        ids = np.full((len(rows), width), self._pad, np.int64)
        mask, types = np.zeros_like(ids), np.zeros_like(ids)
        for at, row in enumerate(rows):
            size = len(row.ids)
            where = slice(width - size, width) if left else slice(0, size)
            ids[at, where], mask[at, where], types[at, where] = row.ids, 1, row.types
        found = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
        return {**found, "token_type_ids": torch.from_numpy(types)} if self._types else found

    def runs(self, rows: Sequence[Tokens]) -> Iterator[List[int]]:
        """The rows in groups of about equal length, by their numbers: padding is computed like text."""
        order = sorted(range(len(rows)), key=lambda at: -len(rows[at].ids))
        group: List[int] = []
        for place, at in enumerate(order):
            size = len(rows[at].ids)
            width = len(rows[group[0]].ids) if group else size
            spared = (width - size) * (len(order) - place)
            if group and (spared > ANOTHER_RUN or (len(group) + 1) * width > LARGEST_RUN or not self.pads):
                yield group
                group = []
            group.append(at)
        if group:
            yield group


def limit_of(tokenizer: Any, model: Any) -> int:
    """How many tokens a row may have: what the tokenizer says, and the positions that the model knows."""
    config = model.config
    stated = tokenizer.model_max_length or UNLIMITED
    positions = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None) or UNLIMITED
    embeddings = getattr(getattr(model, "base_model", None), "embeddings", None)
    # Where positions are counted from behind the padding's, that many are lost.
    padding = getattr(getattr(embeddings, "position_embeddings", None), "padding_idx", None)
    return int(min(stated, positions - (padding + 1 if padding is not None else 0), UNLIMITED))


def strings(column: np.ndarray, field: str) -> List[str]:
    """A column as text.

    Raises:
        InvalidInput: a value is missing, or bytes that are no UTF-8.
    """
    found = []
    for value in column.ravel().tolist():
        if isinstance(value, bytes):
            try:
                found.append(value.decode())
                continue
            except UnicodeDecodeError as error:
                raise InvalidInput("it is no text in UTF-8", field=field) from error
        if not isinstance(value, str):
            raise InvalidInput("a text is missing", field=field)
        found.append(value)
    return found
