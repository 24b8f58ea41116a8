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


def test_a_larger_run_is_not_quicker_than_a_smaller_one_seen_since():
    forecast = learnt(*[(2**size, 0.001) for size in range(10)], *[(8, 0.080)] * 4)
    assert forecast.seconds(8) > 0.045
    assert forecast.seconds(512) >= forecast.seconds(8)


def test_the_parts_of_an_answer_say_nothing_of_rows():
    forecast = learnt((1, 0.005), *[(0, 1.0)] * 10)
    assert forecast.seconds(1) < 0.010


def test_a_run_that_is_long_after_a_long_one_is_no_hiccup():
    forecast = learnt(*[(1, 0.001)] * 50, *[(1, 1.0)] * 3)
    assert forecast.seconds(1) > 0.5


def test_what_was_not_seen_for_long_is_at_most_in_proportion():
    forecast = learnt((1, 0.2), (32, 1.0), *[(1, 0.005)] * 5000)
    assert forecast.seconds(32) <= 32 * forecast.seconds(1) * (1 + 1e-9)


def test_what_was_seen_just_now_is_believed_out_of_proportion():
    assert learnt(*[(1, 0.001), (32, 1.0)] * 100).seconds(32) >= 1.0


def test_quick_runs_are_no_reason_for_caution():
    forecast = learnt(*[(1, 0.2)] * 50, *[(1, 0.008)] * 13)
    assert forecast.seconds(1) < 0.045


@given(st.lists(st.tuples(st.integers(1, 2000), st.floats(1e-6, 10.0)), min_size=1, max_size=40), st.floats(1e-6, 5.0))
def test_more_rows_never_take_less_and_what_fits_fits(runs, budget):
    forecast = learnt(*runs)
    times = [forecast.seconds(rows) for rows in range(1, 130)]
    assert all(one <= other * (1 + 1e-9) for one, other in pairwise(times))
    rows = forecast.rows(budget, 128)
    assert rows == 0 or forecast.seconds(rows) <= budget
    assert rows == 128 or forecast.seconds(rows + 1) > budget
