"""A multi-model endpoint of SageMaker, as the platform drives it, against the real server."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contract.server import serving
from contract.wires import server

INPUTS = [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}]
NAME = "0123abcd"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    for name in (NAME, "other"):
        (folder / name / "model").mkdir(parents=True)
        (folder / name / "model" / "model.echo").write_text("echo")
    (folder / "unfit" / "model").mkdir(parents=True)
    (folder / "unfit" / "model" / "model.pkl").write_text("")
    return folder


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, store: Path) -> Iterator[str]:
    settings = {"SAGEMAKER_MULTI_MODEL": "true", "MBUILD_MODEL_STORE": str(store), "MBUILD_WORKERS": "2"}
    with serving(tmp_path_factory.mktemp("models"), INPUTS, **settings) as address:
        yield address


@pytest.fixture
def ask(address: str) -> Iterator[Any]:
    """On one connection, whose heads the server remembers."""
    connection = http.client.HTTPConnection(address, timeout=20)

    def ask(method: str, target: str, body: Any = None) -> tuple[int, Any]:
        text = None if body is None else json.dumps(body)
        connection.request(method, target, text, {"Content-Type": "application/json"} if text else {})
        response = connection.getresponse()
        return response.status, json.loads(response.read())

    yield ask
    for loaded in ask("GET", "/models")[1]["models"]:
        ask("DELETE", f"/models/{loaded['modelName']}")
    connection.close()


def test_a_model_s_life(ask, store):
    described = {"modelName": NAME, "modelUrl": str(store / NAME / "model")}
    assert ask("GET", "/models") == (200, {"models": []})
    assert ask("POST", f"/models/{NAME}/invoke", [[1, 2]])[0] == 404
    load = {"model_name": NAME, "url": described["modelUrl"]}
    assert ask("POST", "/models", load) == (200, described)
    assert ask("POST", "/models", load)[0] == 409
    assert ask("GET", "/models") == (200, {"models": [described]})
    assert ask("GET", f"/models/{NAME}") == (200, described)
    assert ask("POST", f"/models/{NAME}/invoke", [[1, 2], [3, 4]]) == (200, [[1.0, 2.0], [3.0, 4.0]])
    assert ask("POST", f"/models/{NAME}/invoke", [[1, 2, 3]])[0] == 400
    assert ask("POST", "/invocations", [[5, 6]]) == (200, [[5.0, 6.0]])
    assert ask("DELETE", f"/models/{NAME}") == (200, described)
    assert ask("POST", f"/models/{NAME}/invoke", [[1, 2]])[0] == 404
    assert ask("DELETE", f"/models/{NAME}")[0] == 404
    assert ask("POST", "/models", load) == (200, described)


def test_models_beside_each_other_in_every_protocol(ask, store):
    for name in (NAME, "other"):
        assert ask("POST", "/models", {"model_name": name, "url": str(store / name / "model")})[0] == 200
    tensor = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [7, 8]}]}
    for name in (NAME, "other", "echo"):
        status, answer = ask("POST", f"/v2/models/{name}/infer", tensor)
        assert (status, answer["model_name"], answer["outputs"][0]["data"]) == (200, name, [7.0, 8.0])


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"model_name": "a"}, 400, "url"),
        ([1], 400, "model_name and url"),
        ({"model_name": "a", "url": "/etc"}, 400, "folder for models"),
        ({"model_name": "a", "url": "unfit/model"}, 400, "cannot stand for the packaged artifact"),
        ({"model_name": "echo", "url": "other/model"}, 409, "loaded already"),
    ],
)
def test_what_cannot_be_loaded(ask, body, status, said):
    got, answer = ask("POST", "/models", body)
    assert got == status
    assert said in answer["error"]


@pytest.mark.parametrize("token", ["x", "-1", "9" * 30])
def test_a_page_that_is_none(ask, token):
    assert ask("GET", f"/models?next_page_token={token}")[0] == 400


def test_no_other_image_loads_models():
    assert server("iris").ask("POST", "/models", b'{"model_name":"a","url":"/opt/ml/models/a/model"}').status != 200
    assert server("iris").ask("POST", "/models/iris/invoke", b"[1,2,3,4]").status in (404, 405, 200)
