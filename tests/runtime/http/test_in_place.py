"""Large bodies over real sockets, on both event loops: however they are cut, they arrive as they were sent."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import uvloop

from modelbuild_runtime.http.connection import Connection
from modelbuild_runtime.http.in_place import InPlace
from modelbuild_runtime.http.message import HttpRequest, HttpResponse
from modelbuild_runtime.protocols import Route
from runtime.wires import Client, parse

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
ROOM = 1 << 20


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    def complete(coroutine: Any) -> Any:
        loop = LOOPS[request.param]()
        try:
            return loop.run_until_complete(asyncio.wait_for(coroutine, 20))
        finally:
            loop.close()

    return complete


def digest(body: Any) -> bytes:
    return hashlib.sha256(body).hexdigest().encode()


class Served:
    """An application on a socket: ``bodies`` it got, ``readers`` are the protocols that its transports have now."""

    def __init__(self, **settings: Any) -> None:
        self.bodies: list[Any] = []
        self.client = Client(Route("POST", "/digest", self._digest), **settings)
        self.app = self.client.app
        self.app.connections.clear()
        self.transports: list[Any] = []
        self.port = 0

    def _digest(self, http: HttpRequest) -> HttpResponse:
        self.bodies.append(http.body)
        return HttpResponse(200, digest(http.body))

    def _connection(self) -> Connection:
        served = self

        class Watched(Connection):
            __slots__ = ()

            def connection_made(self, transport: Any) -> None:
                served.transports.append(transport)
                super().connection_made(transport)

        return Watched(self.app)

    @property
    def reads(self) -> Any:
        return self.transports[-1].get_protocol()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        server = await asyncio.get_running_loop().create_server(self._connection, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        yield
        server.close()


def question(body: bytes, *fields: bytes, path: bytes = b"/digest") -> bytes:
    head = (b"POST %b HTTP/1.1" % path, b"Host: a", b"Content-Length: %d" % len(body), *fields)
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def body_of(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


async def sent(port: int, *pieces: bytes, answers: int, pause: float = 0.003) -> list[tuple[int, bytes]]:
    """Send the pieces one by one; status and body of each answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    told = b""
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(pause)
    while told.count(b"HTTP/1.1 ") < answers or len(parse(told)) < answers:
        more = await reader.read(1 << 16)
        if not more:
            break
        told += more
    writer.close()
    return [(status, body) for status, _, body in parse(told)]


def cut(data: bytes, *places: int) -> list[bytes]:
    ends = sorted(place % len(data) for place in places)
    return [data[start:end] for start, end in zip([0, *ends], [*ends, len(data)], strict=True)]


@pytest.mark.parametrize("size", [66_000, 300_000, ROOM - 200, ROOM, 3 * ROOM + 17, 9 * ROOM])
def test_bodies_of_any_size_arrive_as_they_were_sent_again_and_again(run, size):
    served = Served()
    bodies = [body_of(size, seed) for seed in range(3)]

    async def ask() -> list[tuple[int, bytes]]:
        async with served.listening():
            found = await sent(served.port, *map(question, bodies), answers=3, pause=0.05)
            await asyncio.sleep(0.01)
            return found

    assert run(ask()) == [(200, digest(body)) for body in bodies]
    assert [bytes(body) for body in served.bodies] == bodies
    assert served.app.held == 0
    assert not served.app.connections


@pytest.mark.parametrize(
    "places", [(10,), (60,), (70_000,), (-1,), (-2, -1), (59, 61, 63), (1000, 90_000, 90_001), (99_990, -30)]
)
def test_any_cut_of_a_first_and_a_second_request(run, places):
    served = Served()
    bodies = [body_of(100_000, seed) for seed in range(2)]
    pieces = [piece for body in bodies for piece in cut(question(body), *places)]

    async def ask() -> list[tuple[int, bytes]]:
        async with served.listening():
            return await sent(served.port, *pieces, answers=2)

    assert run(ask()) == [(200, digest(body)) for body in bodies]


def test_requests_of_other_sizes_and_places_in_between_and_all_in_one_go(run):
    served = Served()
    sizes = [100_000, 100_000, 10, 100_000, 200_000, 0, 200_000, 200_000, 70_000]
    bodies = [body_of(size, seed) for seed, size in enumerate(sizes)]
    health = b"GET /health/ready HTTP/1.1\r\nHost: a\r\n\r\n"
    data = health + b"".join(map(question, bodies)) + health
    expected = [(200, b'{"status":"ok"}'), *((200, digest(body)) for body in bodies), (200, b'{"status":"ok"}')]

    async def ask() -> None:
        async with served.listening():
            assert await sent(served.port, data, answers=len(expected)) == expected
            pieces = [data[at : at + 50_001] for at in range(0, len(data), 50_001)]
            assert await sent(served.port, *pieces, answers=len(expected)) == expected

    run(ask())


@pytest.mark.parametrize("seed", range(6))
def test_requests_of_any_sizes_in_pieces_of_any_sizes(run, seed):
    served, chance = Served(), random.Random(seed)
    sizes = [chance.choice([0, 500, 65_536, 65_537, 70_000, 70_000, 70_000, 400_000, 1_100_000]) for _ in range(25)]
    bodies = [body_of(size, number) for number, size in enumerate(sizes)]
    fields = [[b"X-Request-Id: %d" % number] if chance.random() < 0.2 else [] for number in range(len(sizes))]
    data = b"".join(question(body, *more) for body, more in zip(bodies, fields, strict=True))
    pieces = cut(data, *(chance.randrange(len(data)) for _ in range(60)))

    async def ask() -> list[tuple[int, bytes]]:
        async with served.listening():
            return await sent(served.port, *pieces, answers=len(bodies), pause=0)

    assert run(ask()) == [(200, digest(body)) for body in bodies]
    assert [bytes(body) for body in served.bodies] == bodies


def test_a_client_that_goes_on_sending_large_bodies_is_read_in_place_and_takes_no_memory_while_it_waits(run):
    served = Served()
    body = body_of(300_000)

    async def ask() -> list[Any]:
        async with served.listening():
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            seen = []
            for data in (question(body), question(body), question(b"x")):
                writer.write(data)
                await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(64)
                seen.append(served.reads)
            writer.close()
            return seen

    first, second, third = run(ask())
    assert isinstance(first, InPlace)
    assert second is first
    assert first._view is None
    assert isinstance(third, Connection)


@pytest.mark.parametrize("text", [1, 7, 100, 102])
def test_arrays_may_lie_over_what_follows_the_text_of_a_body(run, text):
    served = Served()
    bodies = [body_of(text) + body_of(80_000, seed) for seed in range(2)]
    field = b"Inference-Header-Content-Length: %d" % text
    pieces = [piece for body in bodies for piece in cut(question(body, field), 120)]

    async def ask() -> None:
        async with served.listening():
            await sent(served.port, *pieces, answers=2)

    run(ask())
    for body in served.bodies:
        assert np.frombuffer(memoryview(body)[text:], np.float64).flags.aligned


def test_what_follows_in_the_same_turn_of_the_loop_is_the_next_request(run):
    """As uvloop reads: again, before what the last read has called for was done."""
    taken, left, failed = [], [], []
    connection = SimpleNamespace(
        finished=False,
        begin_body=lambda *_: True,
        read_more=lambda _: None,
        take_body=lambda _, body: taken.append(bytes(body)),
        read_by=lambda _: None,
        data_received=left.append,
    )
    text = b"POST /digest HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n"
    reads = InPlace(connection, SimpleNamespace(headers={}, length=6), text)  # type: ignore[arg-type]

    async def read() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failed.append(context))
        reads.go_on(memoryview(b"ab"))
        data = b"cdefPOST /digest HTTP/1.1\r\n"
        while data:
            room = reads.get_buffer(-1)
            size = min(len(room), len(data))
            room[:size], data = data[:size], data[size:]
            del room
            reads.buffer_updated(size)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    run(read())
    assert not failed
    assert taken == [b"abcdef"]
    assert left == [b"POST /digest HTTP/1.1\r\n"]


def test_a_request_id_of_its_own_changes_nothing(run):
    served = Served()
    body = body_of(100_000)
    pieces = [piece for name in (b"a", b"b") for piece in cut(question(body, b"X-Request-Id: " + name), 500)]

    async def ask() -> list[tuple[int, bytes]]:
        async with served.listening():
            return await sent(served.port, *pieces, answers=2)

    assert run(ask()) == [(200, digest(body))] * 2


def test_who_asks_to_go_on_is_told_so_and_may_close(run):
    served = Served()
    body = body_of(100_000)
    head, _, _ = question(body, b"Expect: 100-continue", b"Connection: close").partition(b"\r\n\r\n")

    async def ask() -> tuple[bytes, bytes]:
        async with served.listening():
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            writer.write(head + b"\r\n\r\n")
            told = await reader.readuntil(b"\r\n\r\n")
            writer.write(body)
            rest = await reader.read()
            writer.close()
            return told, rest

    told, rest = run(ask())
    assert told == b"HTTP/1.1 100 Continue\r\n\r\n"
    ((status, headers, answered),) = parse(rest)
    assert (status, headers["connection"], answered) == (200, "close", digest(body))


def test_a_body_that_is_not_sent_to_its_end_is_refused_in_time_and_gives_its_room_back(run):
    served = Served(read_timeout=1)
    data = question(body_of(300_000))

    async def ask() -> tuple[int, list[Any]]:
        async with served.listening():
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            writer.write(data[:200_000])
            await asyncio.sleep(0.05)
            held = served.app.held
            (connection,) = served.app.connections
            connection.patrol(served.app.now + 1000)
            told = await reader.readuntil(b"\r\n\r\n")
            writer.write(data[200_000:])  # too late, and no request
            rest = await reader.read()
            writer.close()
            return held, parse(told + rest)

    held, ((status, headers, _),) = run(ask())
    assert held == 300_000
    assert (status, headers["connection"]) == (408, "close")
    assert served.app.held == 0
    assert served.bodies == []


def test_clients_that_leave_in_the_middle_give_their_room_back(run):
    served = Served()
    data = question(body_of(300_000))

    async def ask() -> None:
        async with served.listening():
            for pieces in ([data, data[:1000]], [data, data[:250_000]], [data[:250_000]]):
                await sent(served.port, *pieces, answers=0, pause=0.02)
                await asyncio.sleep(0.02)
                assert served.app.held == 0
                assert not served.app.connections

    run(ask())


def test_there_is_no_room_for_more_than_the_server_may_hold(run):
    served = Served(max_held=500_000)
    data = question(body_of(300_000))

    async def ask() -> tuple[Any, Any, int]:
        async with served.listening():
            _, other = await asyncio.open_connection("127.0.0.1", served.port)
            other.write(data[:1000])
            await asyncio.sleep(0.02)
            refused = await sent(served.port, data[:5000], answers=1)
            other.close()
            await asyncio.sleep(0.02)
            return refused, await sent(served.port, data, answers=1), served.app.held

    refused, taken, held = run(ask())
    assert [status for status, _ in refused] == [429]
    assert [status for status, _ in taken] == [200]
    assert held == 0
