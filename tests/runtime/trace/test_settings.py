from __future__ import annotations

import logging

import pytest

from modelbuild_runtime.trace.context import SWITCHES, Trace
from modelbuild_runtime.trace.sampling import Sampler
from modelbuild_runtime.trace.settings import VARIABLES, read

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318/"}
PARENT = Trace("a" * 32, "b" * 16, sampled=True)


@pytest.mark.parametrize(
    "environment, endpoint",
    [
        ({}, None),
        (ENDPOINT, "http://collector:4318/v1/traces"),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, "http://localhost:4318/v1/traces"),
        ({**ENDPOINT, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://a/b"}, "https://a/b"),
        ({**ENDPOINT, "OTEL_TRACES_EXPORTER": "none"}, None),
        ({**ENDPOINT, "OTEL_SDK_DISABLED": "true"}, None),
        ({"OTEL_TRACES_SAMPLER": "always_on"}, None),
    ],
)
def test_where_spans_go(environment, endpoint):
    found = read(environment)
    assert (found and found.endpoint) == endpoint


@pytest.mark.parametrize(
    "environment, warning",
    [
        ({**ENDPOINT, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "http/protobuf, the only one"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"}, "no http or https"),
    ],
)
def test_what_cannot_be_done_is_said(environment, warning, caplog):
    assert read(environment) is None
    assert warning in caplog.text


def test_what_is_wrong_is_as_if_it_was_not_there(caplog):
    wrong = {
        "OTEL_TRACES_SAMPLER": "sometimes",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "soon",
        "OTEL_BSP_MAX_QUEUE_SIZE": "-1",
        "OTEL_EXPORTER_OTLP_HEADERS": "a,b=1",
        "OTEL_BSP_SCHEDULE_DELAY": "nan",
    }
    with caplog.at_level(logging.WARNING):
        found = read({**ENDPOINT, **wrong})
    assert (found.sampler, found.timeout, found.max_waiting, found.delay) == (Sampler(), 10.0, 2048, 5.0)
    assert found.headers == {"b": "1"}
    assert len(caplog.records) == 5


def test_all_of_it():
    found = read(
        {
            **ENDPOINT,
            "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20x, b = c",
            "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "authorization=Bearer%20y",
            "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
            "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "500",
            "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
            "OTEL_TRACES_SAMPLER_ARG": "0.25",
            "OTEL_RESOURCE_ATTRIBUTES": "service.name=other,deployment.environment=test",
            "OTEL_SERVICE_NAME": "fraud",
        }
    )
    assert (found.headers, found.gzip, found.timeout) == ({"authorization": "Bearer y"}, True, 0.5)
    assert found.sampler == Sampler(0.25, follows_parent=True)
    assert found.resource == {"service.name": "fraud", "deployment.environment": "test"}


@pytest.mark.parametrize(
    "name, roots, sampled_parent, other_parent",
    [
        ("always_on", 1.0, True, True),
        ("always_off", 0.0, False, False),
        ("traceidratio", 0.5, None, None),
        ("parentbased_always_on", 1.0, True, False),
        ("parentbased_always_off", 0.0, True, False),
        ("parentbased_traceidratio", 0.5, True, False),
    ],
)
def test_samplers(name, roots, sampled_parent, other_parent):
    sampler = read({**ENDPOINT, "OTEL_TRACES_SAMPLER": name, "OTEL_TRACES_SAMPLER_ARG": "0.5"}).sampler
    ids = [at << 60 | 1 for at in range(16)]
    assert sum(sampler.samples(one, None) for one in ids) == roots * 16
    for parent, expected in ((PARENT, sampled_parent), (PARENT._replace(sampled=False), other_parent)):
        found = {sampler.samples(one, parent) for one in ids}
        assert found == ({True, False} if expected is None else {expected})


def test_switches_are_among_the_variables():
    assert set(SWITCHES) <= set(VARIABLES)
