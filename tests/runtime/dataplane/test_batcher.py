from __future__ import annotations

import asyncio
import contextlib
import threading
from time import monotonic
from types import SimpleNamespace
from typing import Any

import pytest

from modelbuild_runtime.dataplane.batcher import Batcher
from modelbuild_runtime.dataplane.forecast import Forecast
from modelbuild_runtime.dataplane.job import ALONE
from modelbuild_runtime.dataplane.pace import Pace
from modelbuild_runtime.errors import DeadlineExceeded, Overloaded, PredictionFailed, ServerError
from modelbuild_runtime.request import Request, Response, Rows

SLOW = 0.05


class Observed:
    def __init__(self) -> None:
        self.runs: list[int] = []
        self.sheds: list[str] = []

    def run(self, jobs: Any, rows: int, began: float, seconds: float) -> None:
        self.runs.append(rows)

    def answered(self, jobs: int, seconds: float) -> None: ...

    def shed(self, reason: str) -> None:
        self.sheds.append(reason)


class Job:
    def __init__(self, value: Any, count: int = 1, key: Any = None, deadline: float = 0.0) -> None:
        self.id = str(value)
        self.trace = None
        self.value = value
        self.request = Request(Rows([]), deadline=deadline)
        self.inputs = value
        self.count = count
        self.key = key
        self.deadline = self.queued = 0.0
        self.received = monotonic()
        self.cancelled = False
        self.outcome: Any = None

    def answer(self, response: Response) -> None:
        assert self.outcome is None, "answered twice"
        self.outcome = response.rows

    def fail(self, error: Exception) -> None:
        assert self.outcome is None, "answered twice"
        self.outcome = type(error)


class Bench:
    """A batcher on a real loop; ``run`` answers with each job's value. ``gate`` holds up runs in the thread."""

    def __init__(self, *, slow: bool = False, run: Any = None, **options: Any) -> None:
        self.loop = asyncio.new_event_loop()
        self.observed = Observed()
        self.pace = Pace(Forecast())
        self.pace.observe(1, SLOW if slow else 1e-6)
        self.gate = threading.Event()
        self.threads: list[str] = []
        limits = {"max_rows": 100, "max_waiting": 1000, "timeout": 60.0, **options}
        self.batcher = Batcher(run or self.run, self.observed, self.pace, self.loop, **limits)
        self.slow = slow

    def run(self, jobs: Any) -> list[Any]:
        self.threads.append(threading.current_thread().name)
        if self.slow:
            self.gate.wait(5)
        return [Response(job.count, rows=[job.value]) for job in jobs]

    def submit(self, *jobs: Job) -> None:
        for job in jobs:
            self.batcher.submit(job)

    def turn(self, turns: int = 1) -> None:
        for _ in range(turns):
            self.loop.call_soon(self.loop.stop)
            self.loop.run_forever()

    def finish(self) -> None:
        self.until(lambda: self.batcher.idle)

    def until(self, condition: Any) -> None:
        limit = monotonic() + 5
        while not condition():
            assert monotonic() < limit, "never happened"
            self.loop.run_until_complete(asyncio.sleep(0.002))


@pytest.fixture
def bench():
    made: list[Bench] = []

    def make(**options: Any) -> Bench:
        made.append(Bench(**options))
        return made[-1]

    yield make
    for one in made:
        one.gate.set()
        one.finish()
        one.loop.close()


def test_what_came_in_one_turn_is_one_run(bench):
    b = bench()
    jobs = [Job(i, count=i + 1) for i in range(5)]
    b.submit(*jobs)
    assert b.observed.runs == []
    b.turn()
    assert b.observed.runs == [15]
    assert [job.outcome for job in jobs] == [[i] for i in range(5)]
    assert b.batcher.idle


def test_a_single_job_is_not_delayed(bench):
    b = bench()
    for i in range(3):
        job = Job(i)
        b.submit(job)
        b.turn()
        assert job.outcome == [i]
    assert b.observed.runs == [1, 1, 1]


def test_rows_are_counted_and_bounded(bench):
    b = bench(max_rows=10)
    jobs = [Job(i, count=4) for i in range(5)]
    b.submit(*jobs)
    b.turn(5)
    assert b.observed.runs == [8, 8, 4]
    assert [job.outcome for job in jobs] == [[i] for i in range(5)]


def test_a_small_job_may_fill_the_place_that_is_left(bench):
    b = bench(max_rows=10)
    jobs = [Job("a", count=8), Job("b", count=8), Job("c", count=2)]
    b.submit(*jobs)
    b.turn(4)
    assert b.observed.runs == [10, 8]


def test_a_job_larger_than_a_batch_runs_by_itself(bench):
    b = bench(max_rows=10)
    b.submit(Job("a", count=50), Job("b"), Job("c"))
    b.turn(4)
    assert b.observed.runs == [50, 2]


def test_only_equal_keys_are_joined(bench):
    b = bench()
    b.submit(*[Job(i, key=("x", i % 2)) for i in range(6)])
    b.turn(4)
    assert b.observed.runs == [3, 3]


def test_what_must_run_alone_does(bench):
    b = bench()
    jobs = [Job(i, key=ALONE) for i in range(3)]
    b.submit(*jobs)
    b.turn(6)
    assert b.observed.runs == [1, 1, 1]
    assert [job.outcome for job in jobs] == [[0], [1], [2]]


def test_reading_goes_on_between_two_runs(bench):
    b = bench(max_rows=1)
    order: list[str] = []
    b.submit(*[Job(i) for i in range(3)])
    b.loop.call_soon(order.append, "read")
    b.turn(1)
    assert len(b.observed.runs) == 1
    assert order == ["read"]


def test_cancelled_jobs_are_taken_out(bench):
    b = bench()
    jobs = [Job(i) for i in range(4)]
    b.submit(*jobs)
    jobs[1].cancelled = jobs[2].cancelled = True
    b.turn()
    assert b.observed.runs == [2]
    assert [job.outcome for job in jobs] == [[0], None, None, [3]]


def test_all_cancelled_is_no_run(bench):
    b = bench()
    job = Job(1)
    b.submit(job)
    job.cancelled = True
    b.turn()
    assert b.observed.runs == []
    assert b.batcher.idle
    b.submit(after := Job(2))
    b.turn()
    assert after.outcome == [2]


def test_one_that_is_cancelled_while_it_runs_disturbs_nobody(bench):
    b = bench(slow=True)
    jobs = [Job(1), Job(2)]
    b.submit(*jobs)
    b.until(lambda: b.threads)
    jobs[0].cancelled = True
    b.gate.set()
    b.until(lambda: b.batcher.idle)
    assert [job.outcome for job in jobs] == [None, [2]]


def test_slow_runs_are_made_by_a_thread_and_the_loop_goes_on(bench):
    b = bench(slow=True)
    first, second, third = Job(1), Job(2), Job(3)
    b.submit(first)
    b.until(lambda: b.threads)
    b.submit(second, third)  # while the first runs
    b.turn(3)
    assert first.outcome is None
    assert b.batcher.waiting == 2
    b.gate.set()
    b.until(lambda: third.outcome)
    assert (first.outcome, second.outcome) == ([1], [2])
    assert b.observed.runs == [1, 2]
    assert b.threads == ["predict", "predict"]


def test_fast_runs_are_made_by_the_loop_itself(bench):
    b = bench()
    b.submit(Job(1))
    b.turn()
    assert b.threads == [threading.current_thread().name]


def test_a_model_that_turns_out_slow_leaves_the_loop_and_comes_back_when_fast(bench):
    b = bench()
    b.pace.observe(1, 1.0)
    b.gate.set()
    for _ in range(60):
        b.submit(job := Job(1))
        b.until(lambda: job.outcome)
    assert b.threads[0] == "predict"
    assert b.threads[-1] == threading.current_thread().name


def test_a_full_queue_turns_requests_away_and_says_when_to_come_back(bench):
    b = bench(slow=True, max_waiting=2)
    running, waiting = Job(0), [Job(1), Job(2)]
    b.submit(running)
    b.until(lambda: b.threads)
    b.submit(*waiting)
    with pytest.raises(Overloaded) as caught:
        b.submit(Job(3))
    assert caught.value.retry_after >= 1
    assert b.observed.sheds == ["queue"]
    b.gate.set()
    b.until(lambda: b.batcher.idle)
    assert [job.outcome for job in waiting] == [[1], [2]]
    b.submit(late := Job(4))
    b.until(lambda: late.outcome)


def test_rows_that_wait_are_memory_and_only_so_many_do(bench):
    b = bench(slow=True, max_rows_waiting=10)
    b.submit(Job(0))
    b.until(lambda: b.threads)
    b.submit(
        large := Job(1, count=20),
    )
    for count in (1, 20):
        with pytest.raises(Overloaded):
            b.submit(Job(2, count=count))
    b.gate.set()
    b.until(lambda: b.batcher.idle)
    assert large.outcome == [1], "one that is larger than all may be has the room alone"
    b.submit(after := Job(3, count=10))
    b.until(lambda: after.outcome)


def test_a_deadline_in_the_queue(bench):
    b = bench()
    late, good = Job(1, deadline=monotonic() - 1), Job(2, deadline=monotonic() + 60)
    b.submit(late, good)
    b.turn()
    assert late.outcome is DeadlineExceeded
    assert good.outcome == [2]
    assert b.observed.runs == [1]
    assert b.observed.sheds == ["deadline"]


def test_deadlines_pass_while_the_model_runs(bench):
    b = bench(slow=True, timeout=0.02)
    running, waiting = Job(1), Job(2)
    b.submit(running)
    b.until(lambda: b.threads)
    b.submit(waiting)
    b.until(lambda: waiting.outcome)
    assert running.outcome is DeadlineExceeded
    assert waiting.outcome is DeadlineExceeded
    assert b.batcher.stuck
    b.until(lambda: b.batcher.hung)
    b.gate.set()
    b.until(lambda: b.batcher.idle)
    assert not b.batcher.stuck
    assert not b.batcher.hung
    b.submit(after := Job(3))
    b.until(lambda: after.outcome)
    assert after.outcome == [3]


def test_the_server_s_own_limit_holds_for_later_deadlines(bench):
    b = bench(timeout=1.0)
    b.submit(job := Job(1, deadline=monotonic() + 3600))
    assert job.deadline < monotonic() + 2
    b.turn()


def test_failures_go_to_their_own_jobs(bench):
    def run(jobs: Any) -> list[Any]:
        return [PredictionFailed("no") if job.value == 1 else Response(1, rows=[job.value]) for job in jobs]

    b = bench(run=run)
    jobs = [Job(i) for i in range(3)]
    b.submit(*jobs)
    b.turn()
    assert [job.outcome for job in jobs] == [[0], PredictionFailed, [2]]


def test_a_job_whose_answer_cannot_be_sent_does_not_take_others_with_it(bench):
    b = bench()
    broken, good = Job(1), Job(2)
    broken.answer = lambda response: SimpleNamespace().missing  # type: ignore[method-assign]
    b.loop.set_exception_handler(lambda loop, context: None)
    b.submit(broken, good)
    b.turn(2)
    assert good.outcome == [2]
    b.submit(after := Job(3))
    b.turn(2)
    assert after.outcome == [3]


def test_a_queue_of_everything_comes_out_whole(bench):
    import random

    rng = random.Random(1)
    b = bench(max_rows=7, max_waiting=10_000)
    jobs = [Job(i, count=rng.randint(1, 9), key=rng.choice([None, 1, ALONE])) for i in range(500)]
    for job in jobs:
        b.submit(job)
        if rng.random() < 0.1:
            job.cancelled = True
        if rng.random() < 0.3:
            b.turn()
    b.until(lambda: b.batcher.idle)
    assert [job.outcome for job in jobs] == [None if job.cancelled and not job.outcome else [job.value] for job in jobs]
    assert sum(1 for job in jobs if job.outcome) >= 440


@pytest.mark.parametrize("slow", [False, True])
def test_a_run_that_breaks_the_rules_and_raises_fails_its_jobs_only(bench, slow):
    def run(jobs: Any) -> list[Any]:
        if jobs[0].value == 0:
            raise KeyboardInterrupt
        return [Response(job.count, rows=[job.value]) for job in jobs]

    b = bench(slow=slow, run=run)
    jobs = [Job(value, key=ALONE) for value in (0, 1)]
    b.submit(*jobs)
    b.finish()
    assert [job.outcome for job in jobs] == [ServerError, [1]]


def test_the_nearest_deadline_goes_first(bench):
    order: list[Any] = []

    def run(jobs: Any) -> list[Any]:
        order.extend(job.value for job in jobs)
        return [Response(job.count, rows=[job.value]) for job in jobs]

    b = bench(run=run, max_rows=1)
    now = monotonic()
    b.submit(Job("none"), Job("next", deadline=now + 0.9), Job("near", deadline=now + 0.5))
    b.finish()
    assert order == ["near", "next", "none"]


def test_a_near_deadline_is_kept_to_the_millisecond_while_the_model_runs(bench):
    b = bench(slow=True)
    b.submit(first := Job(1))
    b.until(lambda: b.threads)
    began = monotonic()
    b.submit(late := Job(2, deadline=began + 0.01))
    b.until(lambda: late.outcome)
    assert late.outcome is DeadlineExceeded
    assert monotonic() - began < 0.04
    assert first.outcome is None


def test_patrols_do_not_pile_up(bench):
    b = bench(slow=True)
    b.gate.set()
    timers: list[float] = []
    call_later = b.loop.call_later
    b.loop.call_later = lambda delay, *rest: timers.append(delay) or call_later(delay, *rest)  # type: ignore[assignment]
    began = monotonic()
    for i in range(50):
        b.pace.observe(1, SLOW)  # however quick it is, it stays with the thread
        b.submit(job := Job(i))
        b.until(lambda: job.outcome)  # is called before the next is made
    ours = [delay for delay in timers if delay != 0.002]
    assert len(ours) <= 2 + (monotonic() - began) / 0.05, "one at a time, each of which ends by itself"


def test_what_asks_again_when_it_is_answered_does_not_start_a_second_run(bench):
    """The model is never called twice at once."""
    running: list[int] = []

    def run(jobs: Any) -> list[Any]:
        running.append(b.batcher._beside._waiting.qsize())
        b.gate.wait(0.05)
        running.append(b.batcher._beside._waiting.qsize())
        return [Response(job.count, rows=[job.value]) for job in jobs]

    b = bench(slow=True, run=run, max_rows=1)
    late = Job(1, deadline=monotonic() - 1)
    follower = Job(3)
    late.fail = lambda error: b.submit(follower)  # type: ignore[method-assign]
    b.submit(late, good := Job(2))
    b.finish()
    b.until(lambda: follower.outcome)
    assert (good.outcome, follower.outcome) == ([2], [3])
    assert running == [0, 0, 0, 0]


def test_an_objective_is_every_request_s_deadline(bench):
    b = bench(slo=0.5)
    b.submit(job := Job(1), hurried := Job(2, deadline=monotonic() + 0.1))
    assert job.deadline == pytest.approx(job.received + 0.5)
    assert hurried.deadline < job.deadline
    b.finish()
    assert job.outcome == [1]


def test_what_cannot_keep_an_objective_is_turned_away_before_it_waits(bench):
    b = bench(slow=True, slo=2.2 * SLOW, max_rows=4)
    for rows in (2, 4):
        b.pace.observe(rows, SLOW)
    running, waiting = Job(0, count=4), [Job(i) for i in range(1, 4)]
    b.submit(running)
    b.until(lambda: b.threads)
    with pytest.raises(Overloaded):
        b.submit(Job(9, count=50))
    for job in waiting:
        with contextlib.suppress(Overloaded):
            b.submit(job)
    taken = b.batcher.waiting
    for i in range(20):
        with contextlib.suppress(Overloaded):
            b.submit(Job(100 + i))
    assert b.batcher.waiting <= 4
    assert "slo" in b.observed.sheds  # and a deadline, where the machine was busy
    with pytest.raises(Overloaded):
        b.batcher.admit()
    assert taken <= 4
    b.gate.set()
    b.finish()


def test_a_full_queue_is_told_before_a_request_is_decoded(bench):
    b = bench(slow=True, max_waiting=1)
    b.batcher.admit()
    b.submit(Job(0))
    b.until(lambda: b.threads)
    b.submit(Job(1))
    with pytest.raises(Overloaded) as caught:
        b.batcher.admit()
    assert caught.value.retry_after >= 1
    b.gate.set()
    b.finish()
    b.batcher.admit()


def test_parts_of_answers_are_not_turned_away_by_an_objective(bench):
    b = bench(slow=True, slo=2 * SLOW)
    b.submit(Job(0))
    b.until(lambda: b.threads)
    for i in range(10):
        b.batcher.resume(Job(i, count=0, key=ALONE))
    b.gate.set()
    b.finish()
    assert b.observed.sheds == []


def test_batches_are_not_larger_than_an_objective_allows(bench):
    b = bench(slo=0.1, max_rows=64)
    for rows in (1, 2, 4, 8, 16, 32, 64):
        b.pace.observe(rows, rows * 0.004)
    b.batcher._objective._known = -1
    jobs = [Job(i) for i in range(20)]
    for job in jobs:
        with contextlib.suppress(Overloaded):
            b.submit(job)
    b.finish()
    assert max(b.observed.runs) <= 12
