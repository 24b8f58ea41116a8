from __future__ import annotations

import tracemalloc

import pytest

from modelbuild_runtime.http.message import HttpRequest, HttpResponse
from modelbuild_runtime.http.router import Router
from modelbuild_runtime.protocols import Prediction, Protocol, Route
from runtime.fakes import decode, encode, fake_error


def answer(name: str):
    return lambda http: HttpResponse(200, name.encode())


def protocol(name: str, *routes: Route) -> Protocol:
    return Protocol(name, name, routes, fake_error)


ROUTER = Router(
    [
        protocol(
            "oip",
            Route("GET", "/v2/models/{model}", answer("model")),
            Route("POST", "/v2/models/{model}/infer", Prediction(decode, encode)),
            Route("POST", "/v2/models/{model}/versions/{version}/infer", answer("versioned")),
            Route("GET", "/v2/models/stats", answer("stats")),
        ),
        protocol("tfs", Route("POST", "/v1/models/{model}:predict", answer("predict"))),
        protocol("mlflow", Route("POST", "/invocations", answer("mlflow"), when=lambda http: b"columns" in http.body)),
        protocol(
            "sagemaker",
            Route("POST", "/invocations", answer("sagemaker")),
            Route("GET", "/ping", answer("ping")),
        ),
        protocol("ops", Route("GET", "/", answer("root")), Route("GET", "/ping/deep", answer("deep"))),
    ]
)


def find(method: str, target: str):
    return ROUTER.find(method.encode(), target.encode())


@pytest.mark.parametrize(
    "method, target, protocol_name, params",
    [
        ("GET", "/", "ops", {}),
        ("GET", "/ping", "sagemaker", {}),
        ("GET", "/ping?probe=1", "sagemaker", {}),
        ("GET", "/ping/", "sagemaker", {}),
        ("GET", "/v2/models/stats", "oip", {}),
        ("GET", "/v2/models/m", "oip", {"model": "m"}),
        ("GET", "/v2/models/m%2Fn%C3%A9/", "oip", {"model": "m/né"}),
        ("POST", "/v2/models/m/infer", "oip", {"model": "m"}),
        ("POST", "/v2/models/m/versions/1/infer", "oip", {"model": "m", "version": "1"}),
        ("POST", "/v1/models/a.b-c:predict", "tfs", {"model": "a.b-c"}),
        ("GET", "http://host:8080/ping?x", "sagemaker", {}),
        ("GET", "http://host:8080", "ops", {}),
        ("HEAD", "/ping", "sagemaker", {}),
    ],
)
def test_targets_lead_to_routes(method, target, protocol_name, params):
    match = find(method, target)
    assert match.only is not None
    assert match.only.protocol.name == protocol_name
    assert match.params == params


def test_the_query_is_kept_apart_from_the_path():
    match = find("GET", "/ping?a=%20b&c")
    assert (match.path, match.query) == ("/ping", "a=%20b&c")


def test_a_route_predicts_or_answers():
    assert find("POST", "/v2/models/m/infer").only.predicts
    bound = find("GET", "/ping").only
    assert not bound.predicts
    assert bound.answer(HttpRequest("GET", "/ping", "", {}, b"", {})).body == b"ping"


def test_shared_routes_ask_those_with_a_condition_first():
    match = find("POST", "/invocations")
    assert match.only is None
    assert [bound.protocol.name for bound in match.routes] == ["mlflow", "sagemaker"]


@pytest.mark.parametrize("order", [1, -1])
def test_the_order_of_protocols_does_not_matter(order):
    one = protocol("a", Route("POST", "/x", answer("a")))
    other = protocol("b", Route("POST", "/x", answer("b"), when=lambda http: True))
    match = Router([one, other][::order]).find(b"POST", b"/x")
    assert [bound.protocol.name for bound in match.routes] == ["b", "a"]


def test_another_method_is_told_which_are_allowed():
    match = find("DELETE", "/ping")
    assert match.routes == ()
    assert match.allowed == ("GET", "HEAD")
    assert find("GET", "/invocations").allowed == ("POST",)


@pytest.mark.parametrize(
    "target, owner",
    [
        ("/v2/nothing/here", "oip"),
        ("/v2", "oip"),
        ("/v1/models/m:explain", "tfs"),
        ("/ping/other", None),  # two protocols have this prefix
        ("/invocations/x", None),
        ("/nothing", None),
        ("*", None),
        ("//v2/models/m", None),
    ],
)
def test_what_is_unknown_belongs_to_the_protocol_with_its_prefix(target, owner):
    match = find("GET", target)
    assert match.routes == ()
    assert (match.owner.name if match.owner else None) == owner


def test_a_protocol_may_own_paths_that_it_does_not_have():
    one = protocol("one", Route("GET", "/info", answer("info")))._replace(prefixes=("train", "both"))
    router = Router([one, protocol("two", Route("GET", "/both/x", answer("x")))])
    owners = {path: router.find(b"GET", path).owner for path in (b"/train", b"/train/5", b"/info/x", b"/both/y")}
    assert {path: owner and owner.name for path, owner in owners.items()} == {
        b"/train": "one",
        b"/train/5": "one",
        b"/info/x": "one",
        b"/both/y": None,
    }


@pytest.mark.parametrize(
    "target", ["/v2/models//infer", "/v2/models/a/b/infer", "/V2/models/m", "/v2/models/m/infer/x"]
)
def test_placeholders_take_one_segment_that_is_not_empty(target):
    assert find("POST", target).routes == ()


def test_memory_of_targets_is_bounded():
    router = Router([protocol("a", Route("GET", "/a", answer("a")))])
    for i in range(2000):
        router.find(b"GET", b"/a?%d" % i)
        router.find(b"GET", b"/unknown%d" % i)
    assert len(router._known) <= 512
    assert router.find(b"GET", b"/a?1").only is not None


SHARED = Router(
    [
        protocol(
            "tfs",
            Route("GET", "/v1/models/{model}", answer("status"), when=lambda http: False),
            Route("POST", "/v1/models/{model}:predict", answer("predict")),
            Route("GET", "/v1/models/{model}/metadata", answer("metadata")),
        ),
        protocol(
            "kserve",
            Route("GET", "/v1/models/{model}", answer("ready")),
            Route("POST", "/v1/models/{model}:predict", answer("predict"), when=lambda http: True),
            Route("GET", "/v1/about", answer("about")),
        ),
        protocol("any", Route("POST", "/{model}/predict", answer("any"))),
    ]
)


@pytest.mark.parametrize(
    "method, target, owner",
    [
        ("GET", "/v1/models/m:predict", "tfs"),  # it takes what the other one leaves
        ("POST", "/v1/models/m", "kserve"),
        ("POST", "/v1/models/m/metadata", "tfs"),
        ("GET", "/v1/models/m/other", "tfs"),  # nobody else has paths below a model
        ("GET", "/v1/models/m%2Fn/other/5", "tfs"),
        ("PUT", "/v1/models", None),
        ("GET", "/v1/other", None),
        ("GET", "/other", None),
    ],
)
def test_what_is_malformed_belongs_to_the_protocol_that_alone_has_the_path(method, target, owner):
    match = SHARED.find(method.encode(), target.encode())
    assert match.routes == ()
    assert (match.owner.name if match.owner else None) == owner


def test_a_method_of_grpc_is_nothing_to_http():
    router = Router([Protocol("calls", "", (Route("GRPC", "/a.B/C", lambda _: HttpResponse(200)),), fake_error)])
    assert router.find(b"GRPC", b"/a.B/C").only is not None
    assert router.find(b"POST", b"/a.B/C").routes == router.find(b"POST", b"/a.B/C").allowed == ()


def test_a_path_of_very_many_parts_is_looked_up_in_no_more_than_there_are():
    target = b"/v2/models" + b"/a" * 4000
    tracemalloc.start()
    assert ROUTER.find(b"GET", target).owner.name == "oip"
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


class Late:
    """A protocol that is made when a path is asked for that begins as its own."""

    def __init__(self, made: Protocol, *beginnings: str) -> None:
        self.name = made.name
        self._made = made
        self._beginnings = beginnings

    def may_have(self, path: str) -> bool:
        return path.startswith(self._beginnings)

    def made(self) -> Protocol:
        return self._made


def test_protocols_that_come_late_keep_their_places():
    first = Late(protocol("first", Route("GET", "/xy/{c}", answer("first"))), "/xy")
    second = Late(protocol("second", Route("GET", "/{a}/xy", answer("second"))), "/")
    late = Router([first, second])
    assert [bound.name for bound in late.find(b"GET", b"/q/xy").routes] == ["second"]
    assert [bound.name for bound in late.find(b"GET", b"/xy/xy").routes] == ["first"]
