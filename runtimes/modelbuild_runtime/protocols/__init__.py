"""One file a wire protocol: routes, and pure functions between bytes and requests or responses.

A protocol module has ``protocol(service) -> Protocol``. It is found by standing in this folder. Where two protocols
claim one route, each says with ``when`` which requests are its own; one without ``when`` takes the rest.

Where a module has ``CLAIMS``, a tuple of plain strings, the paths of all its routes begin with one of these, and it is
not even imported before such a path is asked for. It is read from the file's text, and may claim more than it has: what
counts are the routes. A claim is one segment, "/v2", unless it begins with a placeholder: "/{model}/predict".

A method of gRPC is a route too, of the method ``GRPC`` and the path "/package.Service/Method": its request's body is
the message, its headers are the metadata, and an error's status says which code it becomes (``grpc.status``).
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Mapping, NamedTuple, Optional, Sequence, Tuple, Union
from typing import Protocol as Interface

from modelbuild_runtime.contract import Contract
from modelbuild_runtime.errors import ServerError
from modelbuild_runtime.http.message import HttpRequest, HttpResponse
from modelbuild_runtime.manifest import Example
from modelbuild_runtime.request import Request, Response
from modelbuild_runtime.settings import Settings


class Statistics(NamedTuple):
    """Sums since the start, over every protocol; times are in nanoseconds. ``rows`` counts inferences, ``batches``
    the model's executions. ``last`` is the wall clock of the last answer in milliseconds, 0 before any.
    """

    succeeded: int = 0
    failed: int = 0
    rows: int = 0
    batches: int = 0
    last: int = 0
    succeeded_ns: int = 0
    failed_ns: int = 0
    queue_ns: int = 0
    decode_ns: int = 0
    predict_ns: int = 0
    encode_ns: int = 0
    cache_hits: int = 0
    cache_misses: int = 0
    cache_hit_ns: int = 0
    cache_miss_ns: int = 0


class Summary(NamedTuple):
    """Predictions since the start, of all models and protocols, and how many are there at this moment. ``at`` is in
    seconds; two summaries tell a rate. ``counts`` are by the seconds that they took: up to each of ``edges``, and
    above.
    """

    at: float
    succeeded: int
    failed: int
    edges: Sequence[float]
    counts: Sequence[int]
    in_flight: int
    waiting: int
    queue_age_seconds: float


class Loaded(NamedTuple):
    """A model that was loaded while the server runs, from a place in the folder for models."""

    name: str
    version: str
    location: str


class Models(Interface):
    """Models beside the packaged one. Both verbs take long: they belong into a ``Task``. They raise ``Conflict``,
    ``InvalidInput``, ``OutOfResources`` and ``NotFound``.
    """

    def loaded(self) -> Sequence[Loaded]: ...
    def load(self, name: str, location: str) -> Loaded: ...
    def unload(self, name: str) -> None: ...


class Service(Interface):
    """What a protocol may know of the server it speaks for. ``environment`` is the process's, for a platform that
    describes itself there.
    """

    model_name: str
    model_version: str
    platform: str  # the runtime's name, "onnx"
    style: str  # of the handler: "functions", "torchserve" or "sagemaker", empty without one
    contract: Contract
    takes_raw: bool  # the handler decodes bodies by itself
    streams: bool  # the handler answers in parts where a request asks for that
    explains: bool  # the handler explains its predictions
    settings: Settings
    environment: Mapping[str, str]
    models: Optional[Models]  # None where models cannot be loaded while the server runs

    def now(self) -> float: ...  # the clock of ``HttpRequest.received``
    def live(self) -> bool: ...
    def ready(self) -> bool: ...
    def metrics(self) -> bytes: ...  # Prometheus text format 0.0.4
    def statistics(self) -> Statistics: ...
    def summary(self) -> Summary: ...
    def openapi(self) -> Dict[str, Any]: ...
    def examples(self, largest: int = ...) -> Sequence[Example]: ...  # for POST /predict, of at most so many values


Decoding = Callable[[Mapping[bytes, bytes]], Optional[Callable[[HttpRequest], Request]]]


class Prediction(NamedTuple):
    """A route that predicts. ``decode`` raises a ``ServerError`` for what it cannot read. Where the request wants its
    answer in parts (``stream``), ``encode`` may get a response with ``parts``, and gives one with ``parts``. Where it
    ``counts``, ``decode`` keeps the limit of values by itself, since it knows where in a body there is text. ``light``
    says of a large body that decoding it takes no longer than of a small one. ``decoding`` is asked once about header
    fields with which many requests come: a quicker ``decode`` for those, None where there is none.
    """

    decode: Callable[[HttpRequest], Request]
    encode: Callable[[HttpRequest, Request, Response], HttpResponse]
    counts: bool = False
    light: Optional[Callable[[HttpRequest], bool]] = None
    decoding: Optional[Decoding] = None


class Task(NamedTuple):
    """A route whose answer takes a while: it is made beside the loop, one at a time."""

    answer: Callable[[HttpRequest], HttpResponse]


def is_multi_model(environment: Mapping[str, str]) -> bool:
    """Whether SageMaker runs this container as a multi-model endpoint: it loads models, and names them in paths."""
    return environment.get("SAGEMAKER_MULTI_MODEL", "").lower() == "true"


Endpoint = Union[Prediction, Task, Callable[[HttpRequest], HttpResponse]]


class Route(NamedTuple):
    """``path`` may hold placeholders: "/v2/models/{model}/infer", and at its end one for all segments that are left:
    "/files/{path*}". ``operation`` is its OpenAPI 3.1 operation, empty where the route is promised to nobody. ``spare``
    is true for a path that the environment chose: the route is there unless another protocol's has that path. ``many``,
    of gRPC: the client sends a stream of messages, each of which is a request; they are answered in their order.
    ``mark`` are bytes without which no body is one that ``when`` takes, so that most need not be asked about.
    ``begins`` are beginnings of bodies: under the same head, ``when`` says the same of all that begin with one of them.
    ``public`` routes are answered without a key where others need one: those that say of the server or its model only
    whether it is well; or in another way, with what stands here in place of ``endpoint``.
    """

    method: str
    path: str
    endpoint: Endpoint
    when: Optional[Callable[[HttpRequest], bool]] = None
    operation: Mapping[str, Any] = {}
    spare: bool = False
    many: bool = False
    mark: bytes = b""
    begins: Tuple[bytes, ...] = ()
    public: Union[bool, Callable[[HttpRequest], HttpResponse]] = False


class Spoken(Interface):
    """A protocol that is there, or one that is made when it is needed."""

    @property
    def name(self) -> str: ...
    def may_have(self, path: str) -> bool: ...  # false: no route of this path or of one below its first segment
    def made(self) -> Protocol: ...


class Protocol(NamedTuple):
    """``error`` puts any error of these routes into the protocol's own shape and status. ``listener`` is empty for what
    clients ask, "management" for what only operators may, on a port of its own. ``prefixes`` are first segments of
    paths without a route here that are the protocol's all the same: it says in its own shape that they are not there.
    """

    name: str
    title: str
    routes: Sequence[Route]
    error: Callable[[HttpRequest, ServerError], HttpResponse]
    listener: str = ""
    prefixes: Sequence[str] = ()

    def may_have(self, _path: str) -> bool:
        """It is there: its routes tell."""
        return True

    def made(self) -> Protocol:
        """It is."""
        return self
