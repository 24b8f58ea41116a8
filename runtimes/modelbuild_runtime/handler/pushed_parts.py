"""Parts of an answer that a handler pushes while it runs, for a server that pulls them one by one.

The handler runs in a thread of its own, to its end and whatever the speed of the client, as in TorchServe. ``alone`` is
held all the while: no other call of the handler begins before.
"""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import Any, Callable, Generator, Generic, NamedTuple, Optional, TypeVar

Whole = TypeVar("Whole")
Run = Callable[[Callable[[Any], None]], Whole]
"""The handler: it is given what takes a part, and returns what is left of the answer."""


class _Event(NamedTuple):
    """A part, or the end: what the handler returned, or raised."""

    part: Any = None
    whole: Any = None
    error: Optional[BaseException] = None
    is_last: bool = False


class Pushed(Generic[Whole]):
    """One run of a handler."""

    def __init__(self, run: Run[Whole], alone: threading.Lock) -> None:
        self._run = run
        self._alone = alone
        self._events: SimpleQueue[_Event] = SimpleQueue()
        self._gone = False
        alone.acquire()
        threading.Thread(target=self._work, name="handler", daemon=True).start()

    def parts(self) -> Generator[Any, None, Whole]:
        """The parts as they come; the generator's value is what the handler returned. Whoever closes it makes the
        handler's next part fail.

        Raises:
            BaseException: what the handler raised.
        """
        try:
            while True:
                event = self._events.get()
                if event.error is not None:
                    raise event.error
                if event.is_last:
                    whole: Whole = event.whole
                    return whole
                yield event.part
        finally:
            self._gone = True

    def _work(self) -> None:
        try:
            event = _Event(whole=self._run(self._take), is_last=True)
        except BaseException as error:  # noqa: BLE001  # it is raised where the parts are pulled
            event = _Event(error=error, is_last=True)
        finally:
            self._alone.release()
        self._events.put(event)

    def _take(self, part: Any) -> None:
        if self._gone:
            raise ConnectionAbortedError("nobody waits for the rest of this answer any more")
        self._events.put(_Event(part))
