from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelbuild_runtime.dataplane.forecast import Forecast


def learnt(*runs: tuple[int, float]) -> Forecast:
    forecast = Forecast()
    for rows, seconds in runs:
        forecast.observe(rows, seconds)
    return forecast


def test_nothing_known_promises_everything():
    assert learnt().seconds(5) == 0.0
    assert learnt().rows(0.001, 64) == 64


def test_beyond_what_was_seen_it_is_in_proportion():
    forecast = learnt((1, 0.004))
    assert forecast.seconds(4) == pytest.approx(4 * forecast.seconds(1))
    assert forecast.rows(0.02, 64) == 4  # 4 ms and a quarter of it


def test_between_two_sizes_it_is_a_straight_line():
    forecast = learnt((4, 0.010), (8, 0.012))
    assert forecast.seconds(6) == pytest.approx((forecast.seconds(4) + forecast.seconds(8)) / 2)


def test_a_larger_run_shows_what_smaller_ones_take_at_most():
    forecast = learnt((1, 0.050), (8, 0.010))
    assert forecast.seconds(1) == forecast.seconds(8)


def test_a_single_hiccup_does_not_turn_everybody_away():
    forecast = learnt(*[(1, 0.005)] * 20, (1, 10.0))
    assert forecast.seconds(1) < 0.010


def test_a_model_that_has_become_slower_is_noticed():
    forecast = learnt(*[(1, 0.005)] * 20, *[(1, 0.050)] * 40)
    assert forecast.seconds(1) > 0.045


def test_a_steady_pace_is_believed():
    forecast = learnt(*[(1, 0.005)] * 60)
    assert forecast.seconds(1) == pytest.approx(0.005, rel=0.01)


@given(st.lists(st.tuples(st.integers(1, 2000), st.floats(1e-6, 10.0)), min_size=1, max_size=40), st.floats(1e-6, 5.0))
def test_more_rows_never_take_less_and_what_fits_fits(runs, budget):
    forecast = learnt(*runs)
    times = [forecast.seconds(rows) for rows in range(1, 130)]
    assert all(one <= other * (1 + 1e-9) for one, other in pairwise(times))
    rows = forecast.rows(budget, 128)
    assert rows == 0 or forecast.seconds(rows) <= budget
    assert rows == 128 or forecast.seconds(rows + 1) > budget
