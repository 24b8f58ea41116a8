"""The load of overload.py, a process of its own: sends questions, judges the answers, prints what became of them.

Only what falls into the measured seconds counts: for clients that wait, answers that came in them; of questions that
are sent whatever is answered, those that were due in them, whenever they are answered."""

import argparse
import asyncio
import contextlib
import heapq
import json
import random
import statistics
import time
from collections import Counter
from pathlib import Path

from processes import cpu_seconds

PATIENCE = 5.0
WARM_UP = {"closed": 0.5, "open": 1.5}
"""Seconds before the measured ones: connections are made, and the server has what it asks of a crowd in its caches."""
_AT_FIRST, _STEP = 256, 16
"""Connections at first, and how many more when none is free."""


class Client(asyncio.Protocol):
    """One connection: a question at a time. ``answered`` is called with itself, the status and the body."""

    def __init__(self, answered) -> None:
        self.answered = answered
        self.sent = 0.0
        self.question = 0
        self.asking = False
        self._buffer = b""

    def connection_made(self, transport) -> None:
        self.transport = transport

    def ask(self, question: int, data: bytes, due: float) -> None:
        self.question, self.sent, self.asking = question, due, True
        self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        if len(body) >= length:
            self._buffer, self.asking = body[length:], False
            self.answered(self, int(head[9:12]), body[:length])

    def connection_lost(self, _error) -> None:
        if self.asking:
            self.answered(self, 0, b"")


class Load:
    """Sends questions and judges their answers. ``since`` and ``until`` are the measured time; where it is the time of
    the answer that counts, ``waits``.
    """

    def __init__(self, folder: Path, port: int, slo: float, *, waits: bool) -> None:
        rows = json.loads((folder / "rows.json").read_text())
        self.expected = json.loads((folder / "answers.json").read_text())
        self.data = [_request(row) for row in rows]
        self.port, self.slo, self.waits = port, slo, waits
        self.idle: list[Client] = []
        self.connections = 0
        self.counts: Counter = Counter()
        self.times: list[float] = []
        self.since = self.until = 0.0
        self.again = None  # closed loop: what to do with a client that was answered

    async def connect(self, count: int) -> None:
        loop = asyncio.get_running_loop()
        self.connections += count
        for _ in range(count):
            _, client = await loop.create_connection(lambda: Client(self._answered), "127.0.0.1", self.port)
            self.idle.append(client)

    def ask(self, client: Client, due: float) -> None:
        question = random.randrange(len(self.data))
        client.ask(question, self.data[question], due)

    def _answered(self, client: Client, status: int, body: bytes) -> None:
        now = time.perf_counter()
        if status == 200:
            (answer,) = json.loads(body)["predictions"]
            numbers = answer["probabilities"] if isinstance(answer, dict) else answer
            expected = self.expected[client.question]
            if any(abs(one - other) > 1e-9 for one, other in zip(numbers, expected, strict=True)):
                raise SystemExit(f"a wrong answer: {answer}, expected {expected}")
        if self.since <= (now if self.waits else client.sent) < self.until:
            self._count(status, now - client.sent)
        if status and self.again is not None:
            self.again(client)
        elif status:
            self.idle.append(client)

    def _count(self, status: int, seconds: float) -> None:
        if status == 200:
            self.times.append(seconds)
            self.counts["good" if seconds <= self.slo else "late"] += 1
        else:
            self.counts[{429: "refused", 504: "expired"}.get(status, f"status {status}")] += 1


def _request(row: list) -> bytes:
    body = json.dumps({"instances": [row]}).encode()
    head = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % len(body) + body


async def closed(load: Load, clients: int) -> None:
    """Clients that ask again as soon as they are answered, or turned away."""
    await load.connect(clients)
    asking, load.idle = load.idle, []
    load.again = lambda client: load.ask(client, time.perf_counter())
    for client in asking:
        load.again(client)
    await asyncio.sleep(load.until - time.perf_counter())
    load.again = None


async def opened(load: Load, rate: float, connections: int) -> None:
    """Questions at random times, so many a second in the mean. Where no connection is free, there is one more, up to
    so many. A question's clock runs from when it was due: a load that falls behind counts against the server.
    """
    await load.connect(_AT_FIRST)
    due = time.perf_counter()
    while due < load.until:
        now = time.perf_counter()
        while due <= now and due < load.until:
            counted = due >= load.since
            if not load.idle and load.connections < connections:
                await load.connect(_STEP)
            if load.idle:
                load.ask(load.idle.pop(), due)
                load.counts["asked"] += counted
            else:
                load.counts["not sent"] += counted
            due += random.expovariate(rate)
        await asyncio.sleep(max(0.0, min(due - time.perf_counter(), 0.005)))
    await asyncio.sleep(min(PATIENCE, 10 * load.slo))


async def measured(load: Load, asks, pid: int) -> None:
    """Ask, and note the processor time that the server and this process had in the measured seconds."""
    asking = asyncio.ensure_future(asks)
    await asyncio.sleep(load.since - time.perf_counter())
    server, own = cpu_seconds(pid), time.process_time()
    await asyncio.sleep(load.until - time.perf_counter())
    load.counts["server"], load.counts["load"] = cpu_seconds(pid) - server, time.process_time() - own
    await asking


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    for name in ("port", "pid", "clients", "connections"):
        parser.add_argument(f"--{name}", type=int, default=0)
    for name in ("rate", "seconds", "slo"):
        parser.add_argument(f"--{name}", type=float, default=0)
    asked = parser.parse_args()
    with contextlib.suppress(ImportError):
        import uvloop

        uvloop.install()
    load = Load(asked.folder, asked.port, asked.slo, waits=not asked.rate)
    load.since = time.perf_counter() + WARM_UP["open" if asked.rate else "closed"]
    load.until = load.since + asked.seconds
    asks = opened(load, asked.rate, asked.connections) if asked.rate else closed(load, asked.clients)
    asyncio.run(measured(load, asks, asked.pid))
    middle = statistics.median(load.times) if load.times else 0.0
    worst = heapq.nlargest(max(1, len(load.times) // 100), load.times)[-1] if load.times else 0.0
    print(json.dumps({**load.counts, "connections": load.connections, "p50": middle, "p99": worst}))


if __name__ == "__main__":
    main()
