"""Goodput of a real process when ten times as many ask as it can answer, over real sockets.

It is counted by the processor time that the server had: whoever else uses the machine plays no part.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

from runtime.processes import Served, serving

REQUEST = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n[[%d,2,3]]"
TICKS = os.sysconf("SC_CLK_TCK")


class Client(asyncio.Protocol):
    """Asks again as soon as it is answered, whatever the answer; each answer must be its own."""

    def __init__(self, number: int, answers: Counter[int]) -> None:
        self.number = number
        self.answers = answers
        self.held = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(REQUEST % self.number)

    def data_received(self, data: bytes) -> None:
        self.held += data
        head, found, body = self.held.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        if found and length and len(body) == int(length.group(1)):
            self.held = b""
            status = int(head[9:12])
            assert status != 200 or body == b'{"y":[%d.0]}' % (self.number + 5), body
            self.answers[status] += 1
            self.transport.write(REQUEST % self.number)


async def crowd(port: int, clients: int, seconds: float) -> Counter[int]:
    """How many answers of each status so many clients got."""
    answers: Counter[int] = Counter()
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(lambda number=number: Client(number, answers), "127.0.0.1", port)
        for number in range(20, 20 + clients)  # of two digits
    ]
    await asyncio.sleep(seconds)
    for transport, _ in made:
        transport.abort()
    return Counter(answers)


def goodput(served: Served, clients: int, seconds: float) -> tuple[float, Counter[int]]:
    """Predictions in a second of the server's processor time; and all answers."""
    before = processor_seconds(served)
    answers = asyncio.run(crowd(served.port, clients, seconds))
    return answers[200] / (processor_seconds(served) - before), answers


def processor_seconds(served: Served) -> float:
    fields = Path(f"/proc/{served.process.pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def test_clients_that_are_turned_away_take_little_from_the_model(tmp_path: Path) -> None:
    with serving(tmp_path, FAKE_BUSY=0.02, MBUILD_QUEUE=4, MBUILD_MAX_BATCH_SIZE=4) as served:
        served.until_ready()
        goodput(served, 8, 1.0)
        alone, answers = goodput(served, 8, 2.0)
        assert set(answers) <= {200, 429}
        crowded, answers = goodput(served, 80, 3.0)
        assert set(answers) == {200, 429}
        assert crowded >= 0.8 * alone, (alone, crowded, answers)
