"""A worker's own account of what it is doing, for whoever finds it dead: the requests that it has taken, the one that
it runs alone, and its connections.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, List, Optional, Sequence

from modelbuild_runtime.dataplane.batcher import ALONE, Job, Outcome
from modelbuild_runtime.errors import Quarantined
from modelbuild_runtime.process.flights import PLACES
from modelbuild_runtime.process.quarantine import fingerprint

if TYPE_CHECKING:
    from modelbuild_runtime.http.exchange import Exchange
    from modelbuild_runtime.process.flights import Flights
    from modelbuild_runtime.process.keeping import Entrusting
    from modelbuild_runtime.process.quarantine import Quarantine

Run = Callable[[Sequence[Job]], List[Outcome]]
Submit = Callable[[Job], None]


class Witness:
    """Called by the application for each request. ``connections`` are kept by the supervisor too, if any are."""

    def __init__(self, flights: Flights, quarantine: Quarantine, connections: Optional[Entrusting] = None) -> None:
        self.connections = connections
        self._flights = flights
        self._write, self._clear, self._places = flights.write, flights.clear, flights.places
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
        exchange.fingerprint = found = fingerprint(http.path, http.body)
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
        answerable = number > 0 and len(connection.pending) == 1 and not connection.unsent and http.method != "HEAD"
        self._write(self._places[place], 1, answerable, len(identity), number, found, identity)

    def leave(self, exchange: Exchange) -> None:
        """It is answered. One that still runs stays: what it may do yet is not known."""
        if self._running and exchange in self._running:
            self._late.append(exchange)
            return
        place = exchange.place
        exchange.place = -1
        self._holders[place] = None
        self._clear(self._places[place], 0)
        self._free.append(place)

    def sweep(self) -> None:
        """Called about once a second: nobody waits for those whose client has gone."""
        late, self._late = self._late, []
        for holder in (*late, *[one for one in self._holders if one is not None and one.cancelled]):
            if holder.place >= 0:
                self.leave(holder)
        if self.connections is not None:
            self.connections.tell()

    def submitting(self, submit: Submit) -> Submit:
        """A queue that runs suspects alone."""

        def submitted(job: Job) -> None:
            if self._quarantine.suspects and self._suspected(job):
                job.key = ALONE
            submit(job)

        return submitted

    def running(self, run: Run) -> Run:
        """Runs that are told of, if a suspect is in them: such a run is of nothing else."""

        def ran(jobs: Sequence[Job]) -> List[Outcome]:
            self._running = jobs
            suspect = self._suspected(jobs[0]) if self._quarantine.suspects and len(jobs) == 1 else 0
            if suspect:
                self._flights.alone = suspect
            try:
                return run(jobs)
            finally:
                self._running = ()
                if suspect:
                    self._flights.alone = 0
                    self._quarantine.clear(suspect)

        return ran

    def _suspected(self, job: Job) -> int:
        """The fingerprint of a suspect, 0 for any other."""
        found: int = getattr(job, "fingerprint", 0)  # parts of an answer have none
        return found if found in self._quarantine.suspects else 0
