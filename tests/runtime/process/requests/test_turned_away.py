"""Clients that are turned away: so many a second are told."""

from __future__ import annotations

from types import SimpleNamespace
from unittest import mock

import pytest

from modelbuild_runtime.process.requests import turned_away
from modelbuild_runtime.process.requests.turned_away import TurnedAway
from runtime.clocks import Loop


class Bench:
    def __init__(self) -> None:
        self.loop = Loop()
        self.draining = False
        self.told: list[tuple[int, float]] = []
        self.ask_again = False

    def ask(self, number: int, deadline: float = 0.0) -> SimpleNamespace:
        exchange = SimpleNamespace(number=number, cancelled=False, deadline=deadline)
        self.away.later(exchange, None)
        return exchange

    def tell(self, exchange: SimpleNamespace, _response: None) -> None:
        self.told.append((exchange.number, self.loop.now))
        if self.ask_again:
            self.loop.call_soon(self.ask, exchange.number)

    def wait(self, seconds: float) -> None:
        end = self.loop.now + seconds
        while self.loop.now < end:
            self.loop.advance(0.01)


@pytest.fixture
def bench():
    made = Bench()
    with mock.patch.object(turned_away, "monotonic", lambda: made.loop.now):  # noqa: PT008  # it moves
        made.away = TurnedAway(made.loop, made.tell, lambda: made.draining)
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


def test_where_no_more_ask_than_can_be_told_nobody_waits_for_longer_than_until_the_next_try(bench):
    asked = bench.loop.now
    for number in range(1000):
        bench.ask(number)
    bench.wait(2)
    assert [number for number, _ in bench.told] == list(range(1000))
    assert max(at for _, at in bench.told) <= asked + 1.5, "450 of them within half a second after the first"


def test_a_crowd_of_any_size_is_told_only_so_many_a_second(bench):
    """Each asks again at once."""
    bench.ask_again = True
    for number in range(12_000):
        bench.ask(number)
    for _ in range(400):
        bench.loop.turn()
        bench.loop.advance(0.01)
    assert 1000 <= sum(at >= bench.loop.now - 1 for _, at in bench.told) <= 1050
    assert len({number for number, _ in bench.told}) == len(bench.told), "in order"


def test_nobody_waits_for_ever(bench):
    asked = bench.loop.now
    for number in range(30_000):
        bench.ask(number)
    bench.wait(11.1)
    assert [number for number, _ in bench.told] == list(range(30_000))
    assert max(at for _, at in bench.told) <= asked + 11.1


def test_who_does_not_wait_for_so_long_is_told_while_it_waits(bench):
    for number in range(900):
        bench.ask(number)
    asked = bench.loop.now
    bench.ask(900, asked + 0.3)
    bench.ask(901, asked + 30)
    bench.wait(2)
    told = dict(bench.told)
    assert told[900] <= asked + 0.2
    assert asked + 1 <= told[901] <= asked + 1.4


def test_who_has_gone_is_not_told_and_takes_nobody_s_turn(bench):
    exchanges = [bench.ask(number) for number in range(400)]
    for exchange in exchanges[50:350]:
        exchange.cancelled = True
    bench.wait(0.15)
    assert [number for number, _ in bench.told] == [*range(50), *range(350, 400)]


def test_clients_that_ask_again_at_once_are_answered_no_more_often(bench):
    bench.ask_again = True
    for number in range(150):
        bench.ask(number)
    for _ in range(200):
        bench.loop.turn()
        bench.loop.advance(0.01)
    assert 900 <= len(bench.told) <= 1150, "500 a second, for two seconds"


def test_nobody_is_kept_waiting_when_the_server_ends(bench):
    for number in range(1000):
        bench.ask(number)
    bench.draining = True
    bench.wait(0.06)
    assert len(bench.told) == 1000
