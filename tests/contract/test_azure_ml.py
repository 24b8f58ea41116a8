"""What Azure Machine Learning's platform and browsers ask a scoring server."""

from __future__ import annotations

import json

import pytest
from openapi_spec_validator import OpenAPIV2SpecValidator, OpenAPIV30SpecValidator, OpenAPIV31SpecValidator

from contract.wires import Server, server

ROWS = b'{"data": [[1, 2, 3, 4]]}'


@pytest.mark.parametrize(
    ("query", "validator", "version"),
    [
        ("", OpenAPIV2SpecValidator, "2.0"),
        ("?version=2", OpenAPIV2SpecValidator, "2.0"),
        ("?version=3", OpenAPIV30SpecValidator, "3.0.1"),
        ("?version=3.0", OpenAPIV30SpecValidator, "3.0.1"),
        ("?version=3.1", OpenAPIV31SpecValidator, "3.1.0"),
    ],
)
def test_swagger_in_the_version_that_is_asked_for(query, validator, version):
    document = json.loads(server("loan").ask("GET", f"/swagger.json{query}").body)
    assert version in (document.get("swagger"), document.get("openapi"))
    assert list(validator(document).iter_errors()) == []
    assert set(document["paths"]["/score"]) == {"get", "post", "options"}


def test_browsers_may_ask_from_where_the_environment_says():
    one = Server("iris", environment={"AML_CORS_ORIGINS": "https://a.example, https://b.example"})
    allowed = one.ask("OPTIONS", "/score", Origin="https://b.example")
    assert allowed.headers["access-control-allow-origin"] == "https://b.example"
    assert one.ask("POST", "/score", ROWS, Origin="https://b.example").headers["vary"] == "Origin"
    assert "access-control-allow-origin" not in one.ask("POST", "/score", ROWS, Origin="https://c.example").headers
    assert (
        "access-control-allow-origin"
        not in server("iris").ask("POST", "/score", ROWS, Origin="https://a.example").headers
    )


def test_the_version_of_the_platform_s_server_comes_back():
    one = Server("iris", environment={"HTTP_X_MS_SERVER_VERSION": "azmlinfsrv/1.5.1"})
    assert one.ask("POST", "/score", ROWS).headers["x-ms-server-version"] == "azmlinfsrv/1.5.1"


def test_a_run_that_failed_is_told_as_one():
    broken = Server("iris")
    broken.pipeline.run = lambda inputs, parameters=None: 1 / 0
    answer = broken.ask("POST", "/score", ROWS)
    assert answer.status == 500
    assert answer.headers["x-ms-run-function-failed"] == "True"
    expected = "An unexpected error occurred in scoring script. Check the logs for more info."
    assert json.loads(answer.body)["message"].startswith(expected)


@pytest.mark.parametrize("name", ["x-request-id", "x-ms-request-id", "x-ms-client-request-id"])
def test_ids_may_have_so_many_characters_and_no_more(name):
    assert server("iris").ask("POST", "/score", ROWS, **{name: "i" * 100}).headers[name] == "i" * 100
    answer = server("iris").ask("POST", "/score", ROWS, **{name: "i" * 101})
    assert answer.status == 431
    assert "must not exceed 100 characters" in json.loads(answer.body)["message"]
