from __future__ import annotations

import threading
import time

import pytest

from modelbuild_runtime.handler.pushed_parts import Pushed


def pushed(*values, returned="whole", error=None, alone=None, wait=None):
    def run(take):
        for value in values:
            take(value)
        if wait is not None:
            wait()
        if error is not None:
            raise error
        return returned

    return Pushed(run, alone or threading.Lock()).parts()


def drained(parts):
    """All parts, and the generator's value."""
    found = []
    while True:
        try:
            found.append(next(parts))
        except StopIteration as end:
            return found, end.value


def test_the_parts_in_order_and_then_the_whole():
    assert drained(pushed(1, 2, 3)) == ([1, 2, 3], "whole")
    assert drained(pushed()) == ([], "whole")


@pytest.mark.parametrize("error", [KeyError("x"), SystemExit(1)])
def test_what_the_handler_raises_comes_after_its_parts(error):
    parts = pushed(1, error=error)
    assert next(parts) == 1
    with pytest.raises(type(error)):
        next(parts)


def test_a_part_is_there_before_the_next_is_made():
    gate = threading.Event()
    parts = pushed(1, wait=gate.wait)
    assert next(parts) == 1
    gate.set()
    assert drained(parts) == ([], "whole")


def test_no_other_begins_until_the_handler_is_done():
    gate, alone = threading.Event(), threading.Lock()
    parts = pushed(1, wait=gate.wait, alone=alone)
    assert next(parts) == 1
    assert alone.locked()
    gate.set()
    drained(parts)
    assert not alone.locked()


def test_the_handler_goes_on_though_nobody_pulls():
    alone = threading.Lock()
    parts = pushed(*range(1000), alone=alone)
    with alone:  # it has ended
        assert drained(parts) == (list(range(1000)), "whole")


def test_a_handler_whose_client_is_gone_is_told_with_its_next_part():
    ended, gate, alone = [], threading.Event(), threading.Lock()

    def run(take):
        take(1)
        gate.wait()
        try:
            take(2)
        except ConnectionAbortedError as error:
            ended.append(error)
            raise

    parts = Pushed(run, alone).parts()
    next(parts)
    parts.close()
    gate.set()
    limit = time.monotonic() + 10
    while not ended and time.monotonic() < limit:
        time.sleep(0.001)
    assert "nobody waits" in str(ended[0])
    with alone:
        pass
