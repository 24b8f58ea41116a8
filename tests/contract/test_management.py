"""The management API, as TorchServe's operators use it, against the real server."""

from __future__ import annotations

import http.client
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contract.server import free_port, serving

INPUTS = [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}]
TOKEN = "s3cret"
HANDLER = """
import words

def handle(data, context):
    if data is None:
        return None
    return [{"says": words.WORD, "model": context.model_name, "got": len(data)} for _ in data]
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    for word in ("one", "two"):
        with zipfile.ZipFile(folder / f"{word}.mar", "w") as archive:
            model = {"modelName": word, "handler": "service.py", "modelVersion": "2.0"}
            archive.writestr("MAR-INF/MANIFEST.json", json.dumps({"model": model}))
            archive.writestr("service.py", HANDLER)
            archive.writestr("words.py", f"WORD = {word!r}\n")
    with zipfile.ZipFile(folder / "broken.mar", "w") as archive:
        archive.writestr("MAR-INF/MANIFEST.json", json.dumps({"model": {"handler": "service"}}))
        archive.writestr("service.py", "raise ValueError('no')")
    (folder / "echo").mkdir()
    (folder / "echo" / "model.echo").write_text("echo")
    return folder


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory, store: Path) -> Iterator[tuple[int, int]]:
    managed = free_port()
    settings = {
        "MBUILD_MANAGEMENT_PORT": str(managed),
        "MBUILD_MANAGEMENT_TOKEN": TOKEN,
        "MBUILD_MODEL_STORE": str(store),
    }
    with serving(tmp_path_factory.mktemp("managed"), INPUTS, name="packaged", **settings) as address:
        yield int(address.rpartition(":")[2]), managed


def call(port: int, method: str, target: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    text = None if body is None else json.dumps(body)
    connection.request(method, target, text, {"Content-Type": "application/json", **headers})
    response = connection.getresponse()
    answer = response.status, json.loads(response.read() or b"null")
    connection.close()
    return answer


@pytest.fixture
def manage(ports: tuple[int, int]) -> Iterator[Any]:
    def ask(method: str, target: str, body: Any = None) -> tuple[int, Any]:
        return call(ports[1], method, target, body, Authorization=f"Bearer {TOKEN}")

    yield ask
    for entry in ask("GET", "/models")[1]["models"]:
        if entry["modelName"] != "packaged":
            ask("DELETE", f"/models/{entry['modelName']}")


@pytest.fixture
def predict(ports: tuple[int, int]) -> Any:
    return lambda target, body: call(ports[0], "POST", target, body)


def test_an_archive_s_life(manage, predict):
    assert predict("/predictions/one", [[1, 2]])[0] == 404
    assert manage("POST", "/models?url=one.mar&initial_workers=1&synchronous=true") == (
        200,
        {"status": 'Model "one" Version: 2.0 registered with 1 initial workers'},
    )
    assert predict("/predictions/one", {"a": 1}) == (200, {"says": "one", "model": "one", "got": 1})
    status, found = manage("GET", "/models/one")
    assert (status, found[0]["modelVersion"], found[0]["workers"][0]["status"]) == (200, "2.0", "READY")
    assert manage("PUT", "/models/one?min_worker=1&synchronous=true")[0] == 200
    assert manage("PUT", "/models/one?min_worker=2")[0] == 400
    assert manage("PUT", "/models/one/2.0/set-default")[0] == 200
    assert manage("DELETE", "/models/one/2.0") == (200, {"status": 'Model "one" unregistered'})
    assert predict("/predictions/one", {"a": 1})[0] == 404


def test_two_archives_with_modules_of_the_same_names(manage, predict):
    for word in ("one", "two"):
        assert manage("POST", "/models", {"url": f"{word}.mar", "model_name": word})[0] == 200
    for word in ("one", "two", "one"):
        assert predict(f"/predictions/{word}", {})[1]["says"] == word
    assert predict("/predictions/packaged", {"x": [1, 2]})[0] == 200


def test_an_artifact_of_the_packaged_kind(manage, predict):
    assert manage("POST", "/models?url=echo&model_name=more")[0] == 200
    assert predict("/predictions/more", [[1, 2]]) == (200, [{"x": [1.0, 2.0]}])


def test_pages(manage):
    for word in ("one", "two"):
        manage("POST", f"/models?url={word}.mar")
    status, first = manage("GET", "/models?limit=2")
    assert (status, [entry["modelName"] for entry in first["models"]]) == (200, ["packaged", "one"])
    _, second = manage("GET", f"/models?limit=2&next_page_token={first['nextPageToken']}")
    assert second == {"models": [{"modelName": "two", "modelUrl": "two.mar"}]}


@pytest.mark.parametrize(
    ("method", "target", "status", "kind"),
    [
        ("POST", "/models", 400, "BadRequestException"),
        ("POST", "/models?url=/etc/passwd", 400, "BadRequestException"),
        ("POST", "/models?url=../x.mar", 400, "BadRequestException"),
        ("POST", "/models?url=https://example.com/m.mar", 400, "BadRequestException"),
        ("POST", "/models?url=broken.mar", 400, "BadRequestException"),
        ("POST", "/models?url=one.mar&model_name=packaged", 409, "ConflictStatusException"),
        ("GET", "/models/none", 404, "ModelNotFoundException"),
        ("GET", "/models/packaged/9", 404, "ModelVersionNotFoundException"),
        ("DELETE", "/models/none", 404, "ModelNotFoundException"),
        ("DELETE", "/models/packaged", 400, "BadRequestException"),
        ("GET", "/models?limit=x", 400, "BadRequestException"),
        ("GET", "/nothing", 404, "ResourceNotFoundException"),
    ],
)
def test_what_is_refused(manage, method, target, status, kind):
    got, answer = manage(method, target)
    assert (got, answer.get("type")) == (status, kind) or (got == 404 and target == "/nothing")


def test_nobody_manages_without_the_token_or_on_the_port_of_clients(ports):
    assert call(ports[1], "GET", "/models")[0] == 401
    assert call(ports[1], "POST", "/models?url=one.mar", Authorization="Bearer none")[0] == 401
    assert call(ports[0], "POST", "/models?url=one.mar", Authorization=f"Bearer {TOKEN}")[0] in (400, 404, 405)
    assert call(ports[0], "DELETE", "/models/packaged", Authorization=f"Bearer {TOKEN}")[0] in (403, 404, 405)
