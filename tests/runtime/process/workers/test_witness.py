"""What a worker leaves behind, through all layers but the socket."""

from __future__ import annotations

import json

import pytest

from modelbuild_runtime.process.workers import flights as module
from modelbuild_runtime.process.workers.flights import Flights
from modelbuild_runtime.process.workers.quarantine import Quarantine, fingerprint
from modelbuild_runtime.process.workers.witness import Witness
from runtime.wires import Client, request

ONE = fingerprint("/predict", b"[[1,2,3]]")


@pytest.fixture
def flights() -> Flights:
    return Flights()


@pytest.fixture
def quarantine() -> Quarantine:
    return Quarantine()


@pytest.fixture
def client(flights, quarantine) -> Client:
    client = Client(hold=True)
    client.app.witness = Witness(flights, quarantine)
    return client


def test_what_is_in_flight_is_written_down_and_what_is_answered_is_not(client, flights):
    client.send(request(b"[[1,2,3]]", b"X-Request-Id: a"), request(b"[[4,5,6]]", b"X-Request-Id: b"))
    (first, second) = sorted(flights.read())
    assert (first.id, first.fingerprint, second.id) == ("a", ONE, "b")
    client.queue.answer(1)
    assert [flight.id for flight in flights.read()] == ["a"]
    client.queue.answer(0)
    assert flights.read() == []


def test_only_a_connection_with_nothing_else_on_its_way_can_be_answered_by_another(client, flights):
    client.connection.writer.number, client.connection.writer.unsent = 7, client.transport.get_write_buffer_size
    client.send(request(b"[[1,2,3]]", b"X-Request-Id: a"), request(b"[[1,2,3]]", b"X-Request-Id: b"))
    assert {flight.id: (flight.connection, flight.answerable) for flight in flights.read()} == {
        "a": (7, True),
        "b": (7, False),
    }
    client.queue.answer(0)
    client.queue.answer(1)
    client.transport.unread = 10
    client.send(request())
    (unread,) = flights.read()
    assert not unread.answerable
    other = client.another()
    other.send(request())  # number 0: nobody else has the connection
    assert not any(flight.answerable for flight in flights.read())


def test_a_client_that_went_away_is_forgotten_unless_its_request_still_runs(client, flights):
    witness = client.app.witness
    client.send(request(), request())
    first, second = client.queue.jobs

    def run(jobs):
        client.connection.connection_lost(None)
        witness.sweep()
        assert [flight.id for flight in flights.read()] == [first.id]
        return []

    witness.running(run)([first])
    witness.sweep()
    assert flights.read() == []
    assert second.place == first.place == -1


def test_a_suspect_is_run_alone_and_that_is_written_down(client, flights, quarantine):
    other = Quarantine.__new__(Quarantine)
    other.__dict__.update(quarantine.__dict__, suspects={}, convicts={})
    other.died({ONE, 5}, 0)
    client.send(request(), request(b"[[4,5,6]]"))
    suspect, innocent = client.queue.jobs
    seen = []

    def ran(jobs):
        seen.append((flights.alone, len(jobs)))
        return [f"answer to {job.id}" for job in jobs]

    run = client.app.witness.running(ran)
    assert run([innocent]) == [f"answer to {innocent.id}"]
    jobs = [innocent, suspect, innocent]
    assert run(jobs) == [f"answer to {job.id}" for job in jobs]
    assert run(jobs) == [f"answer to {job.id}" for job in jobs]
    assert run([suspect]) == [f"answer to {suspect.id}"]
    assert seen == [(0, 1), (ONE, 1), (0, 2), (0, 3), (0, 1)]


def test_a_convict_is_refused_in_its_protocol_s_shape(client, flights, quarantine):
    other = Quarantine.__new__(Quarantine)
    other.__dict__.update(quarantine.__dict__, suspects={}, convicts={})
    other.died({ONE}, 0)
    other.died({ONE}, 0)
    client.send(request())
    ((status, _, body),) = client.responses
    assert (status, json.loads(body)["fake"]) == (
        422,
        "this request has ended this server's processes twice, and is not run again",
    )
    assert flights.read() == []


def test_more_than_there_are_places_for_are_served_all_the_same(client, flights):
    for _ in range(module.PLACES + 10):
        client.another().send(request())
    assert len(client.queue.jobs) == module.PLACES + 10
    assert len(flights.read()) == module.PLACES
    for position in range(len(client.queue.jobs)):
        client.queue.answer(position)
    assert flights.read() == []


def test_a_new_worker_begins_with_nothing(flights, quarantine):
    flights.write(flights.places[3], 1, False, 1, 0, 1, b"a")
    assert [flight.id for flight in flights.read()] == ["a"]
    flights.alone = 5
    Witness(flights, quarantine)
    assert flights.read() == []
    assert flights.alone == 0
