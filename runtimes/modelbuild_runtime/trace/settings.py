"""OpenTelemetry's own environment variables, as far as they are read here.

Source: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/ and
https://opentelemetry.io/docs/specs/otel/protocol/exporter/
"""

from __future__ import annotations

import logging
from typing import Dict, Mapping, NamedTuple, Optional
from urllib.parse import unquote

from modelbuild_runtime.trace.sampling import SAMPLERS, Sampler, sampler

logger = logging.getLogger(__name__)

VARIABLES = {
    "OTEL_EXPORTER_OTLP_ENDPOINT": ("", "Where spans are sent, without /v1/traces: http://collector:4318."),
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": ("", "The same, as it is to be asked, path included."),
    "OTEL_EXPORTER_OTLP_HEADERS": ("", "Header fields of each export: name=value,name=value, percent-encoded."),
    "OTEL_EXPORTER_OTLP_PROTOCOL": (
        "http/protobuf",
        "The only one that is spoken here; with another no traces are sent.",
    ),
    "OTEL_EXPORTER_OTLP_COMPRESSION": ("none", "gzip or none."),
    "OTEL_EXPORTER_OTLP_TIMEOUT": ("10000", "Milliseconds that one export may take."),
    "OTEL_EXPORTER_OTLP_CERTIFICATE": ("", "File of the certificates that an https endpoint is trusted by."),
    "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": ("", "File of our own certificate, for mutual TLS."),
    "OTEL_EXPORTER_OTLP_CLIENT_KEY": ("", "File of its key."),
    "OTEL_TRACES_EXPORTER": ("", "otlp sends to http://localhost:4318 where no endpoint is set; none sends nothing."),
    "OTEL_TRACES_SAMPLER": ("parentbased_always_on", f"One of {', '.join(SAMPLERS)}."),
    "OTEL_TRACES_SAMPLER_ARG": ("1.0", "The part of the traces that those by ratio take."),
    "OTEL_SERVICE_NAME": ("", "What the spans are of; the model's name otherwise."),
    "OTEL_RESOURCE_ATTRIBUTES": ("", "Further facts, name=value,name=value, percent-encoded."),
    "OTEL_BSP_MAX_QUEUE_SIZE": ("2048", "Requests whose spans wait; those of more are dropped, and counted."),
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": ("512", "Requests in one export."),
    "OTEL_BSP_SCHEDULE_DELAY": ("5000", "Milliseconds between exports."),
    "OTEL_SDK_DISABLED": ("false", "true switches all of this off."),
}
"""Each with its default and what it says. Those of OTLP have a form for traces alone, which wins:
``OTEL_EXPORTER_OTLP_TRACES_...``.
"""

_OTLP = "OTEL_EXPORTER_OTLP_"
_SPOKEN = "http/protobuf"


class TraceSettings(NamedTuple):
    """Where spans go, and of which requests."""

    endpoint: str
    headers: Dict[str, str]
    gzip: bool
    timeout: float
    certificate: str
    client_certificate: str
    client_key: str
    sampler: Sampler
    resource: Dict[str, str]
    max_waiting: int
    max_batch: int
    delay: float


def read(environment: Mapping[str, str]) -> Optional[TraceSettings]:
    """The settings, None where nothing is to be sent. What cannot be right is warned of, and as if it was not there:
    tracing never keeps a server from starting.
    """

    def get(name: str) -> str:
        of_traces = environment.get(name.replace(_OTLP, f"{_OTLP}TRACES_"), "").strip() if _OTLP in name else ""
        return of_traces or environment.get(name, "").strip() or VARIABLES[name][0]

    if get("OTEL_SDK_DISABLED").lower() == "true" or get("OTEL_TRACES_EXPORTER") not in {"", "otlp"}:
        return None
    if get("OTEL_EXPORTER_OTLP_PROTOCOL") != _SPOKEN:
        logger.warning(
            "no traces are sent: set OTEL_EXPORTER_OTLP_TRACES_PROTOCOL to %s, the only one that is spoken", _SPOKEN
        )
        return None
    endpoint = environment.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "").strip()
    if not endpoint:
        base = environment.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").strip()
        if not base and not get("OTEL_TRACES_EXPORTER"):
            return None
        endpoint = (base or "http://localhost:4318").rstrip("/") + "/v1/traces"
    if not endpoint.startswith(("http://", "https://")):
        logger.warning("no traces are sent: %s is no http or https address", endpoint)
        return None
    resource = pairs("OTEL_RESOURCE_ATTRIBUTES", get("OTEL_RESOURCE_ATTRIBUTES"))
    if get("OTEL_SERVICE_NAME"):
        resource["service.name"] = get("OTEL_SERVICE_NAME")
    return TraceSettings(
        endpoint,
        pairs("OTEL_EXPORTER_OTLP_HEADERS", get("OTEL_EXPORTER_OTLP_HEADERS")),
        get("OTEL_EXPORTER_OTLP_COMPRESSION") == "gzip",
        _number("OTEL_EXPORTER_OTLP_TIMEOUT", get("OTEL_EXPORTER_OTLP_TIMEOUT")) / 1000,
        get("OTEL_EXPORTER_OTLP_CERTIFICATE"),
        get("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"),
        get("OTEL_EXPORTER_OTLP_CLIENT_KEY"),
        _sampler(get("OTEL_TRACES_SAMPLER"), get("OTEL_TRACES_SAMPLER_ARG")),
        resource,
        max(1, int(_number("OTEL_BSP_MAX_QUEUE_SIZE", get("OTEL_BSP_MAX_QUEUE_SIZE")))),
        max(1, int(_number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", get("OTEL_BSP_MAX_EXPORT_BATCH_SIZE")))),
        _number("OTEL_BSP_SCHEDULE_DELAY", get("OTEL_BSP_SCHEDULE_DELAY")) / 1000,
    )


def pairs(name: str, text: str) -> Dict[str, str]:
    """``name=value,name=value``, each percent-encoded."""
    found = {}
    for item in filter(None, map(str.strip, text.split(","))):
        key, equals, value = item.partition("=")
        if not equals or not key.strip():
            logger.warning("%s: an entry is not name=value, and left out", name)
            continue
        found[unquote(key.strip())] = unquote(value.strip())
    return found


def _sampler(name: str, argument: str) -> Sampler:
    if name not in SAMPLERS:
        logger.warning("OTEL_TRACES_SAMPLER=%s is not one of %s", name, ", ".join(SAMPLERS))
        name = VARIABLES["OTEL_TRACES_SAMPLER"][0]
    ratio = _number("OTEL_TRACES_SAMPLER_ARG", argument) if name.endswith("ratio") else 1.0
    if ratio > 1:
        logger.warning("OTEL_TRACES_SAMPLER_ARG=%s is not from 0 to 1", argument)
        ratio = 1.0
    return sampler(name, ratio)


def _number(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if 0 <= value < 1e12:
        return value
    logger.warning("%s=%s is no number that it can be", name, text)
    return float(VARIABLES[name][0])
