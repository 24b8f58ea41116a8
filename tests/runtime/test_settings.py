from __future__ import annotations

from dataclasses import fields

import pytest

from modelbuild_runtime.errors import SettingError
from modelbuild_runtime.settings import Settings, ignored_variables, read_settings, unknown_variables, variables


def test_defaults_hold_without_an_environment():
    settings = read_settings({})
    assert settings == Settings()
    assert (settings.host, settings.port, settings.workers) == ("0.0.0.0", 8080, 1)
    assert settings.max_body == 67108864


def test_each_field_has_a_variable_and_a_description():
    assert variables()["max_body"] == "MBUILD_MAX_BODY"
    assert set(variables()) == {field.name for field in fields(Settings)}
    assert all(field.metadata["doc"].endswith(".") for field in fields(Settings))


def test_values_take_the_type_of_their_default():
    settings = read_settings(
        {
            "MBUILD_PORT": " 9000 ",
            "MBUILD_TIMEOUT": "0.5",
            "MBUILD_ACCESS_LOG": "yes",
            "MBUILD_LOG_FORMAT": "JSON",
            "MBUILD_HOST": "::",
        }
    )
    assert (settings.port, settings.timeout, settings.access_log) == (9000, 0.5, True)
    assert (settings.log_format, settings.host) == ("json", "::")


def test_an_empty_variable_is_an_unset_one():
    assert read_settings({"MBUILD_PORT": "", "AIP_HTTP_PORT": ""}).port == 8080


@pytest.mark.parametrize(
    "environment, port",
    [
        ({"PORT": "1"}, 1),
        ({"MBUILD_PORT": "4", "PORT": "1"}, 1),
        ({"SAGEMAKER_BIND_TO_PORT": "2", "PORT": "1"}, 2),
        ({"AIP_HTTP_PORT": "3", "SAGEMAKER_BIND_TO_PORT": "2", "MBUILD_PORT": "4"}, 3),
    ],
)
def test_platforms_have_their_own_names_for_the_port(environment, port):
    assert read_settings(environment).port == port


def test_a_kubernetes_service_of_our_name_is_no_setting():
    links = {"MBUILD_PORT": "tcp://10.96.0.7:80", "MBUILD_GRPC_PORT": "udp://10.96.0.8:80", "PORT": "9000"}
    assert (read_settings(links).port, read_settings(links).grpc_port) == (9000, 8001)


@pytest.mark.parametrize(
    "name, value, complaint",
    [
        ("MBUILD_PORT", "eighty", "MBUILD_PORT='eighty' is not a whole number"),
        ("AIP_HTTP_PORT", "x", "AIP_HTTP_PORT='x' is not a whole number"),
        ("MBUILD_TIMEOUT", "nan", "not from 0.001 to 86400"),
        ("MBUILD_TIMEOUT", "inf", "not from 0.001 to 86400"),
        ("MBUILD_TIMEOUT", "soon", "is not a number"),
        ("MBUILD_WORKERS", "0", "not from 1 to 1024"),
        ("MBUILD_QUEUE", "-1", "not from 1 to"),
        ("MBUILD_PORT", "99999", "MBUILD_PORT='99999' is not from 0 to 65535"),
        ("PORT", "70000", "PORT='70000' is not from 0 to 65535"),
        ("MBUILD_WORKERS", "99999999999", "not from 1 to 1024"),
        ("MBUILD_THREADS", "100000", "not from 0 to 1024"),
        ("MBUILD_GRACE", "1e15", "not from 0 to 86400"),
        ("MBUILD_TIMEOUT", "0", "not from 0.001 to 86400"),
        ("MBUILD_READ_TIMEOUT", "0", "not from 0.1 to 86400"),
        ("MBUILD_KEEP_ALIVE", "0", "not from 1 to 86400"),
        ("MBUILD_MAX_HELD", "1", "MBUILD_MAX_HELD=1 is less than one body may have"),
        ("MBUILD_ACCESS_LOG", "maybe", "neither 1 nor 0"),
        ("MBUILD_LOG_FORMAT", "xml", "is not one of text, json"),
    ],
)
def test_a_value_that_cannot_be_right_is_named(name, value, complaint):
    with pytest.raises(SettingError, match=complaint):
        read_settings({name: value})


def test_misspelt_settings_are_noticed():
    assert unknown_variables({"MBUILD_TIMOUT": "1", "MBUILD_PORT": "1", "PATH": ""}) == (
        "MBUILD_TIMOUT is not a setting; did you mean MBUILD_TIMEOUT?",
    )
    assert unknown_variables({"MBUILD_ZZZZ": ""}) == ("MBUILD_ZZZZ is not a setting",)


@pytest.mark.parametrize(
    ("environment", "field", "value"),
    [
        ({"SAGEMAKER_MODEL_SERVER_WORKERS": "3", "MBUILD_WORKERS": "2"}, "workers", 3),
        ({"WORKER_COUNT": "2"}, "workers", 2),
        ({"SAGEMAKER_MAX_PAYLOAD_IN_MB": "6"}, "max_body", 6 << 20),
        ({"SAGEMAKER_MAX_PAYLOAD_IN_MB": "0", "MBUILD_MAX_BODY": "5"}, "max_body", 5),
        ({"SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS": "30"}, "timeout", 30.0),
        ({"SCORING_TIMEOUT_MS": "1500"}, "timeout", 1.5),
        ({"MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT": "7"}, "timeout", 7.0),
        ({"SAGEMAKER_CONTAINER_LOG_LEVEL": "20"}, "log_level", "info"),
        ({"SAGEMAKER_CONTAINER_LOG_LEVEL": "50"}, "log_level", "error"),
        ({"AZUREML_LOG_LEVEL": "WARN"}, "log_level", "warning"),
    ],
)
def test_platforms_have_their_own_names_and_units(environment, field, value):
    assert getattr(read_settings(environment), field) == value


def test_a_platform_s_value_that_cannot_be_right_is_told_in_its_unit():
    with pytest.raises(SettingError, match=r"SCORING_TIMEOUT_MS='0' is not from 1 to 8\.64e"):
        read_settings({"SCORING_TIMEOUT_MS": "0"})
    with pytest.raises(SettingError, match="SAGEMAKER_MAX_PAYLOAD_IN_MB='six' is not a number"):
        read_settings({"SAGEMAKER_MAX_PAYLOAD_IN_MB": "six"})


def test_what_is_not_done_here_is_said():
    assert ignored_variables({"SAGEMAKER_PROGRAM": "inference.py", "AIP_STORAGE_URI": "", "PATH": "x"}) == (
        "SAGEMAKER_PROGRAM is ignored: the handler is the one in the image",
    )
