"""A worker's own account of what it is doing, for whoever finds it dead: the requests that it has taken, the one that
it runs alone, and its connections.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Sequence

from modelbuild_runtime.dataplane.job import Job, Outcome
from modelbuild_runtime.errors import Quarantined
from modelbuild_runtime.process.workers.flights import PLACES
from modelbuild_runtime.process.workers.quarantine import WHOLE, fingerprint

if TYPE_CHECKING:
    from modelbuild_runtime.http.exchange import Exchange
    from modelbuild_runtime.process.workers.flights import Flights
    from modelbuild_runtime.process.workers.keeping import Entrusting
    from modelbuild_runtime.process.workers.quarantine import Quarantine

Run = Callable[[Sequence[Job]], List[Outcome]]


class Witness:
    """Called by the application for each request. ``connections`` are kept by the supervisor too, if any are."""

    def __init__(self, flights: Flights, quarantine: Quarantine, connections: Optional[Entrusting] = None) -> None:
        self.connections = connections
        self._flights = flights
        self._write, self._memory, self._places = flights.write, flights.memory, flights.places
        self._quarantine = quarantine
        self._free = list(range(PLACES))
        self._holders: List[Optional[Exchange]] = [None] * PLACES
        self._running: Sequence[Any] = ()
        self._late: List[Exchange] = []
        flights.wipe()
        quarantine.look()

    def enter(self, exchange: Exchange) -> None:
        """A request is taken.

        Raises:
            Quarantined: it has ended workers before.
        """
        http, quarantine = exchange.http, self._quarantine
        body = http.body
        found = (
            hash((http.path, body))
            if body.__class__ is bytes and 0 < len(body) <= WHOLE
            else fingerprint(http.path, body)
        )
        exchange.fingerprint = found
        if quarantine.versions[0] != quarantine.version:
            quarantine.look()
        if found in quarantine.convicts:
            raise Quarantined("this request has ended this server's processes twice, and is not run again")
        if not self._free:
            self.sweep()
            if not self._free:
                return
        exchange.place = place = self._free.pop()
        self._holders[place] = exchange
        connection, identity = exchange.connection, exchange.id.encode()
        number = connection.number
        # Somebody else can answer where nothing that was written before can still be on its way, as it may where a
        # client sends requests before it has read answers.
        answerable = number > 0 and len(connection.pending) == 1 and not connection.unsent() and http.method != "HEAD"
        self._write(self._places[place], 1, answerable, len(identity), number, found, identity)

    def leave(self, exchange: Exchange) -> None:
        """It is answered. One that still runs stays: what it may do yet is not known."""
        if self._running and exchange in self._running:
            self._late.append(exchange)
            return
        place = exchange.place
        exchange.place = -1
        self._holders[place] = None
        self._memory[self._places[place]] = 0
        self._free.append(place)

    def sweep(self) -> None:
        """Called about once a second: nobody waits for those whose client has gone."""
        late, self._late = self._late, []
        for holder in (*late, *[one for one in self._holders if one is not None and one.cancelled]):
            if holder.place >= 0:
                self.leave(holder)
        if self.connections is not None:
            self.connections.tell()

    def running(self, run: Run) -> Run:
        """Runs in which a suspect is by itself, which is written down meanwhile."""

        def ran(jobs: Sequence[Job]) -> List[Outcome]:
            self._running = jobs
            try:
                return self._apart(run, jobs) if self._quarantine.suspects else run(jobs)
            finally:
                self._running = ()

        return ran

    def _apart(self, run: Run, jobs: Sequence[Job]) -> List[Outcome]:
        suspects = self._quarantine.suspects
        outcomes: Dict[int, Outcome] = {}
        for at, job in enumerate(jobs):
            found: int = getattr(job, "fingerprint", 0)  # parts of an answer have none
            if found in suspects:
                self._flights.alone = found
                (outcomes[at],) = run([job])
                self._flights.alone = 0
                self._quarantine.clear(found)
        rest = [job for at, job in enumerate(jobs) if at not in outcomes]
        others = iter(run(rest) if rest else ())
        return [outcomes[at] if at in outcomes else next(others) for at in range(len(jobs))]
