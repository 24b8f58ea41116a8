"""A client of few instructions: ``client.py PORT PATH BODY CONNECTIONS SECONDS`` prints how many requests succeeded.

Each connection sends one request after the other and keeps the connection. Any status but 200 ends the measurement.
"""

import asyncio
import sys
import time
from pathlib import Path


class Asker(asyncio.Protocol):
    def __init__(self, request: bytes, until: float, done: asyncio.Future) -> None:
        self.request, self.until, self.done = request, until, done
        self.count, self.buffer = 0, b""

    def connection_made(self, transport) -> None:
        self.transport = transport
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, body = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        if b" 200 " not in head[:16]:
            self.end(SystemExit(f"{head[:80]!r} {body[:300]!r}"))
            return
        self.buffer, self.count = b"", self.count + 1
        if time.monotonic() < self.until:
            self.transport.write(self.request)
        else:
            self.end(None)

    def connection_lost(self, _error) -> None:
        self.end(SystemExit("the server closed a connection"))

    def end(self, error) -> None:
        if not self.done.done():
            self.done.set_exception(error) if error else self.done.set_result(self.count)


async def main(port: int, path: str, body: bytes, connections: int, seconds: float) -> None:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    )
    request = f"{head}\r\n".encode() + body
    loop = asyncio.get_running_loop()
    began = time.monotonic()
    waiting = []
    for _ in range(connections):
        done = loop.create_future()
        await loop.create_connection(lambda done=done: Asker(request, began + seconds, done), "127.0.0.1", port)
        waiting.append(done)
    counts = await asyncio.gather(*waiting)
    print(sum(counts), time.monotonic() - began)


if __name__ == "__main__":
    asyncio.run(
        main(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]).read_bytes(), int(sys.argv[4]), float(sys.argv[5]))
    )
