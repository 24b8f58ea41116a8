"""KServe's own REST client against the real server, in an environment and a process of its own."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from contract.clients.environment import HERE, python_of
from contract.server import DATATYPES
from contract.test_tritonclient import VALUES

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def session(echo: str) -> dict[str, Any]:
    values = json.dumps(VALUES)
    command = [str(python_of("kserve")), str(HERE / "kserve_session.py"), f"http://{echo}"]
    done = subprocess.run(command, input=values, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_health(session):
    assert session["live"] is True
    assert session["ready"] is True
    assert session["model"] is True
    assert session["other"] in (False, 404)


@pytest.mark.parametrize("way", ["binary", "json"])
@pytest.mark.parametrize("datatype", DATATYPES)
def test_every_datatype(session, way, datatype):
    tolerance = {"FP16": 0.0, "FP32": 1e-6}.get(datatype)
    expected = VALUES[datatype] if tolerance is None else pytest.approx(VALUES[datatype], rel=tolerance)
    assert session[way][datatype] == expected


def test_the_id_and_the_model_s_name_come_back(session):
    assert session["id"] == "an-id"
    assert session["name"] == "echo"


def test_only_the_outputs_that_are_asked_for(session):
    assert session["asked"] == {"INT64": VALUES["INT64"], "BYTES": VALUES["BYTES"]}


def test_an_error_in_words(session):
    status, body = session["error"]
    assert status == 400
    assert "is missing" in body["error"]


def test_version_1_health(session):
    assert session["v1"]["live"] is True
    assert session["v1"]["ready"] is True


@pytest.mark.parametrize("datatype", DATATYPES)
def test_version_1_takes_rows_columns_and_anything_else(session, datatype):
    expected = pytest.approx(VALUES[datatype], rel=1e-6) if datatype in ("FP16", "FP32") else VALUES[datatype]
    first = session["v1"]
    assert [row[datatype] for row in first["rows"]["predictions"]] == [expected, expected]
    assert first["columns"]["outputs"][datatype] == [expected]
    assert first["record"][datatype] == expected


@pytest.mark.parametrize(
    "which, status, said",
    [
        ("model", 404, "Model with name other does not exist."),
        ("ready", 404, "Model with name other does not exist."),
        ("instances", 400, "No values in 'instances' array"),
        ("explain", 501, "Could not find explainer_host."),
    ],
)
def test_version_1_errors(session, which, status, said):
    found, words = session["v1"]["errors"][which]
    assert (found, said in words) == (status, True)


@pytest.mark.parametrize("mode", ["binary", "structured"])
def test_events(session, mode):
    status, kind, source, data = session["events"][mode]
    assert (status, kind, source) == (200, "io.kserve.inference.response", "io.kserve.inference.echo")
    assert data["predictions"][0]["INT64"] == VALUES["INT64"]
