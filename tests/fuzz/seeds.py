"""What the fuzzer begins with: what is right, or nearly."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
import zlib
from collections.abc import Iterator

import numpy as np

from fuzz.targets import NAMES, WIRE, methods
from modelbuild_runtime.grpc import frames
from modelbuild_runtime.grpc.messages import load
from modelbuild_runtime.leap_frame import binary_frame, json_frame
from runtime.grpc.wires import message, opening


def seeds(target: str) -> Iterator[bytes]:
    """What is right, or nearly: from here the fuzzer goes on."""
    if target == "requests":
        for path in sorted(WIRE.glob("*/*.request")):
            for number in range(len(NAMES)):
                yield bytes([number]) + path.read_bytes()
    elif target == "http":
        for path in sorted(WIRE.glob("*/*.request")):
            head, _, body = path.read_bytes().partition(b"\n\n")
            fields = head.replace(b"\n", b"\r\n") + b"\r\nHost: a\r\n"
            yield b"\xff" + fields + b"Content-Length: %d\r\n\r\n" % len(body) + body
            yield b"\x07" + fields + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    elif target == "http2":
        yield b"\x01\xff" + opening() + frames.frame(frames.DATA, 1, 1, message())
        yield b"\x01\x08" + opening(path="/fake.Service/Chat") + frames.frame(frames.DATA, 1, 1, message() * 3)
        yield b"\x00\xff" + frames.PREFACE + frames.settings() + opening(flags=0)
    elif target == "calls":
        yield from _messages()
    elif target == "forms":
        yield b'--b\r\nContent-Disposition: form-data; name="x"; filename="y"\r\n\r\nvalue\r\n--b--\r\n'
        yield b"x=1&y=%20a+b"
    elif target in ("arrays", "toolkit"):
        for array in (np.zeros((2, 3), np.float32), np.array(["a", "bc"]), np.array([True])):
            stream = io.BytesIO()
            np.save(stream, array)
            yield stream.getvalue()
        yield b'[[1, 2.5], ["a", null]]'
        yield b"1,2\n3,nan\n"
    elif target == "frames":
        yield from _leap_frames()
    elif target == "archives":
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as made:
            made.writestr("MAR-INF/MANIFEST.json", '{"model": {"handler": "s.py:h", "serializedFile": "w"}}')
            made.writestr("s.py", "")
        yield stream.getvalue()
    elif target == "fields":
        yield b'application/json; charset="utf-8", text/csv;q=0.5'
        yield b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        yield b"a = b\\\n c\n"
    elif target == "tables":
        for number in range(len(NAMES)):
            for text in (b"1,2,3.5,4\n5,6,7,8\n", b'age,income,job,married\n40,100.5,cook,true\n41,1e3,"a\nb",\n'):
                yield bytes([number, 0]) + text
    elif target == "slices":
        for json_text in (
            b"[1, 2.5, null, true, -3e5]",
            b'["a,b", "c", 1]',
            b'{"a": [[1, 2], [3]], "b": [{"c": "]"}]}',
        ):
            yield b"\x04\x01" + json_text
    elif target == "codings":
        yield b"\x00" + gzip.compress(b"[1, 2, 3]")
        yield b"\x02" + zlib.compress(gzip.compress(bytes(70_000)))
    elif target == "properties":
        yield b"inference_address=http://0.0.0.0:8080\njob_queue_size=10\nload_models=all\n"
        yield b'models={"m": {"1.0": {"batchSize": 4, "maxBatchDelay": 10, "responseTimeout": 120}}}\n'


def _messages() -> Iterator[bytes]:
    """What some method understands, to all."""
    inference = load("open_inference")
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, 4], "contents": {"fp32_contents": [1, 2, 3, 4]}}
    yield from _to_all("iris", inference.ModelInferRequest(model_name="iris", inputs=[tensor]).SerializeToString())
    serving = load("tensorflow_serving")
    question = serving.PredictRequest(model_spec={"name": "iris"})
    question.inputs["x"].dtype = 1
    question.inputs["x"].float_val.extend([1, 2, 3, 4])
    yield from _to_all("iris", question.SerializeToString())
    asked = load("torchserve").PredictionsRequest(model_name="mar", input={"data": b'{"a": 1}'})
    yield from _to_all("mar", asked.SerializeToString())


def _to_all(name: str, body: bytes) -> Iterator[bytes]:
    for at in range(len(methods(name))):
        yield bytes([NAMES.index(name), at]) + body


def _leap_frames() -> Iterator[bytes]:
    for path in sorted(WIRE.glob("mleap/*.request")):
        yield path.read_bytes().partition(b"\n\n")[2]
    kinds = [
        {"name": "a", "type": "double"},
        {"name": "b", "type": {"type": "tensor", "base": "float", "dimensions": [2]}},
        {"name": "c", "type": {"type": "list", "base": "string"}},
    ]
    values = {"schema": {"fields": kinds}, "rows": [[1.5, {"values": [1, 2], "dimensions": [2]}, ["x"]]]}
    text = json.dumps(values).encode()
    yield text
    yield binary_frame.write(json_frame.read(values))
