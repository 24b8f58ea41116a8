"""Not a peer but the limit: frames of HTTP/2 on uvloop, one run for what was read in one turn. There is nothing else in
it: header blocks are not looked at, nothing is checked, counted or bounded.

python bare_grpc.py PORT        MODEL_FOLDER says where the workload is
"""

import asyncio
import os
import struct
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import uvloop
from features import preprocess

from modelbuild_runtime.grpc import frames
from modelbuild_runtime.grpc.messages import load

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(str(Path(os.environ["MODEL_FOLDER"]) / "model.onnx"), options)
source = session.get_inputs()[0].name
messages = load("open_inference")
HEAD = b"\x88\x00\x0ccontent-type\x10application/grpc"
END = b"\x00\x0bgrpc-status\x010"
READY = messages.ServerReadyResponse(ready=True).SerializeToString()
waiting = []


class Connection(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
        self.rest = b""
        transport.write(frames.settings() + frames.window_update(0, 1 << 30))

    def data_received(self, data):
        data, at = self.rest + data, 24 if data.startswith(b"PRI") else 0
        while len(data) - at >= frames.HEAD_SIZE:
            word, flags, stream = frames.read_head(data, at)
            end = at + frames.HEAD_SIZE + (word >> 8)
            if end > len(data):
                break
            payload, at = data[at + frames.HEAD_SIZE : end], end
            kind = word & 0xFF
            if kind == frames.DATA and payload:
                self.ask(stream, payload[5:])
            elif kind in (frames.SETTINGS, frames.PING) and not flags & frames.ACK:
                self.transport.write(frames.frame(kind, frames.ACK, 0, payload if kind == frames.PING else b""))
        self.rest = data[at:]

    def ask(self, stream, message):
        if not message:  # of ServerReady
            self.answer(stream, READY)
            return
        if not waiting:
            asyncio.get_running_loop().call_soon(run)
        asked = messages.ModelInferRequest.FromString(message)
        waiting.append((self, stream, np.frombuffer(asked.raw_input_contents[0], np.float32)))

    def answer(self, stream, message):
        prefix = struct.pack(">BI", 0, len(message))
        self.transport.write(
            frames.frame(frames.HEADERS, frames.END_HEADERS, stream, HEAD)
            + frames.frame(frames.DATA, 0, stream, prefix + message)
            + frames.frame(frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, stream, END)
        )


def run():
    answers = session.run(None, {source: preprocess(np.stack([row for _, _, row in waiting]))})[-1]
    for (connection, stream, _), answer in zip(waiting, answers, strict=True):
        message = messages.ModelInferResponse(model_name="w1", model_version="1")
        message.outputs.add(name="probabilities", datatype="FP32", shape=(1, *answer.shape))
        message.raw_output_contents.append(answer.tobytes())
        connection.answer(stream, message.SerializeToString())
    waiting.clear()


async def main():
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


uvloop.run(main())
