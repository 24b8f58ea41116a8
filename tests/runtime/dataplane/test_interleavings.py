"""Whatever happens in whatever order, everyone gets exactly one answer, and it is their own."""

from __future__ import annotations

from typing import Any
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from modelbuild_runtime import beside
from modelbuild_runtime.dataplane import batcher as batcher_module
from modelbuild_runtime.dataplane import dataplane as dataplane_module
from modelbuild_runtime.dataplane.batcher import Batcher
from modelbuild_runtime.dataplane.cache import Cache
from modelbuild_runtime.dataplane.dataplane import Dataplane
from modelbuild_runtime.dataplane.forecast import Forecast
from modelbuild_runtime.dataplane.pace import Pace
from modelbuild_runtime.errors import DeadlineExceeded, InvalidInput, Overloaded, PredictionFailed
from modelbuild_runtime.metrics.metrics import Metrics
from modelbuild_runtime.request import Request, Response, Rows
from runtime.clocks import Loop
from runtime.fakes import FakePipeline

TIMEOUT = 1.0
POISON, WRONG = 666, "no number"


class Job:
    """``insists`` is called when it is refused."""

    def __init__(self, loop: Loop, rows: list[Any], parameters: Any, patience: float, insists: Any) -> None:
        self.id = "an-id"
        self.trace = None
        self.rows = rows
        self.loop = loop
        self.insists = insists
        self.received = loop.now
        self.asked = loop.now + patience if patience else 0.0
        self.parameters = parameters
        self.request = self.again()
        self.inputs: Any = None
        self.count = 0
        self.key: Any = None
        self.deadline = self.queued = 0.0
        self.cancelled = self.gone = False
        self.cache = ""
        self.outcomes: list[Any] = []

    def again(self) -> Request:
        return Request(Rows([list(row) for row in self.rows]), parameters=self.parameters, deadline=self.asked)

    def answer(self, response: Response) -> None:
        assert response.columns is not None
        assert not self.gone, "answered who has gone"
        self.outcomes.append((self.loop.now, response.columns["y"].tolist()))

    def fail(self, error: Exception) -> None:
        assert not self.gone, "answered who has gone"
        self.outcomes.append((self.loop.now, type(error)))
        if self.insists is not None:
            self.insists()


class Pipeline(FakePipeline):
    """Adds the parameter ``k`` to each sum."""

    def run(self, inputs: Any, parameters: Any = None) -> Any:
        return {"y": super().run(inputs)["y"] + (parameters or {}).get("k", 0)}


class World:
    """A queue with everything that belongs to it, but for time and threads."""

    def __init__(self, *, slow: bool, slo: float, cached: bool, max_rows: int) -> None:
        self.loop = Loop()
        self.pipeline = Pipeline()
        self.dataplane = Dataplane(self.pipeline)
        pace = Pace(Forecast() if slo else None)
        pace.observe(1, 0.01 if slow else 1e-6)
        pace.observe = lambda rows, seconds: None  # type: ignore[method-assign]  # nothing takes any time here
        metrics = Metrics().of("m")
        limits = {"max_rows": max_rows, "max_waiting": 12, "timeout": TIMEOUT, "slo": slo}
        self.batcher = Batcher(self.dataplane.run, metrics, pace, self.loop, **limits)  # type: ignore[arg-type]
        self.queue: Any = Cache(self.batcher, b"m", 2000, metrics.looked_up) if cached else self.batcher
        self.slo = slo
        self.jobs: list[Job] = []

    def submit(self, rows: list[Any], parameters: Any, patience: float, insists: bool = False) -> None:
        again = (lambda: self.submit(rows, parameters, patience)) if insists else None
        job = Job(self.loop, rows, parameters, patience, again)
        self.jobs.append(job)
        try:
            self.queue.admit()
            self.dataplane.prepare(job)
            self.queue.submit(job)
        except (Overloaded, InvalidInput) as error:
            job.fail(error)

    def pair(self, rows: list[Any]) -> None:
        """Two ask the same, and the first goes."""
        self.submit(rows, None, 0.0)
        self.submit(rows, None, 0.0)
        self.jobs[-2].cancelled = self.jobs[-2].gone = True

    def leave(self, at: int) -> None:
        """A client goes away."""
        if self.jobs:
            job = self.jobs[at % len(self.jobs)]
            job.cancelled = job.gone = True

    def work(self) -> None:
        """The thread does what was handed over to it."""
        waiting = self.batcher._beside._waiting
        if not waiting.empty():
            assert waiting.qsize() == 1, "two runs at once"
            self.batcher._beside._do_next()

    def finish(self) -> None:
        for _ in range(200):
            self.work()
            self.loop.turn()
        self.loop.advance(3 * TIMEOUT)
        for _ in range(200):
            self.work()
            self.loop.turn()
        assert self.batcher.idle

    def check(self) -> None:
        for job in self.jobs:
            assert len(job.outcomes) <= 1
            if not job.outcomes:
                assert job.gone, "nobody was told"
                continue
            ((when, outcome),) = job.outcomes
            self._check(job, when, outcome)

    def _check(self, job: Job, when: float, outcome: Any) -> None:
        values = [value for row in job.rows for value in row]
        if isinstance(outcome, list):
            assert outcome == [sum(row) + (job.parameters or {}).get("k", 0) for row in job.rows]
            assert POISON not in values
            assert WRONG not in values
        elif outcome is PredictionFailed:
            assert POISON in values
        elif outcome is InvalidInput:
            assert WRONG in values
        elif outcome is DeadlineExceeded:
            limits = [TIMEOUT, *([self.slo] if self.slo else []), *([job.asked - job.received] if job.asked else [])]
            # Who shared a run that began before it came may have had a little more time left.
            assert when >= job.received + min(limits) or job.cache == "shared"
        else:
            assert outcome is Overloaded


ROWS = st.lists(st.lists(st.sampled_from([*range(6), POISON, WRONG]), min_size=3, max_size=3), min_size=1, max_size=4)
GOOD = st.lists(st.lists(st.integers(0, 50), min_size=3, max_size=3), min_size=1, max_size=4)
SAME = st.sampled_from([[[1, 2, 3]], [[4, 5, 6], [7, 8, 9]], [[1, 2, 3], [1, 2, 3]], [[POISON, 0, 0]]])
EVENTS = st.one_of(
    st.tuples(
        st.just("submit"),
        st.one_of(SAME, GOOD, ROWS),
        st.sampled_from([None, None, {"k": 1}]),
        st.sampled_from([0.0, 0.0, 0.02, 0.3]),
        st.booleans(),
    ),
    st.tuples(st.just("pair"), SAME),
    st.tuples(st.just("leave"), st.integers(0, 40)),
    st.tuples(st.just("turn")),
    st.tuples(st.just("work")),
    st.tuples(st.just("advance"), st.sampled_from([0.001, 0.03, 0.4, 1.5])),
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(EVENTS, max_size=60),
    st.booleans(),
    st.sampled_from([0.0, 0.0, 0.05]),
    st.booleans(),
    st.sampled_from([1, 5, 100]),
)
def test_everyone_gets_one_answer_and_it_is_their_own(events, slow, slo, cached, max_rows):
    world = World(slow=slow, slo=slo, cached=cached, max_rows=max_rows)
    clock = lambda: world.loop.now  # noqa: E731
    with (
        mock.patch.object(batcher_module, "monotonic", clock),
        mock.patch.object(dataplane_module, "monotonic", clock),
        mock.patch.object(beside.threading, "Thread", mock.Mock()),
        mock.patch.object(beside.sys, "setswitchinterval", mock.Mock()),
        mock.patch.object(dataplane_module, "logger", mock.Mock()),
    ):
        for name, *arguments in events:
            if name in {"turn", "advance"}:
                getattr(world.loop, name)(*arguments)
            else:
                getattr(world, name)(*arguments)
        world.finish()
        world.check()
