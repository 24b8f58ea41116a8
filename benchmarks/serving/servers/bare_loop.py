"""asyncio's protocol on uvloop with httptools: what was read in one turn is one run. There is nothing else in it: no
routes, no limits, no errors, no numbers.
"""

import asyncio
import sys

import httptools
import msgspec
import uvloop
from w1_model import predict


class Body(msgspec.Struct):
    instances: list[list[float]]


decode, encode = msgspec.json.Decoder(Body).decode, msgspec.json.encode
waiting = []


class Connection(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
        self.parser = httptools.HttpRequestParser(self)

    def data_received(self, data):
        self.parser.feed_data(data)

    def on_body(self, body):
        if not waiting:
            asyncio.get_running_loop().call_soon(answer)
        waiting.append((self.transport, decode(body).instances))


def answer():
    rows = iter(predict([row for _, rows in waiting for row in rows]))
    for transport, asked in waiting:
        body = encode({"predictions": [next(rows) for _ in asked]})
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
        transport.write(head + body)
    waiting.clear()


async def main():
    server = await asyncio.get_running_loop().create_server(Connection, sys.argv[1], int(sys.argv[2]))
    await server.serve_forever()


uvloop.run(main())
