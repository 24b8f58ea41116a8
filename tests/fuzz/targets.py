"""What reads bytes that anybody may send. Each target takes any bytes, and fails where the server would: with an answer
that blames itself, with an exception, or by keeping what it should let go of.
"""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

import numpy as np

from contract.calls import Caller
from contract.models import MODELS
from contract.wires import server
from fuzz.differential import check_framing
from modelbuild_runtime.bodies import form_body, json_body, npy_body
from modelbuild_runtime.errors import (
    InvalidInput,
    LoadError,
    NotAcceptable,
    TooLarge,
    Unsupported,
    UnsupportedMediaType,
)
from modelbuild_runtime.grpc import frames
from modelbuild_runtime.grpc.messages import load
from modelbuild_runtime.http import media_type
from modelbuild_runtime.http.patience import UNREADABLE, patience
from modelbuild_runtime.leap_frame import binary_frame, json_frame
from modelbuild_runtime.manifest import Manifest, Model, Runtime
from modelbuild_runtime.process.models.archive import opened
from modelbuild_runtime.torchserve.java_properties import read_properties
from modelbuild_runtime.trace import context
from runtime.grpc.wires import Client, Peer, check_survival, message, opening

NAMES = sorted(MODELS)
WIRE = Path(__file__).parents[1] / "contract" / "wire"
PACKAGED = Manifest(Model("packaged", "1", "model/model.onnx"), Runtime("onnx", "1.2"))
_FRAMING = frozenset((b"host", b"content-length", b"transfer-encoding", b"connection", b"expect", b"upgrade"))


def of_requests(data: bytes) -> None:
    """A request as the goldens write it, to one of the models: method, target, fields and body are any."""
    name = NAMES[data[0] % len(NAMES)] if data else NAMES[0]
    head, _, body = data[1:].partition(b"\n\n")
    line, *fields = head.split(b"\n")
    method, target = ([*line.split(b" "), b"", b""])[:2]
    headers = {}
    for field in fields:
        key, _, value = field.partition(b":")
        if key.strip().lower() not in _FRAMING:
            headers[key.strip() or b"x"] = value.strip()
    try:
        answer = server(name).request(method or b"POST", target or b"/", headers, body)
    except ValueError:  # the head was no head, and what was answered is read as if there was a body
        return
    assert answer.status < 500 or answer.status == 501 or _is_meant(name, answer.body or b"Prediction failed"), (
        answer.wire[:500]
    )


def of_http(data: bytes) -> None:
    """Bytes on a connection, in pieces as the first of them says: as h11 frames them, or refused."""
    check_framing(data[1:], data[0] if data else 0)


def of_http2(data: bytes) -> None:
    """Bytes on a connection of gRPC, after a greeting or in its place."""
    peer = Peer(Client(max_body=1 << 16), greeted=bool(data) and data[0] != 0)
    check_survival(peer, data[2:], data[1] + 1 if len(data) > 1 else 1)


def of_calls(data: bytes) -> None:
    """A message to any method of gRPC of any model."""
    if len(data) < 2:
        return
    name = NAMES[data[0] % len(NAMES)]
    paths = _methods(name)
    answer = Caller(server(name)).call(paths[data[1] % len(paths)], data[2:])
    if answer.parts is not None and "Watch" not in paths[data[1] % len(paths)]:
        list(answer.parts)
    assert answer.status < 500 or answer.status == 501 or _is_meant(name, str(answer).encode()), answer


def of_forms(data: bytes) -> None:
    """A multipart form, or a form in the words of URLs."""
    for kind in (b"multipart/form-data; boundary=b", b"application/x-www-form-urlencoded"):
        _read(lambda kind=kind: form_body.read(data, media_type.parse(kind)))


def of_arrays(data: bytes) -> None:
    """An array of NumPy's."""
    _read(lambda: npy_body.read(data))


def of_frames(data: bytes) -> None:
    """A leap frame, binary and as JSON."""
    _read(lambda: binary_frame.read(data, 10_000))
    _read(lambda: json_frame.read(json_body.read(data)))


def of_archives(data: bytes) -> None:
    """A model archive. What is left behind is a finding."""
    with tempfile.TemporaryDirectory() as place, _temporary(place):
        path = Path(place, "m.mar")
        path.write_bytes(data)
        try:
            opened(path, "m", PACKAGED)
        except LoadError:
            assert [item.name for item in Path(place).iterdir()] == ["m.mar"]


def of_fields(data: bytes) -> None:
    """Values of header fields, and a file of properties."""
    media_type.parse.__wrapped__(data)
    media_type.choose.__wrapped__(data, ("application/json", "text/csv"))
    seconds = patience({b"x-request-timeout": data})
    assert seconds > 0 or seconds == UNREADABLE
    context.known(data.decode("latin-1"), {context.TRACEPARENT: data, b"tracestate": data})
    read_properties(data.decode("utf-8", "replace"))


TARGETS: dict[str, Callable[[bytes], None]] = {
    "requests": of_requests,
    "http": of_http,
    "http2": of_http2,
    "calls": of_calls,
    "forms": of_forms,
    "arrays": of_arrays,
    "frames": of_frames,
    "archives": of_archives,
    "fields": of_fields,
}


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
    elif target == "arrays":
        for array in (np.zeros((2, 3), np.float32), np.array(["a", "bc"]), np.array([True])):
            stream = io.BytesIO()
            np.save(stream, array)
            yield stream.getvalue()
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


def found(target: str) -> Iterator[Path]:
    """What was found once, and mended."""
    return iter(sorted((Path(__file__).parent / "found" / target).glob("*")))


def _read(reader: Callable[[], object]) -> None:
    with suppress(InvalidInput, NotAcceptable, TooLarge, Unsupported, UnsupportedMediaType):
        reader()


def _is_meant(name: str, answer: bytes) -> bool:
    """Two of the models fail where they are asked to."""
    return name in ("story", "mar") and any(
        words in answer for words in (b"its handler failed", b"Prediction failed", b"Out of resources")
    )


@lru_cache
def _methods(name: str) -> list[str]:
    routes = [route for protocol in server(name).protocols for route in protocol.routes if route.method == "GRPC"]
    return [route.path.removeprefix("/") for route in routes]


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
    for at in range(len(_methods(name))):
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


@contextmanager
def _temporary(place: str) -> Iterator[None]:
    """Where temporary files go for a while."""
    before, tempfile.tempdir = tempfile.tempdir, place
    try:
        yield
    finally:
        tempfile.tempdir = before
