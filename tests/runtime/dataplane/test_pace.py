from modelbuild_runtime.dataplane.pace import Pace


def test_nothing_is_known_and_nothing_is_slow_at_first():
    pace = Pace()
    assert pace.estimate(100) == 0.0
    assert not pace.is_slow(100)


def test_a_slow_row_makes_all_slow_and_a_fast_row_large_batches_only():
    slow, fast = Pace(), Pace()
    slow.observe(1, 0.003)
    fast.observe(1, 0.0001)
    assert slow.is_slow(1)
    assert not fast.is_slow(1)
    assert not fast.is_slow(8)
    assert fast.is_slow(1000)


def test_what_was_measured_counts_more_than_what_was_guessed():
    pace = Pace()
    pace.observe(1, 0.0001)
    pace.observe(1000, 0.0002)
    assert not pace.is_slow(1000)
    assert pace.estimate(1000) == 0.0002


def test_one_hiccup_is_forgotten():
    pace = Pace()
    for _ in range(10):
        pace.observe(1, 0.00001)
    pace.observe(1, 0.1)
    assert pace.is_slow(1)
    for _ in range(30):
        pace.observe(1, 0.00001)
    assert not pace.is_slow(1)


def test_after_a_long_run_all_are_beside_the_loop_for_a_minute():
    now = [1000.0]
    pace = Pace(clock=lambda: now[0])
    pace.ran(1, 0.2)
    for _ in range(100):
        pace.ran(1, 0.00001)
    assert pace.is_slow(1)
    assert pace.is_slow(4)
    now[0] += 61
    assert not pace.is_slow(1)
