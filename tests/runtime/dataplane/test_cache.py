from __future__ import annotations

import asyncio
import gc
from time import monotonic
from typing import Any

import numpy as np
import pytest

from modelbuild_runtime.dataplane.cache import Cache
from modelbuild_runtime.errors import DeadlineExceeded, Overloaded, PredictionFailed
from modelbuild_runtime.request import Request, Response, Rows


class Job:
    def __init__(self, *items: Any, **request: Any) -> None:
        self.id = "an-id"
        self.trace = None
        self.request = Request(Rows(list(items)), **request)
        self.inputs = items
        self.count = len(items)
        self.key = None
        self.deadline = self.queued = self.received = 0.0
        self.cancelled = False
        self.cache = ""
        self.answers: list[Any] = []

    def again(self) -> Request:
        return self.request

    def answer(self, response: Response) -> None:
        self.answers.append(response)

    def fail(self, error: Exception) -> None:
        self.answers.append(type(error))


class Held:
    """A queue whose jobs the test answers."""

    def __init__(self) -> None:
        self.jobs: list[Any] = []
        self.full = False
        self.resumed: list[Any] = []

    def admit(self) -> None:
        raise Overloaded("full")

    def submit(self, job: Any) -> None:
        if self.full:
            raise Overloaded("full")
        job.deadline = job.request.deadline or monotonic() + 60
        self.jobs.append(job)

    def resume(self, job: Any) -> None:
        self.resumed.append(job)

    def land(self, value: Any = 1.0, at: int = 0) -> Response:
        response = Response(1, columns={"y": np.array([value])})
        self.jobs.pop(at).answer(response)
        return response


class Bench:
    def __init__(self, max_bytes: int = 1 << 20) -> None:
        self.queue = Held()
        self.seen: list[str] = []
        self.cache = Cache(self.queue, b"model", max_bytes, lambda outcome, seconds: self.seen.append(outcome))

    def ask(self, *items: Any, **request: Any) -> Job:
        job = Job(*items, **request)
        self.cache.submit(job)
        return job


@pytest.fixture
def bench() -> Bench:
    return Bench()


def values(job: Job) -> list[Any]:
    return [a.columns["y"].tolist() if isinstance(a, Response) else a for a in job.answers]


def test_what_was_asked_before_is_answered_at_once(bench):
    first = bench.ask([1, 2])
    bench.queue.land(5.0)
    second, other = bench.ask([1, 2]), bench.ask([1, 3])
    assert (values(first), values(second), values(other)) == ([[5.0]], [[5.0]], [])
    assert (first.cache, second.cache, other.cache) == ("miss", "hit", "miss")
    assert bench.seen == ["miss", "hit", "miss"]
    assert len(bench.queue.jobs) == 1


def test_who_asks_the_same_meanwhile_waits_for_the_same_run(bench):
    jobs = [bench.ask([1]) for _ in range(3)]
    assert len(bench.queue.jobs) == 1
    bench.queue.land(2.0)
    assert [values(job) for job in jobs] == [[[2.0]]] * 3
    assert bench.seen == ["miss", "shared", "shared"]


def test_one_of_them_who_goes_takes_nobody_along(bench):
    jobs = [bench.ask([1]) for _ in range(3)]
    jobs[0].cancelled = True
    assert not bench.queue.jobs[0].cancelled
    bench.queue.land(2.0)
    assert [values(job) for job in jobs] == [[], [[2.0]], [[2.0]]]


def test_when_all_have_gone_the_run_is_not_made_and_nobody_joins_it(bench):
    one, two = bench.ask([1]), bench.ask([1])
    one.cancelled = two.cancelled = True
    assert bench.queue.jobs[0].cancelled
    three = bench.ask([1])
    assert len(bench.queue.jobs) == 2
    bench.queue.jobs.pop(0)  # as the queue does with what is cancelled
    bench.queue.land(3.0)
    assert values(three) == [[3.0]]


def test_runs_that_nobody_waits_for_are_forgotten(bench):
    for i in range(1000):
        bench.ask([i]).cancelled = True
    assert len(bench.cache._flights) < 200


def test_an_error_is_everybody_s_and_is_not_kept(bench):
    jobs = [bench.ask([1]), bench.ask([1])]
    bench.queue.jobs.pop().fail(PredictionFailed("no"))
    assert [values(job) for job in jobs] == [[PredictionFailed]] * 2
    again = bench.ask([1])
    bench.queue.land(1.0)
    assert values(again) == [[1.0]]


def test_a_full_queue_refuses_what_is_not_known_and_answers_what_is(bench):
    bench.ask([1])
    bench.queue.land(1.0)
    bench.queue.full = True
    bench.cache.admit()
    assert values(bench.ask([1])) == [[1.0]]
    with pytest.raises(Overloaded):
        bench.ask([2])
    bench.queue.full = False
    late = bench.ask([2])
    bench.queue.land(2.0)
    assert values(late) == [[2.0]]


def test_who_is_in_more_of_a_hurry_does_not_wait_for_others(bench):
    now = monotonic()
    slow, hurried = bench.ask([1]), bench.ask([1], deadline=now + 1)
    assert len(bench.queue.jobs) == 2
    bench.queue.land(1.0, at=1)
    assert (values(slow), values(hurried)) == ([], [[1.0]])
    assert values(bench.ask([1])) == [[1.0]]
    bench.queue.land(1.0)
    assert values(slow) == [[1.0]]


def test_who_has_more_time_than_the_one_who_asked_first_asks_again(bench):
    now = monotonic()
    hurried, patient, also = bench.ask([1], deadline=now + 1), bench.ask([1]), bench.ask([1], deadline=now + 9)
    flight = bench.queue.jobs.pop()
    flight.cancelled = True  # as the queue does
    flight.fail(DeadlineExceeded("late"))
    assert values(hurried) == [DeadlineExceeded]
    bench.queue.land(4.0)
    assert (values(patient), values(also)) == ([[4.0]], [[4.0]])


def test_where_they_cannot_ask_again_they_are_told(bench):
    hurried, patient = bench.ask([1], deadline=monotonic() + 1), bench.ask([1])
    flight = bench.queue.jobs.pop()
    bench.queue.full = flight.cancelled = True
    flight.fail(DeadlineExceeded("late"))
    assert (values(hurried), values(patient)) == ([DeadlineExceeded], [Overloaded])


def test_the_least_asked_for_goes_when_there_is_no_room():
    bench = Bench(max_bytes=3 * 600)
    for i in range(3):
        bench.ask([i])
        bench.queue.land(float(i))
    assert len(bench.cache) == 3
    bench.ask([0])
    bench.ask([3])
    bench.queue.land(3.0)
    assert bench.cache.bytes <= 3 * 600
    assert [bench.ask([i]).cache for i in (0, 2, 3)] == ["hit"] * 3
    assert bench.ask([1]).cache == "miss"


def test_an_answer_that_is_larger_than_all_room_is_not_kept(bench):
    bench.ask([1])
    bench.queue.jobs.pop().answer(Response(1, columns={"y": np.zeros(1 << 20)}))
    assert (len(bench.cache), bench.cache.bytes) == (0, 0)


def test_bytes_are_counted(bench):
    for i, response in enumerate(
        [
            Response(1, columns={"y": np.zeros(1000)}),
            Response(1, columns={"y": np.array(["x" * 5000], object)}),
            Response(1, rows=[{"text": "x" * 6000, "list": [1.5] * 100}]),
        ]
    ):
        before = bench.cache.bytes
        bench.ask([i])
        bench.queue.jobs.pop().answer(response)
        assert 5000 < bench.cache.bytes - before < 15_000


def test_what_is_kept_is_nobody_else_s_memory(bench):
    batch = np.arange(1_000_000.0)
    bench.ask([1])
    bench.queue.jobs.pop().answer(Response(1, columns={"y": batch[5:6]}))
    batch[5] = 99
    (answer,) = bench.ask([1]).answers
    assert answer.columns["y"].tolist() == [5.0]
    assert answer.columns["y"].base is None
    with pytest.raises(ValueError, match="read-only"):
        answer.columns["y"][0] = 1
    rows = [{"a": [1]}]
    bench.ask([2])
    bench.queue.jobs.pop().answer(Response(1, rows=rows))
    rows[0]["a"].append(2)
    assert bench.ask([2]).answers[0].rows == [{"a": [1]}]


def test_an_answer_that_cannot_be_copied_is_given_and_not_kept(bench):
    def generator() -> Any:
        yield 1

    job = bench.ask([1])
    bench.queue.jobs.pop().answer(Response(1, rows=[generator()]))
    assert len(job.answers) == 1
    assert bench.ask([1]).cache == "miss"


@pytest.mark.parametrize("response", [Response(1, raw=b"x"), Response(1, parts=iter([1]))])
def test_bodies_of_handlers_and_parts_are_not_kept(bench, response):
    bench.ask([1])
    bench.queue.jobs.pop().answer(response)
    assert bench.ask([1]).cache == "miss"


def test_what_is_no_question_goes_straight_to_the_queue(bench):
    for job in (bench.ask([1], stream=True), bench.ask([1], stream=True), bench.ask([1], explain=True)):
        assert job in bench.queue.jobs
        assert job.cache == ""
    bench.cache.resume(part := Job())
    assert bench.queue.resumed == [part]


def test_one_whose_answer_cannot_be_sent_disturbs_nobody(bench):
    jobs = [bench.ask([1]) for _ in range(3)]
    jobs[1].answer = lambda response: 1 / 0  # type: ignore[method-assign, assignment]
    bench.queue.land(1.0)
    assert (values(jobs[0]), values(jobs[2])) == ([[1.0]], [[1.0]])


def test_no_cycle_keeps_what_was_answered(bench):
    bench.ask([1])
    bench.queue.land(1.0)
    gc.collect()
    assert bench.cache._flights == {}


def test_jobs_of_a_real_queue_are_told_where_their_answers_came_from():
    from modelbuild_runtime.dataplane.batcher import Batcher
    from modelbuild_runtime.dataplane.dataplane import Dataplane
    from modelbuild_runtime.dataplane.pace import Pace
    from modelbuild_runtime.metrics.metrics import Metrics
    from runtime.fakes import FakePipeline
    from runtime.wires import Client

    loop = asyncio.new_event_loop()
    client, metrics = Client(), Metrics()
    pipeline = FakePipeline()
    dataplane, pace = Dataplane(pipeline), Pace()
    pace.observe(1, 1e-6)
    limits = {"max_rows": 100, "max_waiting": 10, "timeout": 60.0}
    observer = metrics.of("m")
    cache = Cache(Batcher(dataplane.run, observer, pace, loop, **limits), b"m", 1000, observer.looked_up)
    client.app.open(client.app.routes._router, dataplane, cache)
    body = b"[[1,2,3]]"
    question = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
    for _ in range(2):
        client.send(question, question)
        loop.call_soon(loop.stop)
        loop.run_forever()
    loop.close()
    assert [(status, body) for status, _, body in client.responses] == [(200, b'{"y":[6.0]}')] * 4
    assert [head["x-cache"] for _, head, _ in client.responses] == ["miss", "shared", "hit", "hit"]
    assert pipeline.runs == [1]
    sums = metrics.statistics("m")
    assert (sums.cache_hits, sums.cache_misses) == (3, 1)
    assert sums.cache_hit_ns > 0
    other = Metrics()
    other.add(metrics.dump())
    assert other.of("m").cache == observer.cache
