"""DeepDetect: which requests are its own, and a client that knows nothing of this server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.error import HTTPError

import pytest

from contract.clients.deepdetect import DeepDetect
from contract.models import MODELS, ColumnsPipeline
from contract.server import serving
from contract.wires import Server, Service, server
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.http.message import HttpRequest
from modelbuild_runtime.protocols.deepdetect import protocol
from modelbuild_runtime.settings import Settings
from modelbuild_runtime.signature import TensorSpec

INPUTS = [{"name": "x", "datatype": "FP64", "shape": [-1, 3]}]


def is_asked(body: bytes, service: Service) -> bool:
    when = next(route.when for route in protocol(service).routes if route.path == "/predict")
    return when(HttpRequest("POST", "/predict", "", {}, body, {}))


@pytest.mark.parametrize(
    ("body", "ours"),
    [
        (b'{"service": "a", "data": []}', True),
        (b' {"parameters": {"data": 1}, "data": ["1"], "service": "a"} ', True),
        (b'{"service": "a", "data": "1"}', False),
        (b'{"service": 1, "data": []}', False),
        (b'{"service": "a"}', False),
        (b'{"instances": [{"service": "a", "data": []}]}', False),
        (b'[{"service": "a", "data": []}]', False),
        (b'{"service": "a", "data": [', False),
        (b'"service"', False),
        (b'{"service": ' + b"[" * 200_000, False),
        (b"", False),
    ],
)
def test_a_request_is_deepdetect_s_where_it_names_a_service_and_data(body, ours):
    assert is_asked(body, server("iris").service) is ours


@pytest.mark.parametrize("before", [True, False])
def test_a_large_request_is_known_by_either_of_its_ends(before):
    data = '"data": ["' + "A" * 200_000 + '"]'
    members = ['"service": "a"', data] if before else [data, '"service": "a"']
    assert is_asked(f"{{{', '.join(members)}}}".encode(), server("iris").service)


def test_a_record_with_these_names_stays_a_record():
    fields = (TensorSpec("service", "BYTES", (-1,)), TensorSpec("data", "FP64", (-1, 1)))
    pipeline = ColumnsPipeline(Contract(fields), None)
    service = Service("own", pipeline, Settings(), {}, ready=True)
    assert not is_asked(b'{"service": "a", "data": [1]}', service)


def test_what_is_not_deepdetect_s_is_answered_as_before():
    answer = server("iris").ask("POST", "/predict", b'{"service": "a", "data": 1}')
    assert (answer.status, answer.content_type) == (400, "application/problem+json")


def test_what_is_refused_unread_is_refused_by_the_protocol_that_takes_the_rest():
    answer = server("iris").ask("POST", "/predict", bytes((8 << 20) + 1))
    assert (answer.status, answer.content_type) == (413, "application/problem+json")


def test_the_time_is_counted_from_the_request_s_arrival():
    one = Server("iris")
    one.service.now = lambda: 1e9
    answer = one.ask("POST", "/predict", b'{"service": "iris", "data": ["1,2,3,4"]}')
    assert json.loads(answer.body)["head"]["time"] > 1


@pytest.mark.parametrize("model", sorted(MODELS))
def test_every_model_says_what_it_is(model):
    (told,) = json.loads(server(model).ask("GET", "/info").body)["head"]["services"]
    assert told["name"] == model


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeepDetect]:
    with serving(tmp_path_factory.mktemp("numbers"), INPUTS, "Numbers") as address:
        yield DeepDetect(address)


@pytest.mark.slow
def test_a_client_makes_its_service_and_predicts(client):
    assert client.info()["head"]["services"][0]["name"] == "numbers"
    assert client.put_service("Numbers", "echo", "csv")["status"] == {"code": 201, "msg": "Created"}
    assert client.get_service("numbers")["body"]["mllib"] == "echo"
    found = client.post_predict("NUMBERS", ["id,a,b,c", "p,1,2.5,3"], input={"id": "id", "separator": ","})
    assert found["head"]["service"] == "numbers"
    assert found["head"]["time"] > 0
    (prediction,) = found["body"]["predictions"]
    assert prediction["uri"] == "p"
    assert [entry["val"] for entry in prediction["vector"]] == [1, 2.5, 3]
    best = client.post_predict("numbers", ["1,2.5,3"], output={"best": 1})["body"]["predictions"][0]
    assert best["classes"] == [{"cat": "2", "prob": 3.0, "last": True}]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ask", "status", "code"),
    [
        (lambda client: client.post_predict("other", ["1,2,3"]), 404, 1002),
        (lambda client: client.post_predict("numbers", []), 400, 1001),
        (lambda client: client.post_predict("numbers", ["1,2"]), 400, 1005),
        (lambda client: client.put_service("numbers", "torch", "csv"), 409, 1014),
        (lambda client: client.put_service("other", "torch", "csv"), 404, 1000),
        (lambda client: client.delete_service("numbers"), 403, None),
        (lambda client: client.post_train("numbers", ["a.csv"]), 404, 404),
    ],
)
def test_a_client_is_told_what_is_wrong(client, ask, status, code):
    with pytest.raises(HTTPError) as caught:
        ask(client)
    told = json.load(caught.value)["status"]
    assert (caught.value.code, told["code"], told.get("dd_code")) == (status, status, code)
