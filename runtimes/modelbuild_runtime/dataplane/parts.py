"""Answers in parts. The first part is made with the prediction, each further one by a run of its own, in turn with
other requests: the model is never called by two threads at once, and nobody waits for longer than a part takes.
"""

from __future__ import annotations

from itertools import chain
from typing import Any, Callable, Iterable, Iterator, List, Optional

from modelbuild_runtime.errors import ServerError
from modelbuild_runtime.request import Parts, Response

Failure = Callable[[BaseException], ServerError]


class Step:
    """What a job has for inputs that makes one more part, and not a prediction. ``parts`` are the protocol's bytes."""

    __slots__ = ("_parts", "_stopped")

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts = parts
        self._stopped = False

    def stop(self) -> None:
        """Nobody wants the rest: the next run ends what makes the parts, so that its ``finally`` is reached."""
        self._stopped = True

    def make(self) -> Optional[bytes]:
        """The next part that is not empty; None after the last."""
        if self._stopped:
            close = getattr(self._parts, "close", None)
            if close is not None:
                close()
            return None
        return next(filter(None, self._parts), None)


def started(found: Parts, failure: Failure) -> Response:
    """The response of which the first part is made. What fails before it is an error like any other."""
    parts = _guarded(found.items, failure)
    first: List[Any] = [item for _, item in zip(range(1), parts)]
    rest = chain(first, parts)
    return Response(1, parts=rest, content_type=found.content_type, status=found.status, headers=found.headers)


def whole(parts: Iterable[Any]) -> Any:
    """All parts as one answer: text joined, and bytes too, which are text where they can be; else a list."""
    made = list(parts)
    if made and all(isinstance(part, str) for part in made):
        return "".join(made)
    if made and all(isinstance(part, bytes) for part in made):
        joined = b"".join(made)
        try:
            return joined.decode()
        except UnicodeDecodeError:
            return joined
    return made


def _guarded(items: Iterable[Any], failure: Failure) -> Iterator[Any]:
    """The items; what the handler raises meanwhile is an error that clients may be told."""
    try:
        yield from items
    except (ServerError, GeneratorExit):
        raise
    except BaseException as error:
        raise failure(error) from error
