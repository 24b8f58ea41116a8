"""Goodput under overload, by the queue's own decisions: time is simulated, so that no machine's load plays a part."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any
from unittest import mock

import pytest

from modelbuild_runtime import beside
from modelbuild_runtime.dataplane import batcher as batcher_module
from modelbuild_runtime.dataplane.batcher import Batcher
from modelbuild_runtime.dataplane.forecast import Forecast
from modelbuild_runtime.dataplane.job import ALONE
from modelbuild_runtime.dataplane.pace import Pace
from modelbuild_runtime.errors import DeadlineExceeded, Overloaded
from modelbuild_runtime.request import Request, Response, Rows
from runtime.clocks import Loop

SLO = 0.05
SECONDS = 2.0
CLOSED_SECONDS = 1.0


class Job:
    count = 1
    id = "an-id"
    trace = None
    inputs: Any = None

    def __init__(self, simulation: Simulation, key: Any) -> None:
        self.simulation = simulation
        self.key = key
        self.received = simulation.loop.now
        self.request = Request(Rows([]))
        self.deadline = self.queued = 0.0
        self.cancelled = self.refused = False

    def answer(self, _response: Response) -> None:
        self.simulation.answered(self.simulation.loop.now - self.received)
        self.simulation.ended(self)

    def fail(self, error: Exception) -> None:
        self.refused = True
        self.simulation.failed += 1
        self.simulation.expired += isinstance(error, DeadlineExceeded)
        self.simulation.ended(self)


class Simulation:
    """Requests come at random; a run of n rows takes ``first + n * each`` seconds, more or less."""

    def __init__(self, first: float, each: float, *, joins: bool = True, **limits: Any) -> None:
        self.loop = Loop()
        self.first, self.each = first, each
        self.key = None if joins else ALONE
        self.good = self.late = self.failed = self.expired = 0
        self.random = random.Random(1)
        limits = {"max_rows": 32, "max_waiting": 1000, "timeout": 60.0, **limits}
        pace = Pace(Forecast())
        for size in range(limits["max_rows"].bit_length() if joins else 1):  # as the warm-up does
            seconds = first + 2**size * each
            pace.observe(2**size, seconds)
            if seconds > SLO:
                break
        self.batcher = Batcher(self._run, mock.Mock(), pace, self.loop, **limits)  # type: ignore[arg-type]

    def cost(self, rows: int) -> float:
        return self.first + rows * self.each

    def _run(self, jobs: Sequence[Any]) -> list[Any]:
        """On the loop, which waits for it."""
        self.loop.now += self.cost(len(jobs)) * self.random.uniform(0.9, 1.1)
        return [Response(1, rows=[0]) for _ in jobs]

    def answered(self, seconds: float) -> None:
        if seconds <= SLO:
            self.good += 1
        else:
            self.late += 1

    def ended(self, _job: Job) -> None:
        """A client was told what became of its request."""

    def run(self, rate: float) -> float:
        """Good answers a second, of requests at a rate."""
        end = self.loop.now + SECONDS
        due = self.loop.now
        while due < end:
            due += self.random.expovariate(rate)
            self._until(due)
            job = Job(self, self.key)
            try:
                self.batcher.admit()
                self.batcher.submit(job)
            except Overloaded:
                self.failed += 1
            self._settle()
        self._until(end + 2)
        return self.good / SECONDS

    def _until(self, due: float) -> None:
        while timers := [timer for timer in self.loop._later if timer.due <= due]:
            self.loop.advance(max(0.0, min(timer.due for timer in timers) - self.loop.now))
            self._settle()
        self.loop.advance(due - self.loop.now)

    def _settle(self) -> None:
        """The turns of the loop, and what they hand over to the thread."""
        waiting = self.batcher._beside._waiting
        while self.loop._soon or not waiting.empty():
            self.loop.turn()
            if not waiting.empty():
                jobs, rows = waiting.get().args  # type: ignore[union-attr]
                seconds = self.cost(rows) * self.random.uniform(0.9, 1.1)
                outcomes = [Response(1, rows=[0]) for _ in jobs]
                self.loop.call_later(seconds, self.batcher._returned, jobs, rows, self.loop.now, seconds, outcomes)


class Closed(Simulation):
    """Clients that ask again when they are answered: after a moment, or after a while where they were turned away."""

    ANSWERED, REFUSED = 0.0002, 0.02

    def run_clients(self, clients: int) -> float:
        """Good answers a second."""
        for _ in range(clients):
            self._come(self.random.uniform(0, self.REFUSED))
        return self.go_on(CLOSED_SECONDS)

    def go_on(self, seconds: float) -> float:
        """The same clients, for so long."""
        good = self.good
        self._until(self.loop.now + seconds)
        return (self.good - good) / seconds

    def ended(self, job: Job) -> None:
        # what was turned away before it was in the queue is told by submit, which raised
        self._come(self.ANSWERED if not job.refused else self.REFUSED)

    def _come(self, seconds: float) -> None:
        self.loop.call_later(seconds * self.random.uniform(0.5, 1.5), self._ask)

    def _ask(self) -> None:
        job = Job(self, self.key)
        try:
            self.batcher.admit()
            self.batcher.submit(job)
        except Overloaded:
            self.failed += 1
            self._come(self.REFUSED)


@pytest.fixture(autouse=True)
def clock():
    """Whichever loop was made last tells the time."""
    made: list[Loop] = []
    begin = Loop.__init__

    def keep(self: Loop) -> None:
        begin(self)
        made.append(self)

    with (
        mock.patch.object(Loop, "__init__", keep),
        mock.patch.object(batcher_module, "monotonic", lambda: made[-1].now),  # noqa: PT008  # it moves
        mock.patch.object(beside.threading, "Thread", mock.Mock()),
        mock.patch.object(beside.sys, "setswitchinterval", mock.Mock()),
    ):
        yield


@pytest.mark.parametrize(
    ("first", "each", "joins"),
    [(0.005, 0.0002, True), (0.001, 0.002, True), (0.005, 0.0, False), (0.018, 0.0001, True)],
)
def test_goodput_at_ten_times_the_load_is_near_the_peak(first, each, joins):
    best = 32 / (first + 32 * each) if joins else 1 / (first + each)
    goodput = {}
    for times in (0.5, 0.7, 0.9, 10.0):
        simulation = Simulation(first, each, joins=joins, slo=SLO)
        goodput[times] = simulation.run(times * best)
        served = simulation.good + simulation.late
        assert simulation.late <= 0.02 * served, "who is let in is answered in time"
    assert goodput[10.0] >= 0.9 * max(goodput.values()), goodput


@pytest.mark.parametrize(
    ("first", "each", "joins"),
    [(0.005, 0.0002, True), (0.001, 0.002, True), (0.005, 0.0, False), (0.018, 0.0001, True)],
)
def test_goodput_with_ten_times_the_clients_is_near_the_peak(first, each, joins):
    """In a closed loop, with the objective and without one: it must not be too careful either."""
    goodput, without = {}, {}
    for clients in (8, 32, 320):
        simulation = Closed(first, each, joins=joins, slo=SLO)
        goodput[clients] = simulation.run_clients(clients)
        assert simulation.late <= 0.02 * (simulation.good + simulation.late)
        without[clients] = Closed(first, each, joins=joins).run_clients(clients)
    assert goodput[320] >= 0.9 * max(goodput.values()), goodput
    assert max(goodput.values()) >= 0.9 * max(without.values()), (goodput, without)


def test_a_little_load_is_never_turned_away():
    simulation = Simulation(0.005, 0.0002, slo=SLO)
    simulation.run(20)
    assert (simulation.failed, simulation.late) == (0, 0)


def test_a_bounded_queue_alone_keeps_its_throughput():
    answered = {}
    for times in (1.0, 10.0):
        simulation = Simulation(0.005, 0.0002, max_waiting=64)
        simulation.run(times * 32 / 0.0114)
        answered[times] = simulation.good + simulation.late
    assert answered[10.0] >= answered[1.0]


class Changing(Closed):
    """Rows that cost something else than in the warm-up."""

    def __init__(self, *warm_up: float, costs: Callable[[random.Random, int], float], **limits: Any) -> None:
        super().__init__(*warm_up, slo=SLO, **limits)
        self.costs = costs

    def cost(self, rows: int) -> float:
        return self.costs(self.random, rows)


def dearer(_random: random.Random, rows: int) -> float:
    return 0.008 * rows


def uneven(random: random.Random, rows: int) -> float:
    return sum([0.020 if random.random() < 0.1 else 0.002 for _ in range(rows)])


def stalling(random: random.Random, rows: int) -> float:
    return 0.005 + 0.0002 * rows + (0.3 if random.random() < 0.01 else 0.0)


@pytest.mark.parametrize("warm_up", [(0.0001, 0.00001), (0.00005, 0.000001), (0.002, 0.0001)])
@pytest.mark.parametrize("costs", [dearer, uneven])
@pytest.mark.parametrize("clients", [8, 40])
def test_rows_that_are_dearer_than_in_the_warm_up(warm_up, costs, clients):
    """What large runs took then is no promise: none of them is made again that could correct it."""
    goodput, missed = {}, {}
    for most in (1, 2, 4, 512):
        simulation = Changing(*warm_up, costs=costs, max_rows=most)
        simulation.run_clients(clients)
        simulation.expired = simulation.late = 0
        goodput[most] = simulation.go_on(5.0)
        missed[most] = (simulation.expired + simulation.late) / 5.0
    assert goodput[512] >= 0.85 * max(goodput.values()), goodput
    assert missed[512] <= 0.05 * goodput[512] + missed[4], missed


def test_rows_that_are_cheaper_than_in_the_warm_up():
    """Sizes that were too large then are tried again."""
    simulation = Changing(0.0, 0.02, costs=lambda _random, rows: 0.005 + 0.0002 * rows, max_rows=64)
    best = Closed(0.005, 0.0002, slo=SLO, max_rows=64).run_clients(100)
    simulation.run_clients(100)
    simulation.go_on(2.0)
    assert simulation.go_on(2.0) >= 0.85 * best


def test_pauses_do_not_make_batches_small_for_ever():
    best = Closed(0.005, 0.0002, slo=SLO).run_clients(100)
    simulation = Changing(0.005, 0.0002, costs=stalling)
    simulation.run_clients(100)
    paused = 0.01 * 0.3 / (0.0114 + 0.01 * 0.3)
    assert simulation.go_on(10.0) >= 0.85 * (1 - paused) * best


@pytest.mark.parametrize("most", [7, 15, 20])
def test_cost_that_jumps_beyond_a_size(most):
    """Larger ones are tried now and then, and not all the time."""

    def jumping(_random: random.Random, rows: int) -> float:
        return 0.001 * rows * (1 if rows <= most else 10)

    best = Changing(0.0, 0.001, costs=jumping, max_rows=most).run_clients(40)
    simulation = Changing(0.0, 0.001, costs=jumping, max_rows=64)
    simulation.run_clients(40)
    simulation.expired = simulation.late = 0
    goodput = simulation.go_on(5.0)
    assert goodput >= 0.8 * best
    assert simulation.expired + simulation.late <= 0.1 * 5.0 * goodput


@pytest.mark.parametrize("clients", [1, 5, 40])
def test_after_a_slow_spell_an_idle_server_soon_answers_again(clients):
    simulation = Changing(0.0001, 0.00001, costs=lambda _random, _rows: 0.2, max_rows=512)
    simulation.run_clients(3)
    simulation.go_on(5.0)
    simulation.costs = dearer
    simulation.run_clients(clients)
    simulation.go_on(0.5)
    best = Changing(0.008, 0.0, costs=dearer, max_rows=1).run_clients(clients)
    assert simulation.go_on(2.0) >= 0.85 * best
