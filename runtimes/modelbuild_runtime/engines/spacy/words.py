"""Which words of clients spaCy keeps. Outside a memory zone it keeps all for ever; in one it forgets them at its end.
A known word is read in half the time of a new one.

So the first words stay, as many as cost some megabytes whatever they are. When there are so many, later ones are read
in zones, each of several predictions.
"""

from __future__ import annotations

from typing import Any

STRINGS = 30_000
"""That stay at most. A word has up to six: itself, its shape, the ends of it ..."""

CHARACTERS = 2_000_000
"""Of texts that brought words that stay, at most: words may be long."""

ZONE = 50_000
"""Characters after which the words of a zone are forgotten."""


class Words:
    """``lasting`` is whether a zone may last longer than one prediction: not where a handler may keep documents, which
    end with their zone. spaCy before 3.8 has no zones: everything stays.
    """

    def __init__(self, nlp: Any, lasting: bool) -> None:
        self._nlp, self._strings = nlp, nlp.vocab.strings
        self._zone: Any = None
        self._forgets = False
        self._most = len(self._strings) + STRINGS if hasattr(nlp, "memory_zone") else None
        self._known = len(self._strings)
        self._read, self._room = 0, ZONE if lasting else 0

    def begin(self) -> None:
        """Before documents are made."""
        if self._forgets and self._zone is None:
            self._zone = self._nlp.memory_zone()
            self._zone.__enter__()
            self._read = 0

    def end(self, characters: int) -> None:
        """When documents of so many characters are not needed any more."""
        if self._zone is not None:
            self._read += characters
            if self._read > self._room:
                zone, self._zone = self._zone, None
                zone.__exit__(None, None, None)
        elif self._most is not None and len(self._strings) != self._known:
            self._known = len(self._strings)
            self._read += characters
            self._forgets = self._known > self._most or self._read > CHARACTERS
