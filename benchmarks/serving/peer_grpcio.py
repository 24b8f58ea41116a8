"""The peer: grpcio's asyncio server, as written by hand; and the load, with grpcio's own client.

python peer_grpcio.py serve PORT        MODEL_FOLDER says where the workload is
python peer_grpcio.py load PORT CALLS SECONDS      so many calls in flight on one channel; prints how many were made
"""

import asyncio
import json
import os
import sys
import time
from pathlib import Path

import grpc
import numpy as np
from tritonclient.grpc import service_pb2, service_pb2_grpc

FOLDER = Path(os.environ["MODEL_FOLDER"])


class Servicer(service_pb2_grpc.GRPCInferenceServiceServicer):
    def __init__(self) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(FOLDER / "model.onnx"), options)
        self.name = self.session.get_inputs()[0].name

    async def ServerReady(self, _request, _context):
        return service_pb2.ServerReadyResponse(ready=True)

    async def ModelInfer(self, request, _context):
        from features import preprocess

        item = request.inputs[0]
        raw = np.frombuffer(request.raw_input_contents[0], np.float32).reshape(tuple(item.shape))
        answer = self.session.run(None, {self.name: preprocess(raw)})[-1]
        response = service_pb2.ModelInferResponse(model_name="w1", model_version="1", id=request.id)
        response.outputs.add(name="probabilities", datatype="FP32", shape=answer.shape)
        response.raw_output_contents.append(answer.tobytes())
        return response


async def serve(port: int) -> None:
    server = grpc.aio.server()
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(Servicer(), server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


async def load(port: int, calls: int, seconds: float) -> None:
    rows = np.array(json.loads((FOLDER / "rows.json").read_text()), np.float32)
    expected = np.array(json.loads((FOLDER / "answers.json").read_text()), np.float32)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        asked = service_pb2.ServerReadyRequest()
        while not (await stub.ServerReady(asked, wait_for_ready=True, timeout=30)).ready:  # noqa: ASYNC110  # remote
            await asyncio.sleep(0.1)
        name = (FOLDER / "input.txt").read_text()
        messages = [question(name, row) for row in rows]
        for message, answer in zip(messages, expected, strict=True):  # every answer right, before a number is believed
            raw = (await stub.ModelInfer(message)).raw_output_contents[-1]
            assert np.allclose(np.frombuffer(raw, np.float32), answer, atol=1e-4)
        end, made = time.monotonic() + seconds, 0

        async def ask(start: int) -> None:
            nonlocal made
            at = start
            while time.monotonic() < end:
                await stub.ModelInfer(messages[at % len(messages)])
                at += 1
                made += 1

        print("begin", flush=True)
        sys.stdin.readline()
        end = time.monotonic() + seconds
        await asyncio.gather(*[ask(start) for start in range(calls)])
    print(json.dumps({"calls": made}))


def question(name: str, row: np.ndarray) -> service_pb2.ModelInferRequest:
    message = service_pb2.ModelInferRequest(model_name="w1")
    message.inputs.add(name=name, datatype="FP32", shape=[1, len(row)])
    message.raw_input_contents.append(row.tobytes())
    return message


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        asyncio.run(serve(int(sys.argv[2])))
    else:
        asyncio.run(load(int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
