"""What reads bytes that anybody may send. Each target takes any bytes, and fails where the server would: with an answer
that blames itself, with an exception, or by keeping what it should let go of.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from contract.calls import Caller
from contract.models import MODELS
from contract.wires import server
from fuzz.differential import check_framing
from modelbuild_runtime.bodies import csv_body, form_body, json_body, large_json, npy_body
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.errors import (
    InvalidInput,
    LoadError,
    NotAcceptable,
    SettingError,
    TooLarge,
    Unsupported,
    UnsupportedMediaType,
)
from modelbuild_runtime.handler import sagemaker_bodies
from modelbuild_runtime.http import media_type
from modelbuild_runtime.http.limits import Limits, beginning, inflate
from modelbuild_runtime.http.patience import UNREADABLE, patience
from modelbuild_runtime.leap_frame import binary_frame, json_frame
from modelbuild_runtime.manifest import Manifest, Model, Runtime
from modelbuild_runtime.process.models.archive import opened
from modelbuild_runtime.torchserve.config_properties import configured
from modelbuild_runtime.torchserve.java_properties import read_properties
from modelbuild_runtime.trace import context
from runtime.grpc.wires import Client, Peer, check_survival

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
    paths = methods(name)
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
    context.trace_of({context.TRACEPARENT: data, b"tracestate": data})
    read_properties(data.decode("utf-8", "replace"))


def of_tables(data: bytes) -> None:
    """CSV for any of the models, with a header or without, its cells parted in one way or the other."""
    contract = MODELS[NAMES[data[0] % len(NAMES)]]().contract if data else Contract()
    header = ("", "present", "absent")[data[1] % 3] if len(data) > 1 else ""
    _read(lambda: csv_body.read(data[2:], contract, header, separator=",;"[len(data) % 2]))


def of_slices(data: bytes) -> None:
    """JSON that is read part by part: as at once."""
    with patch.multiple(large_json, LARGE=data[0] % 32 if data else 1, _SLICE=data[1] % 16 + 1 if len(data) > 1 else 1):
        found = _value(large_json.read, data[2:])
    once = _value(json_body.read, data[2:])
    assert found is None or once is None or repr(found) == repr(once), (found, once)
    assert (found is None) >= (once is None) or b'"' in data, found


def of_codings(data: bytes) -> None:
    """A compressed body: never more than a body may be."""
    limits = Limits(body=1 << 16, elements=1000)
    coding = (b"gzip", b"deflate", b"gzip, deflate", b"deflate, gzip", b"x-gzip,identity")[data[0] % 5 if data else 0]
    inflated: list[bytes] = []
    _read(lambda: inflated.append(inflate(data[1:], coding, limits)))
    assert sum(map(len, inflated)) <= limits.body
    assert len(beginning(data[1:], coding, 100)) <= max(100, len(data))


def of_properties(data: bytes) -> None:
    """A config.properties."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "config.properties")
        path.write_bytes(data)
        with suppress(SettingError):
            configured({"TS_CONFIG_FILE": str(path), "MBUILD_MANIFEST": str(path)})


def of_toolkit(data: bytes) -> None:
    """The bodies that SageMaker's toolkit reads."""
    for kind in (sagemaker_bodies.JSON, sagemaker_bodies.LINES, sagemaker_bodies.CSV, sagemaker_bodies.NPY):
        with warnings.catch_warnings(action="ignore"):
            _read(lambda kind=kind: sagemaker_bodies.read(data, kind))


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
    "tables": of_tables,
    "toolkit": of_toolkit,
    "slices": of_slices,
    "codings": of_codings,
    "properties": of_properties,
}


def found(target: str) -> Iterator[Path]:
    """What was found once, and mended."""
    return iter(sorted((Path(__file__).parent / "found" / target).glob("*")))


def _read(reader: Callable[[], object]) -> None:
    with suppress(InvalidInput, NotAcceptable, TooLarge, Unsupported, UnsupportedMediaType):
        reader()


def _value(reader: Callable[[bytes], Any], data: bytes) -> tuple[Any] | None:
    """What is read, None where it is refused."""
    try:
        return (reader(data),)
    except (ValueError, InvalidInput, TooLarge):
        return None


def _is_meant(name: str, answer: bytes) -> bool:
    """Two of the models fail where they are asked to."""
    return name in ("story", "mar") and any(
        words in answer for words in (b"its handler failed", b"Prediction failed", b"Out of resources")
    )


@lru_cache
def methods(name: str) -> list[str]:
    """The paths of gRPC of a model."""
    routes = [route for protocol in server(name).protocols for route in protocol.routes if route.method == "GRPC"]
    return [route.path.removeprefix("/") for route in routes]


@contextmanager
def _temporary(place: str) -> Iterator[None]:
    """Where temporary files go for a while."""
    before, tempfile.tempdir = tempfile.tempdir, place
    try:
        yield
    finally:
        tempfile.tempdir = before
