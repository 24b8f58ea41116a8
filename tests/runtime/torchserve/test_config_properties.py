"""What config.properties of Multi-Model-Server and TorchServe means for this server."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from modelbuild_runtime.errors import SettingError
from modelbuild_runtime.settings import read_settings
from modelbuild_runtime.torchserve.config_properties import configured


def said(folder: Path, text: str, **environment: str) -> Any:
    """What a file that the environment names says."""
    path = folder / "some.properties"
    path.write_text(text)
    return configured({"TS_CONFIG_FILE": str(path), **environment})


def image(folder: Path, *, style: str = "torchserve", beside: str = "handler", text: str = "job_queue_size=7") -> str:
    """A manifest with a file of properties beside the handler or the model."""
    for name in ("handler", "model"):
        (folder / name).mkdir(exist_ok=True)
    (folder / beside / "config.properties").write_text(text)
    manifest = {
        "model": {"name": "fraud", "version": "2", "path": "model/m.bin"},
        "handler": {"module": "h", "style": style},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return str(folder / "manifest.json")


@pytest.mark.parametrize(
    ("line", "variables"),
    [
        ("inference_address=http://0.0.0.0:9090", {"MBUILD_HOST": "0.0.0.0", "MBUILD_PORT": "9090"}),
        ("inference_address=http://[::1]:9090/", {"MBUILD_HOST": "::1", "MBUILD_PORT": "9090"}),
        ("inference_address=http://localhost", {"MBUILD_HOST": "localhost"}),
        ("grpc_inference_port=7070", {"MBUILD_GRPC_PORT": "7070"}),
        ("default_workers_per_model=3", {"MBUILD_WORKERS": "3"}),
        ("default_workers_per_model=0", {}),
        ("job_queue_size=5", {"MBUILD_QUEUE": "5"}),
        ("default_response_timeout=9", {"MBUILD_TIMEOUT": "9"}),
        ("default_response_timeout_seconds=9", {"MBUILD_TIMEOUT": "9"}),
        ("max_request_size=6553500", {"MBUILD_MAX_BODY": "6553500"}),
        ("preload_model=True", {"MBUILD_PRELOAD": "true"}),
        ("decode_input_request=false", {"TS_DECODE_INPUT_REQUEST": "false"}),
        ('models={"fraud": {"2": {"minWorkers": 2, "batchSize": 4}}}', {"MBUILD_WORKERS": "2", "TS_BATCH_SIZE": "4"}),
        ('models={"m": {"1.0": {"marName": "m.mar", "responseTimeout": 30}}}', {"MBUILD_TIMEOUT": "30"}),
        ('models={"m": {"1": {}, "2": {"defaultVersion": true, "batchSize": 2}}}', {"TS_BATCH_SIZE": "2"}),
        ('models={"a": {"1": {"batchSize": 2}}, "b": {"1": {"batchSize": 3}}}', {}),
    ],
)
def test_what_still_makes_sense(tmp_path, line, variables):
    found = said(tmp_path, line)
    assert (found.variables, found.warning) == (variables, "")
    read_settings(found.variables)


def test_all_the_rest_is_named_once(tmp_path):
    found = said(
        tmp_path, "vmargs=-Xmx1g\ncors_allowed_origin=*\njob_queue_size=2\nown=1\ninference_address=unix:/tmp/a\n"
    )
    assert found.variables == {"MBUILD_QUEUE": "2"}
    assert found.warning.endswith("no meaning here: cors_allowed_origin, inference_address, own, vmargs")


TLS = "inference_address=https://0.0.0.0:8443\nkeystore=/k.p12\nprivate_key_file=/a\ncertificate_file=/b\n"


def test_what_is_to_be_encrypted_is_not_served_in_the_clear(tmp_path):
    with pytest.raises(SettingError, match="asks for TLS") as caught:
        said(tmp_path, TLS)
    assert "MBUILD_TLS_KEY" in caught.value.hint


@pytest.mark.parametrize("certificate", ["/tls/tls.crt", ""])
def test_the_variable_says_which_certificate_or_that_there_is_none(tmp_path, certificate):
    found = said(tmp_path, TLS, MBUILD_TLS_CERTIFICATE=certificate)
    assert found.variables == {"MBUILD_HOST": "0.0.0.0", "MBUILD_PORT": "8443"}
    assert found.warning.endswith("no meaning here: certificate_file, keystore, private_key_file")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("job_queue_size=many", "job_queue_size='many' is not a whole number"),
        ("job_queue_size=-1", "not a whole number"),
        ("models={", "models is no JSON object"),
        ("models=[1]", "models is no JSON object"),
        ('models={"m": 3}', "models is no JSON object"),
        ('models={"m": {"1": {"batchSize": "x"}}}', "models is no JSON object"),
        ("job_queue_size=$$NOT_SET$$", "uses the variable NOT_SET"),
    ],
)
def test_what_cannot_be_right(tmp_path, text, words):
    with pytest.raises(SettingError, match=words) as caught:
        said(tmp_path, text)
    assert str(tmp_path) in caught.value.message


def test_a_file_that_is_named_must_be_there(tmp_path):
    with pytest.raises(SettingError, match="MMS_CONFIG_FILE"):
        configured({"MMS_CONFIG_FILE": str(tmp_path / "none")})


def test_variables_in_values(tmp_path):
    found = said(tmp_path, "inference_address=http://127.0.0.1:$$A$$$$B$$", A="90", B="91")
    assert found.variables["MBUILD_PORT"] == "9091"


def test_variables_over_the_file_where_it_allows_them(tmp_path):
    variables = {"TS_JOB_QUEUE_SIZE": "8", "MMS_JOB_QUEUE_SIZE": "9", "MMS_MAX_REQUEST_SIZE": "10", "TS_OTHER": "1"}
    assert said(tmp_path, "job_queue_size=7", **variables).variables == {"MBUILD_QUEUE": "7"}
    allowed = said(tmp_path, "job_queue_size=7\nenable_envvars_config=true", **variables)
    assert allowed.variables == {"MBUILD_QUEUE": "8", "MBUILD_MAX_BODY": "10"}
    assert allowed.warning == ""


@pytest.mark.parametrize("beside", ["handler", "model"])
def test_a_file_beside_the_handler_or_the_model(tmp_path, beside):
    assert configured({"MBUILD_MANIFEST": image(tmp_path, beside=beside)}).variables == {"MBUILD_QUEUE": "7"}


def test_the_file_that_is_named_comes_first(tmp_path):
    manifest = image(tmp_path)
    assert said(tmp_path, "job_queue_size=1", MBUILD_MANIFEST=manifest).variables == {"MBUILD_QUEUE": "1"}


def test_the_model_is_known_by_its_name(tmp_path):
    text = 'models={"other": {"1": {"batchSize": 9}}, "fraud": {"1": {"batchSize": 8}, "2": {"batchSize": 7}}}'
    assert configured({"MBUILD_MANIFEST": image(tmp_path, text=text)}).variables == {"TS_BATCH_SIZE": "7"}


def test_a_file_of_that_name_means_nothing_to_other_handlers(tmp_path):
    assert configured({"MBUILD_MANIFEST": image(tmp_path, style="functions")}).variables == {}
    assert configured({"MBUILD_MANIFEST": str(tmp_path / "none.json")}).variables == {}
    (tmp_path / "manifest.json").write_text("[]")
    assert configured({"MBUILD_MANIFEST": str(tmp_path / "manifest.json")}).variables == {}


def test_the_environment_wins_and_the_rest_is_told_at_the_start(tmp_path):
    text = "inference_address=http://127.0.0.1:99999\nmanagement_address=http://127.0.0.1:8081\n"
    environment = {"MBUILD_MANIFEST": image(tmp_path, text=text), "PATH": ""}

    def start(**variables: str) -> str:
        command = [sys.executable, "-m", "modelbuild_runtime", "check"]
        folders = ":".join(path for path in sys.path if path)
        done = subprocess.run(
            command,
            env={**environment, "PYTHONPATH": folders, **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode
        return done.stderr

    assert "MBUILD_PORT='99999' is not from 0 to 65535" in start()
    log = start(MBUILD_PORT="8080")
    assert log.count("no meaning here: management_address") == 1
    assert "MBUILD_PORT" not in log
