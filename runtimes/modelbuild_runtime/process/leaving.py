"""Being told to end before there is anything to finish: while a model is loaded and tried."""

from __future__ import annotations

import signal

STOP = (signal.SIGTERM, signal.SIGINT)


class Leaving:
    """Whether the process was told to end: a model or a handler that catches everything may have caught that, too."""

    told = False

    def watch(self) -> None:
        """Leave when told to. Process 1 of a container has no default action."""
        for number in STOP:
            signal.signal(number, self.leave)

    def leave(self, *_: object) -> None:
        """A signal's handler."""
        self.told = True
        raise SystemExit(0)
