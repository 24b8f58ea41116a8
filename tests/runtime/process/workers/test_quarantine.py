from __future__ import annotations

import pytest

from modelbuild_runtime.process.workers.quarantine import Quarantine, fingerprint

LARGE = bytes(range(256)) * 400


@pytest.fixture
def both():
    """The supervisor's and a worker's, of which each has its own copy since the fork."""
    supervisor = Quarantine()
    worker = Quarantine.__new__(Quarantine)
    worker.__dict__.update(supervisor.__dict__, suspects={}, convicts={}, _cleared=set())
    return supervisor, worker


def changed(quarantine: Quarantine) -> bool:
    return quarantine.versions[0] != quarantine.version


def test_equal_requests_have_equal_fingerprints_and_no_others():
    assert fingerprint("/a", b"1") == fingerprint("/a", bytearray(b"1"))
    found = {fingerprint("/a", b"1"), fingerprint("/b", b"1"), fingerprint("/a", b"2")}
    found |= {fingerprint("/a", LARGE), fingerprint("/a", LARGE + b"1"), fingerprint("/a", b"1" + LARGE[1:])}
    assert len(found) == 6
    assert fingerprint("/a", LARGE) == fingerprint("/a", bytearray(LARGE))
    assert fingerprint("/a", b"") == 0


def test_what_was_in_flight_is_suspected_and_what_was_run_alone_is_convicted(both):
    supervisor, worker = both
    assert not changed(worker)
    assert supervisor.died({1, 2, 3}, 0) == []
    assert changed(worker)
    worker.look()
    assert not changed(worker)
    assert worker.suspects == {1: 1, 2: 1, 3: 1}
    assert supervisor.died({2, 4}, 2) == [2]
    worker.look()
    assert worker.suspects == {1: 1, 3: 1, 4: 1}
    assert list(worker.convicts) == [2]


def test_two_deaths_without_anything_else_in_flight_convict_too(both):
    supervisor, _ = both
    assert supervisor.died({5}, 0) == []
    assert supervisor.died({5}, 0) == [5]


def test_two_deaths_in_company_convict_nobody(both):
    supervisor, worker = both
    supervisor.died({5, 6}, 0)
    assert supervisor.died({5, 6}, 0) == []
    worker.look()
    assert worker.suspects == {5: 2, 6: 2}


def test_who_ran_alone_and_ended_nobody_is_no_suspect_until_the_next_death(both):
    supervisor, worker = both
    supervisor.died({5, 6}, 0)
    worker.look()
    worker.clear(5)
    supervisor.died({7, 8}, 0)
    worker.look()
    assert set(worker.suspects) == {6, 7, 8}
    supervisor.died({5, 6}, 0)
    worker.look()
    assert 5 in worker.suspects


def test_only_so_many_are_remembered(both):
    supervisor, worker = both
    for found in range(1, 1000):
        supervisor.died({found}, 0)
        supervisor.died({found}, 0)
        supervisor.died({found + 10_000, found + 20_000}, 0)
    worker.look()
    assert len(worker.suspects) == len(worker.convicts) == 256
    assert 999 in worker.convicts
