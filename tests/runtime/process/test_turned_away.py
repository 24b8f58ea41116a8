"""Clients that are turned away: so many a second are told."""

from __future__ import annotations

from unittest import mock

import pytest

from modelbuild_runtime.process import turned_away
from modelbuild_runtime.process.turned_away import TurnedAway
from runtime.clocks import Loop


class Bench:
    def __init__(self) -> None:
        self.loop = Loop()
        self.draining = False
        self.told: list[tuple[int, float]] = []

    def ask(self, number: int) -> None:
        self.away.later(lambda: self.told.append((number, self.loop.now)))

    def wait(self, seconds: float) -> None:
        end = self.loop.now + seconds
        while self.loop.now < end:
            self.loop.advance(0.01)


@pytest.fixture
def bench():
    made = Bench()
    with mock.patch.object(turned_away, "monotonic", lambda: made.loop.now):  # noqa: PT008  # it moves
        made.away = TurnedAway(made.loop, lambda: made.draining)
        yield made


def test_a_few_are_told_at_once(bench):
    for number in range(50):
        bench.ask(number)
    assert [number for number, _ in bench.told] == list(range(50))


def test_of_many_so_many_a_second_are_told_in_order(bench):
    for number in range(400):
        bench.ask(number)
    assert len(bench.told) == 50
    bench.wait(0.5)
    assert 280 <= len(bench.told) <= 310
    bench.wait(0.5)
    assert [number for number, _ in bench.told] == list(range(400))
    bench.wait(5)
    bench.ask(400)
    assert bench.told[-1] == (400, bench.loop.now), "the crowd is gone"


def test_nobody_waits_for_longer_than_until_the_next_try(bench):
    asked = bench.loop.now
    for number in range(5000):
        bench.ask(number)
    bench.wait(1.05)
    assert [number for number, _ in bench.told] == list(range(5000))
    assert max(at for _, at in bench.told) <= asked + 1.05


def test_clients_that_ask_again_at_once_are_answered_no_more_often(bench):
    """Each is a client that asks again as soon as it is told."""

    def ask_again() -> None:
        bench.told.append((0, bench.loop.now))
        bench.loop.call_soon(bench.away.later, ask_again)

    for _ in range(150):
        bench.away.later(ask_again)
    for _ in range(200):
        bench.loop.turn()
        bench.loop.advance(0.01)
    assert 900 <= len(bench.told) <= 1150, "500 a second, for two seconds"


def test_nobody_is_kept_waiting_when_the_server_ends(bench):
    for number in range(1000):
        bench.ask(number)
    bench.draining = True
    bench.wait(0.03)
    assert len(bench.told) == 1000
