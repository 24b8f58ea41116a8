"""Keys and TLS with the real protocols: what is public, how each refuses, and the clients of others."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
from openapi_spec_validator import OpenAPIV2SpecValidator, OpenAPIV30SpecValidator, OpenAPIV31SpecValidator

from contract.clients.environment import HERE, python_of
from contract.server import Address, serving
from contract.wires import SETTINGS, Answer, Server, server
from modelbuild_runtime.openapi.older import to_2, to_30
from modelbuild_runtime.process.ports.listeners import HEALTH, router
from modelbuild_runtime.security.keys import MISSING
from runtime.security.authority import Authority

KEY = "s3cret-key"
KEYED = replace(SETTINGS, api_keys=KEY)
WIRE = Path(__file__).parent / "wire"
REQUESTS = sorted(path for path in WIRE.glob("*/iris.*.request"))
INPUTS = [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}]
PUBLIC = {
    ("GET", "/"),  # without what it says of the model
    ("GET", "/actuator/health"),
    ("GET", "/health"),
    ("GET", "/health/live"),
    ("GET", "/health/ready"),
    ("GET", "/health/startup"),
    ("GET", "/ping"),
    ("GET", "/v2/health/live"),
    ("GET", "/v2/health/ready"),
    ("GET", "/v2/models/{model}/ready"),
    ("GET", "/v2/models/{model}/versions/{version}/ready"),
    ("OPTIONS", "/score"),
    ("GRPC", "/grpc.health.v1.Health/Check"),
    ("GRPC", "/grpc.health.v1.Health/List"),
    ("GRPC", "/grpc.health.v1.Health/Watch"),
    ("GRPC", "/inference.GRPCInferenceService/ModelReady"),
    ("GRPC", "/inference.GRPCInferenceService/ServerLive"),
    ("GRPC", "/inference.GRPCInferenceService/ServerReady"),
    ("GRPC", "/org.pytorch.serve.grpc.inference.InferenceAPIsService/Ping"),
}
"""All that is answered without a key. Whoever makes a route public adds it here, and to docs/how-to/secure.md."""


@pytest.fixture(scope="module")
def keyed() -> Server:
    return Server("iris", settings=KEYED)


def ask(keyed: Server, path: Path, **more: str) -> Answer:
    head, _, body = path.read_bytes().partition(b"\n\n")
    method, target, _ = head.split(b"\n")[0].split(b" ")
    fields = (line.partition(b":") for line in head.split(b"\n")[1:])
    headers = {name.strip().lower(): value.strip() for name, _, value in fields}
    return keyed.request(method, target, {**headers, **{k.encode(): v.encode() for k, v in more.items()}}, body)


def test_what_is_public_is_written_down():
    found = {(r.method, r.path) for p in server("iris").protocols if not p.listener for r in p.routes if r.public}
    assert found == PUBLIC


def test_the_route_that_vertex_asks_for_health_is_public():
    asked = Server("iris", environment={"AIP_HEALTH_ROUTE": "/is/well"}, settings=KEYED)
    assert asked.ask("GET", "/is/well").status == 200


@pytest.mark.parametrize("path", REQUESTS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_golden_needs_a_key_and_is_the_same_with_one(keyed, path):
    refused, answered = ask(keyed, path), ask(keyed, path, **{"x-api-key": KEY})
    assert answered.status == int(path.with_suffix(".response").read_bytes().split(b" ")[1])
    method, target, _ = path.read_bytes().partition(b"\n")[0].decode().split(" ")
    path_alone = target.partition("?")[0].replace("/iris", "/{model}").replace("/1/", "/{version}/")
    if ("GET" if method == "HEAD" else method, path_alone) in PUBLIC:
        assert refused.status == (200 if path_alone == "/" else answered.status)
        return
    assert refused.status == 401
    assert refused.headers["www-authenticate"] == 'Bearer realm="model"'
    assert method == "HEAD" or MISSING in json.dumps(json.loads(refused.body))


@pytest.mark.parametrize(
    ("target", "shape"),
    [
        ("/predict", {"type", "title", "status", "detail", "code", "request_id"}),
        ("/v2/models/iris/infer", {"error"}),
        ("/v1/models/iris:predict", {"error"}),
        ("/predictions/iris", {"code", "type", "message"}),
        ("/invocations", {"error"}),
        ("/score", {"message"}),
        ("/services", {"status"}),
        ("/iris/update", {"error", "cause"}),
        ("/transform", {"status", "error", "backtrace"}),
        ("/nothing", {"type", "title", "status", "detail", "code", "request_id"}),
    ],
)
def test_each_protocol_refuses_in_its_own_shape(keyed, target, shape):
    refused = keyed.ask("POST", target, b"{}")
    assert (refused.status, set(json.loads(refused.body))) == (401, shape)


def test_the_openapi_document_says_where_a_key_is_needed(keyed):
    document = keyed.service.openapi()
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []
    assert list(OpenAPIV30SpecValidator(to_30(document)).iter_errors()) == []
    assert list(OpenAPIV2SpecValidator(to_2(document)).iter_errors()) == []
    for written in (document, to_30(document), to_2(document)):
        assert written["security"][0] == {"key": []}
        for path, methods in written["paths"].items():
            for method, operation in methods.items():
                without = (method.upper(), path) in PUBLIC
                assert (operation.get("security", written["security"])[:1] in ([], [{}])) == without, path
                assert ("401" in operation["responses"]) != without
    assert "security" not in server("iris").service.openapi()


def test_the_front_door_says_nothing_of_the_model_to_strangers(keyed):
    assert keyed.ask("GET", "/").body == b'{"status":"alive"}'
    page = keyed.ask("GET", "/", accept="text/html").body.decode()
    assert '<script type="application/json" id="data">null</script>' in page
    assert "iris" not in page
    assert "iris" in keyed.ask("GET", "/", accept="text/html", x_api_key=KEY).body.decode()
    assert json.loads(keyed.ask("GET", "/", x_api_key=KEY).body)["name"] == "iris"


def test_the_health_check_s_listener_has_what_is_public():
    routes = router(server("iris").protocols, HEALTH)
    assert routes.find(b"GET", b"/health/ready").only is not None
    for method, target in ((b"GET", b"/"), (b"GET", b"/metrics"), (b"POST", b"/predict")):
        assert routes.find(method, target).routes == ()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = Authority(tmp_path_factory.mktemp("authority"))
    made.sign("server")
    made.sign_client("client")
    Authority(made.folder, "other").sign_client("stranger")
    return made


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Address]:
    settings = {
        "MBUILD_TLS_CERTIFICATE": str(authority.folder / "server.crt"),
        "MBUILD_TLS_KEY": str(authority.folder / "server.key"),
        "MBUILD_TLS_CLIENT_CA": str(authority.certificate),
        "MBUILD_API_KEYS": KEY,
    }
    with serving(tmp_path_factory.mktemp("secured"), INPUTS, **settings) as address:
        yield address


def test_triton_s_client_over_https(secured, authority):
    files = {"certfile": "client.crt", "keyfile": "client.key", "ca_certs": "authority.crt"}
    options = {name: str(authority.folder / file) for name, file in files.items()}
    client: Any = triton.InferenceServerClient(secured, ssl=True, ssl_options=options)
    assert client.is_server_ready()
    assert client.is_model_ready("echo")
    asked = [triton.InferInput("x", [1, 2], "FP32").set_data_from_numpy(np.array([[1, 2]], np.float32))]
    result = client.infer("echo", asked, headers={"Authorization": f"Bearer {KEY}"})
    assert result.as_numpy("x").tolist() == [[1, 2]]
    with pytest.raises(triton.InferenceServerException, match=r"401.* this needs a key"):
        client.infer("echo", asked)
    client.close()


def test_an_ordinary_client(secured, authority):
    import ssl

    context = ssl.create_default_context(cafile=authority.certificate)
    context.load_cert_chain(authority.folder / "client.crt", authority.folder / "client.key")
    with httpx.Client(base_url=f"https://{secured}", verify=context) as client:
        assert client.get("/health/ready").status_code == 200
        assert client.post("/predict", json={"x": [1, 2]}).status_code == 401
        assert client.post("/predict", json={"x": [1, 2]}, headers={"X-API-Key": KEY}).json() == {"x": [1.0, 2.0]}


@pytest.mark.slow
def test_grpc_s_clients(secured, authority):
    command = [str(python_of("grpc")), str(HERE / "secured_session.py"), secured.grpc, str(authority.folder), KEY]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["triton"] == {
        "health": [True, True, True],
        "none": ["StatusCode.UNAUTHENTICATED", MISSING],
        "wrong": ["StatusCode.UNAUTHENTICATED", "the key is none of this server's"],
        "header": [[1, 2]],
        "bearer": [[1, 2]],
    }
    assert (found["client"], found["stranger"], found["nobody"]) == ("SERVING", "UNAVAILABLE", "UNAVAILABLE")
