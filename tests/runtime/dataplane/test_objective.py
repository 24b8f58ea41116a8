from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from modelbuild_runtime.dataplane.forecast import Forecast
from modelbuild_runtime.dataplane.objective import Backlog, Objective, by_deadline

SLO = 0.020
NOW = 100.0
NOBODY = Backlog(0, 0)


def objective(*runs: tuple[int, float], slo: float = SLO, most: int = 64) -> Objective:
    """One whose forecast is sure of its runs."""
    forecast = Forecast()
    for run in runs:
        for _ in range(100):
            forecast.observe(*run)
    return Objective(slo, forecast, most)


def job(left: float, count: int = 1) -> Any:
    return SimpleNamespace(deadline=NOW + left, count=count, queued=NOW)


SUBLINEAR = ((1, 0.005), (2, 0.0055), (4, 0.006), (8, 0.007), (16, 0.0095), (32, 0.016))


def test_two_batches_in_a_row_are_in_time():
    assert 8 <= objective(*SUBLINEAR).rows < 16  # of 20 ms, two are for what is no run
    assert objective((1, 0.015)).rows == 1
    assert objective((1, 0.015), (8, 0.016), (9, 0.018)).rows == 8  # no two of one row are in time either
    assert objective().rows == 64


def test_who_comes_to_an_idle_model_is_let_in_unless_it_is_hopeless():
    assert objective((1, 0.005)).has_room(NOBODY, SLO, NOW)
    assert objective((1, 0.005)).has_room(NOBODY, SLO, NOW, 4)


def test_who_would_wait_for_too_long_is_not():
    model = objective(*SUBLINEAR)
    rows = model.rows
    running = Backlog(0, 0, NOW - 0.001, rows)
    assert model.has_room(running, SLO, NOW)
    assert model.has_room(Backlog(5, 5, NOW - 0.005, rows), SLO, NOW)
    assert not model.has_room(Backlog(rows, rows, NOW - 0.001, rows), SLO, NOW)
    assert not model.has_room(running, 0.009, NOW)


def test_a_run_that_does_not_end_lets_nobody_in():
    assert not objective(*SUBLINEAR).has_room(Backlog(0, 0, NOW - 1.0, 8), SLO, NOW)


def test_jobs_that_are_not_joined_wait_for_each_other():
    model = objective((1, 0.005))
    assert model.has_room(Backlog(1, 1, NOW, 1), SLO, NOW, alone=True)
    assert not model.has_room(Backlog(3, 3, NOW, 1), SLO, NOW, alone=True)


def test_the_batch_is_as_large_as_the_first_has_time_for():
    model = objective(*SUBLINEAR)
    waiting = [job(0.0091), *[job(0.019) for _ in range(10)]]
    assert model.choose(waiting, NOW) == (0, 8)


def test_one_that_is_nearly_late_does_not_make_everybody_late():
    model = objective(*SUBLINEAR)
    waiting = [job(0.0072), *[job(0.019) for _ in range(15)]]
    assert model.choose(waiting, NOW) == (1, model.rows)


def test_one_that_is_nearly_late_is_run_where_that_costs_nobody_anything():
    assert objective(*SUBLINEAR).choose([job(0.0072), job(0.019)], NOW).hopeless == 0


def test_what_is_late_by_itself_is_given_up():
    assert objective(*SUBLINEAR).choose([job(0.001), job(0.019)], NOW).hopeless == 1


def test_a_model_that_is_too_slow_is_tried_now_and_then():
    """Or a server would never learn that it can keep its objective again."""
    model = objective((1, 0.030))
    assert model.choose([job(SLO)], NOW) == (0, 1)
    assert model.choose([job(SLO)], NOW + 0.01).hopeless == 1
    assert not model.has_room(NOBODY, SLO, NOW + 0.01)
    assert model.has_room(NOBODY, SLO, NOW + 0.31)
    assert model.choose([job(0.31 + SLO)], NOW + 0.31) == (0, 1)


def test_a_probe_that_was_in_time_is_soon_followed_by_the_next():
    model = objective((1, 0.2))
    assert model.choose([job(SLO)], NOW) == (0, 1)
    model._forecast.observe(1, 0.008)
    assert not model.has_room(NOBODY, SLO, NOW + 0.007)
    assert model.has_room(NOBODY, SLO, NOW + 0.009)
    assert model.choose([job(0.009 + SLO)], NOW + 0.009) == (0, 1)
    model._forecast.observe(1, 0.2)
    assert not model.has_room(NOBODY, SLO, NOW + 0.9)


def test_a_request_of_many_rows_is_one_batch():
    model = objective((1, 0.001), (64, 0.012))
    assert model.choose([job(0.019, count=60)], NOW) == (0, 60)


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_known_gives_nobody_up(count):
    assert objective().choose([job(0.01, count)], NOW) == (0, 64)


def test_deadlines_are_in_order_and_none_waits_for_ever():
    jobs = [
        SimpleNamespace(name="none", deadline=160.0, queued=100.0),
        SimpleNamespace(name="near", deadline=100.5, queued=100.2),
        SimpleNamespace(name="next", deadline=101.5, queued=100.3),
    ]
    by_deadline(jobs, 1.0)
    assert [found.name for found in jobs] == ["near", "none", "next"]
