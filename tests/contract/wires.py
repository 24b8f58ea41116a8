"""HTTP messages in files, and a whole server but for its sockets that answers them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from contract.models import MODELS
from modelbuild_runtime.dataplane.dataplane import Dataplane
from modelbuild_runtime.dataplane.pipeline import Pipeline
from modelbuild_runtime.handler.torchserve import TorchServePipeline
from modelbuild_runtime.http.connection import Connection
from modelbuild_runtime.manifest import Example
from modelbuild_runtime.openapi.document import document
from modelbuild_runtime.process.discovery import discover
from modelbuild_runtime.process.models.replay import Immediate
from modelbuild_runtime.process.ports.listeners import router
from modelbuild_runtime.process.requests.app import Application
from modelbuild_runtime.protocols import Models, Protocol, Spoken, Statistics, Summary
from modelbuild_runtime.security.keys import api_keys
from modelbuild_runtime.settings import Settings
from runtime.wires import FakeTransport

SETTINGS = Settings(
    max_body=8 << 20,
    max_elements=100_000,
    max_batch_size=64,
    default_output="-1",
    apps="hello, pictures:bytes",
)
STATISTICS = Statistics(3, 1, 5, 2, 1700000000000, 3000, 1000, 30, 40, 50, 60)
EXAMPLES = {
    "iris": {"x": [1, 2, 3, 4]},
    "loan": {"age": 40, "income": 100, "job": "cook"},
    "matrix": {"inputs": {"m": [[1, 2, 3], [4, 5, 6]]}},
    "picture": {"image": "pixels"},
    "story": {"prompt": "once upon a time"},
}


class Service:
    """What protocols are told of one of ``MODELS``."""

    def __init__(
        self, name: str, pipeline: Pipeline, settings: Settings, environment: Mapping[str, str], *, ready: bool
    ) -> None:
        self.model_name = name
        self.model_version = "1"
        self.platform = "onnx"
        self.style = "torchserve" if isinstance(pipeline, TorchServePipeline) else ""
        self.contract = pipeline.contract
        self.takes_raw = pipeline.wants == "raw"
        self.streams = getattr(pipeline, "streams", False)
        self.explains = getattr(pipeline, "explains", False)
        self.settings = settings
        self.environment = environment
        self.models: Models | None = None
        self.protocols: Sequence[Spoken] = ()
        self._ready = ready

    def now(self) -> float:
        return 0.0  # no golden may hang on how long it took

    def live(self) -> bool:
        return self._ready

    def ready(self) -> bool:
        return self._ready

    def metrics(self) -> bytes:
        return b"up 1\n"

    def statistics(self) -> Statistics:
        return STATISTICS

    def summary(self) -> Summary:
        return Summary(12.5, 3, 1, (0.001, 0.01), (2, 1, 1), 1, 0, 0.0)

    def openapi(self) -> dict[str, Any]:
        return document(self, [one.made() for one in self.protocols])

    def examples(self, largest: int = 0) -> list[Example]:
        return [Example(EXAMPLES[self.model_name])] if self.model_name in EXAMPLES else []


class Server:
    """Serves one of ``MODELS``."""

    def __init__(
        self,
        name: str,
        *,
        ready: bool = True,
        environment: Mapping[str, str] | None = None,
        settings: Settings = SETTINGS,
    ) -> None:
        self.pipeline = pipeline = MODELS[name]()
        self.service = Service(name, pipeline, settings, environment or {}, ready=ready)
        self.service.protocols = spoken = discover(self.service)
        dataplane = Dataplane(pipeline)
        routes = router(spoken)
        self._app = Application(settings, routes, api_keys(settings))
        self._app.open(routes, dataplane, Immediate(dataplane))

    @property
    def protocols(self) -> list[Protocol]:
        """All, made if they were not yet."""
        return [one.made() for one in self.service.protocols]

    def ask(self, method: str, target: str, body: bytes = b"", **headers: str) -> Answer:
        """One request; header names with _ for -."""
        wired = {name.replace("_", "-").encode(): value.encode("latin-1") for name, value in headers.items()}
        return self.request(method.encode(), target.encode(), wired, body)

    def request(self, method: bytes, target: bytes, headers: dict[bytes, bytes], body: bytes) -> Answer:
        """One request on a connection of its own."""
        fields = b"".join(b"%b: %b\r\n" % field for field in headers.items())
        head = b"%b %b HTTP/1.1\r\nHost: test\r\n%bContent-Length: %d\r\n\r\n" % (method, target, fields, len(body))
        transport = FakeTransport()
        connection = Connection(self._app)
        connection.connection_made(transport)  # type: ignore[arg-type]
        connection.data_received(head + body)
        connection.connection_lost(None)
        return Answer(transport.written)


class Answer:
    """A response as it was written."""

    def __init__(self, wire: bytes) -> None:
        self.wire = wire
        head, _, self.body = wire.partition(b"\r\n\r\n")
        line, *fields = head.decode("latin-1").split("\r\n")
        self.status = int(line.split(" ")[1])
        self.headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
        self.content_type = self.headers.get("content-type", "")


@lru_cache
def server(name: str, *, ready: bool = True) -> Server:
    return Server(name, ready=ready)


def answer(model: str, message: bytes) -> bytes:
    """The answer to a message, lines of its head ending in LF in both, so that files can hold them."""
    head, _, body = message.partition(b"\n\n")
    line, *fields = head.split(b"\n")
    method, target, _ = line.split(b" ")
    headers = {name.strip(): value.strip() for name, _, value in (field.partition(b":") for field in fields)}
    wire = server(model).request(method, target, {b"X-Request-Id": b"golden", **headers}, body).wire
    start, _, rest = wire.partition(b"\r\n\r\n")
    return start.replace(b"\r\n", b"\n") + b"\n\n" + rest
