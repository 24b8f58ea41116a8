from __future__ import annotations

import socket
from contextlib import suppress
from time import monotonic

import pytest

from modelbuild_runtime.process.workers.keeping import Entrusting, Keeper, Lingering
from runtime.wires import parse


@pytest.fixture
def keeper():
    keeper = Keeper()
    yield keeper
    keeper.close()


@pytest.fixture
def pair():
    """What a client has, and what a worker has accepted."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = socket.create_connection(listening.getsockname(), 5)
        accepted, _ = listening.accept()
    with client, accepted:
        yield client, accepted


def dead(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False
    finally:
        client.settimeout(5)


def test_a_client_is_answered_though_its_worker_is_gone(keeper, pair):
    client, accepted = pair
    number = Entrusting(keeper.other.dup()).opened(accepted)
    accepted.close()
    keeper.hear()
    assert not dead(client)
    kept = keeper.answer(number, "abc")
    assert kept is not None
    client.sendall(b"more that nobody reads")
    data = b"".join(iter(lambda: client.recv(4096), b""))
    ((status, headers, body),) = parse(data)
    assert (status, headers["x-request-id"]) == (502, "abc")
    assert b'"code":"worker_died"' in body
    assert keeper.answer(number, "abc") is None
    lingering = Lingering(1.0)
    lingering.add(kept, monotonic())
    lingering.close(monotonic())
    assert kept.fileno() >= 0
    lingering.close(monotonic() + 2)
    assert kept.fileno() < 0


def kept(keeper: Keeper, accepted: socket.socket) -> None:
    """By the supervisor alone, from now on."""
    Entrusting(keeper.other.dup()).opened(accepted)
    accepted.close()
    keeper.hear()


def test_whoever_was_never_read_is_told_to_ask_again(keeper, pair):
    client, accepted = pair
    kept(keeper, accepted)
    client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    (sock,) = keeper.turn_away()
    with sock:
        ((status, headers, body),) = parse(b"".join(iter(lambda: client.recv(4096), b"")))
    assert (status, headers["retry-after"], headers["connection"]) == (503, "1", "close")
    assert b'"code":"worker_died"' in body


@pytest.mark.parametrize("sent", [b"", b"half of a request", b"a request, and another"])
def test_whoever_may_have_been_read_or_waits_for_nothing_is_told_nothing(keeper, pair, sent):
    """A part of an answer may be on its way: what is said after it would be taken for the rest."""
    client, accepted = pair
    client.sendall(sent)
    if sent:
        accepted.recv(9)
    kept(keeper, accepted)
    assert keeper.turn_away() == []
    keeper.close()
    with suppress(ConnectionResetError):
        assert client.recv(1) == b""


def test_a_closed_connection_is_let_go(keeper, pair):
    client, accepted = pair
    entrusting = Entrusting(keeper.other.dup())
    number = entrusting.opened(accepted)
    keeper.hear()
    accepted.close()
    assert not dead(client)
    entrusting.closed(number)
    keeper.hear()
    assert dead(client)


def test_what_cannot_be_said_now_is_said_later(keeper, pair):
    client, accepted = pair
    entrusting = Entrusting(keeper.other.dup())
    numbers = []
    while (number := entrusting.opened(accepted)) > 0:  # nobody hears
        numbers.append(number)
    accepted.close()
    for number in numbers:
        entrusting.closed(number)
    for _ in numbers:
        keeper.hear()
        entrusting.tell()
    keeper.hear()
    assert dead(client)


def test_a_supervisor_that_is_gone_keeps_nobody_from_working(keeper, pair):
    _, accepted = pair
    entrusting = Entrusting(keeper.other.dup())
    keeper.close()
    assert entrusting.opened(accepted) == 0
    entrusting.closed(1)
    assert entrusting.opened(accepted) == 0


def test_a_client_that_went_away_is_no_error(keeper, pair):
    client, accepted = pair
    number = Entrusting(keeper.other.dup()).opened(accepted)
    keeper.hear()
    client.close()
    accepted.close()
    for _ in range(2):  # the first is answered by a reset
        sock = keeper.answer(number, "abc")
        if sock is not None:
            sock.close()
