"""Where workers listen: for each slot of the supervisor a socket for every address, which outlives the worker in it.

The kernel deals new connections out among the sockets of one address. Were they the workers' own, whoever waits in the
queue of a worker that dies would be cut off, and while all are replaced at once everybody would be refused. So they
wait for the next worker of that slot; where that takes its time, for another one that stands in.

Source: socket(7), SO_REUSEPORT; listen(2).
"""

from __future__ import annotations

import mmap
import socket
from dataclasses import replace
from typing import List, NamedTuple, Sequence, Set, Tuple

from modelbuild_runtime.process.ports.addresses import beside, bind, bind_health, bind_more
from modelbuild_runtime.process.ports.listeners import Listener
from modelbuild_runtime.settings import Settings

_NEW, _ATTENDED, _LEFT = 0, 1, 2


class Door(NamedTuple):
    """The sockets of one slot: of the main address, and of those beside it."""

    main: socket.socket
    more: Sequence[Tuple[Listener, socket.socket]]

    @property
    def sockets(self) -> List[socket.socket]:
        """All of them."""
        return [self.main, *[sock for _, sock in self.more]]


class Doors:
    """Bound before workers are forked, who share them. Nothing is listened on before a worker is ready. ``health`` is
    one for all, who accept from it in turn: such a name is bound once.

    Raises:
        LoadError: an address cannot be had.
    """

    def __init__(self, settings: Settings) -> None:
        main = bind(settings, shared=True)
        more = bind_more(replace(settings, port=main.getsockname()[1]), shared=True)
        self._doors = [Door(main, more)]
        for _ in range(1, settings.workers):
            self._doors.append(Door(beside(main), [(listener, beside(sock)) for listener, sock in more]))
        self.health = bind_health(settings)
        self._states = mmap.mmap(-1, settings.workers)

    @property
    def main(self) -> socket.socket:
        """One that tells the address."""
        return self._doors[0].main

    def of(self, slot: int) -> Door:
        """Those of a slot; a copy, for whoever closes what it listens on."""
        main, more = self._doors[slot]
        return Door(main.dup(), [(listener, sock.dup()) for listener, sock in more])

    def attend(self, slot: int) -> None:
        """A worker listens there."""
        self._states[slot] = _ATTENDED

    def leave(self, slot: int) -> None:
        """It does no more."""
        if self._states[slot] == _ATTENDED:
            self._states[slot] = _LEFT

    def left(self) -> Set[int]:
        """The slots in whose queues clients may wait, and that nobody attends."""
        return {slot for slot, state in enumerate(self._states[:]) if state == _LEFT}

    def close(self) -> None:
        """Let go of all; what others hold stays."""
        for door in self._doors:
            for sock in door.sockets:
                sock.close()
