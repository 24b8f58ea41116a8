"""The settings of the server. A field of ``Settings`` is the single source of the variable's name, its default and its
documentation; the reference page is generated from it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Dict, Mapping, NamedTuple, Tuple

from modelbuild_runtime.errors import SettingError

PREFIX = "MBUILD_"
MOST = 1 << 40
_DAY = 86400
_SERVICE_LINKS = ("tcp://", "udp://", "sctp://")
_LEVELS = {"critical": "error", "fatal": "error", "warn": "warning", "notset": "debug", "trace": "debug"}
_NUMBERED = ("debug", "debug", "info", "warning", "error")
"""Other names of levels, and Python's numbers for them in tens."""

IGNORED = {
    "SAGEMAKER_PROGRAM": "the handler is the one in the image",
    "SAGEMAKER_SUBMIT_DIRECTORY": "the handler is the one in the image",
    "SAGEMAKER_MODEL_SERVER_TIMEOUT": "containers differ in its unit; set SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS",
    "AIP_STORAGE_URI": "the model is the one in the image",
    "AZUREML_ENTRY_SCRIPT": "the handler is the one in the image",
    "HANDLER_MODULE": "the handler is the one in the image",
    "SERVING_MODEL_CONFIG": "the model was configured when it was packaged",
}
"""What platforms say to containers of theirs, and why it changes nothing in this one."""


class Name(NamedTuple):
    """A platform's own name for a setting; ``factor`` turns its unit into ours."""

    name: str
    factor: float = 1


def _setting(
    default: Any,
    doc: str,
    *,
    least: float = 0,
    most: float = MOST,
    choices: Tuple[str, ...] = (),
    over: Tuple[Name, ...] = (),
) -> Any:
    """A field; ``over`` are the platforms' own names for it, which take precedence in that order."""
    return field(default=default, metadata={"doc": doc, "least": least, "most": most, "choices": choices, "over": over})


@dataclass(frozen=True)
class Settings:
    """How this server is to run, read from the environment once at start."""

    manifest: str = _setting("/opt/mbuild/manifest.json", "Path of the manifest that says what to serve.")
    host: str = _setting("0.0.0.0", "Address to listen on.")  # noqa: S104  # a container's own network
    port: int = _setting(
        8080,
        "Port to listen on. The names that Vertex AI, SageMaker and Cloud Run use take precedence.",
        most=65535,
        over=(Name("AIP_HTTP_PORT"), Name("SAGEMAKER_BIND_TO_PORT"), Name("PORT")),
    )
    grpc_port: int = _setting(8001, "Port to listen on for gRPC; 0 for none.", most=65535)
    listeners: str = _setting("", "Further ports, each for one protocol alone: 8501=tensorflow_serving,1337=clipper.")
    management_port: int = _setting(
        0, "Port on which models are loaded and unloaded while the server runs; 0 allows nobody to.", most=65535
    )
    management_host: str = _setting("127.0.0.1", "Address of the management port.")
    management_token: str = _setting("", "What clients of the management port must send as Authorization: Bearer.")
    model_store: str = _setting("", "Folder that models are loaded from while the server runs.")
    tls_certificate: str = _setting(
        "", "File with the server's certificate in PEM, and its issuers' after it: all ports speak TLS then."
    )
    tls_key: str = _setting("", "File with the certificate's private key in PEM, not encrypted.")
    tls_client_ca: str = _setting(
        "", "File with certificates in PEM: clients must show one that was signed with one of these."
    )
    api_keys: str = _setting(
        "", "Keys, with commas, of which clients must send one; health is told to all. Empty lets anybody ask."
    )
    api_keys_file: str = _setting("", "File with more such keys, one a line; read again when it changes.")
    workers: int = _setting(
        1,
        "Processes that serve; more than one are forked after the model is loaded.",
        least=1,
        most=1024,
        over=(
            Name("SAGEMAKER_MODEL_SERVER_WORKERS"),
            Name("VERTEX_CPR_WEB_CONCURRENCY"),
            Name("MLFLOW_MODELS_WORKERS"),
            Name("WORKER_COUNT"),
        ),
    )
    preload: bool = _setting(True, "Load the model once and share it among the workers, where it can be.")
    threads: int = _setting(0, "Cores that one prediction may use; 0 takes them from the CPU quota.", most=1024)
    max_body: int = _setting(
        64 << 20,
        "Largest request body in bytes, after decompression too.",
        least=1,
        over=(Name("SAGEMAKER_MAX_PAYLOAD_IN_MB", 1 << 20),),
    )
    max_held: int = _setting(
        0, "Most bytes that bodies may take together; 0 is a quarter of the memory limit, 512 MiB at most."
    )
    max_connections: int = _setting(
        0,
        "Most connections of a worker; more are answered 503, but for health; 0 takes it from memory and open files.",
    )
    max_elements: int = _setting(
        4_000_000,
        "Most values in a text body or a message of gRPC; each costs far more memory than its bytes. Where this is not "
        "set, no more than one for each KiB of a worker's part of the memory limit.",
        least=1,
    )
    max_head: int = _setting(32 << 10, "Largest request line and header fields, in bytes.", least=256)
    max_batch_size: int = _setting(1024, "Most rows of waiting requests that run as one batch; 1 joins none.", least=1)
    queue: int = _setting(1000, "Most requests that wait; more are answered 429.", least=1)
    answer_cache: int = _setting(0, "Bytes that a worker keeps of answers, for requests that are equal; 0 keeps none.")
    timeout: float = _setting(
        60.0,
        "Seconds after which a request that waits or runs is answered 504.",
        least=0.001,
        most=_DAY,
        over=(
            Name("SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS"),
            Name("MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT"),
            Name("SCORING_TIMEOUT_MS", 0.001),
        ),
    )
    slo: float = _setting(
        0.0,
        "Seconds in which a request is to be answered: what cannot be is turned away at once; 0 is the timeout alone.",
        most=_DAY,
    )
    default_output: str = _setting(
        "", "What Clipper's clients get in place of a prediction that is late: JSON or text."
    )
    apps: str = _setting(
        "", "Names that Clipper's clients may call the model, with commas; NAME:bytes where they send base64."
    )
    grace: float = _setting(25.0, "Seconds that running requests have to finish after SIGTERM.", most=_DAY)
    keep_alive: float = _setting(
        620.0, "Seconds an idle connection is kept; longer than load balancers keep theirs.", least=1, most=_DAY
    )
    read_timeout: float = _setting(
        10.0, "Seconds that a client has to send a request, and one more for each KiB of it.", least=0.1, most=_DAY
    )
    log_level: str = _setting(
        "info",
        "Least severe messages to log.",
        choices=("debug", "info", "warning", "error"),
        over=(Name("SAGEMAKER_CONTAINER_LOG_LEVEL"), Name("AZUREML_LOG_LEVEL")),
    )
    log_format: str = _setting("text", "One line of text or one JSON object a message.", choices=("text", "json"))
    access_log: bool = _setting(False, "Log a line for each request.")
    page: bool = _setting(True, "Answer browsers at / with a page to try the model.")

    @property
    def keyed(self) -> bool:
        """Clients must bear a key."""
        return bool(self.api_keys or self.api_keys_file)


def variables() -> Dict[str, str]:
    """Name of the environment variable of each field."""
    return {item.name: PREFIX + item.name.upper() for item in fields(Settings)}


def read_settings(environment: Mapping[str, str]) -> Settings:
    """The settings that the environment asks for.

    Raises:
        SettingError: a value does not fit, with the variable's name.
    """
    values: Dict[str, Any] = {}
    for item in fields(Settings):
        found = next((name for name in names_of(item) if _is_set(name, environment)), None)
        if found is not None:
            values[item.name] = _parse(found, environment[found.name].strip(), item.default, item.metadata)
    settings = Settings(**values)
    if 0 < settings.max_held < settings.max_body:
        raise SettingError(
            f"MBUILD_MAX_HELD={settings.max_held} is less than one body may have", "lower MBUILD_MAX_BODY too"
        )
    return settings


def names_of(item: Any) -> Tuple[Name, ...]:
    """The names of a field, the one that wins first."""
    return (*item.metadata["over"], Name(PREFIX + item.name.upper()))


def ignored_variables(environment: Mapping[str, str]) -> Tuple[str, ...]:
    """A warning for each variable of a platform that asks for something which this server does not do."""
    return tuple(f"{name} is ignored: {why}" for name, why in IGNORED.items() if environment.get(name))


def unknown_variables(environment: Mapping[str, str]) -> Tuple[str, ...]:
    """A warning for each MBUILD_ variable that nothing reads: most are misspelt."""
    known = [name[len(PREFIX) :] for name in variables().values()]
    warnings = []
    for variable in sorted(environment):
        name = variable[len(PREFIX) :]
        if variable.startswith(PREFIX) and name not in known:
            import difflib

            close = difflib.get_close_matches(name, known, 1)
            warnings.append(f"{variable} is not a setting" + (f"; did you mean {PREFIX}{close[0]}?" if close else ""))
    return tuple(warnings)


def _is_set(name: Name, environment: Mapping[str, str]) -> bool:
    """Whether it says something: nothing is nothing, and so is a platform's 0 where 0 means that there is no limit, and
    what Kubernetes tells every container in ``MBUILD_PORT`` of a service named mbuild.
    """
    text = environment.get(name.name, "").strip()
    return text != "" and not (text == "0" and name.factor > 1) and not text.startswith(_SERVICE_LINKS)


def _parse(name: Name, text: str, default: Any, limits: Mapping[str, Any]) -> Any:
    if isinstance(default, bool):
        return _boolean(name.name, text)
    if isinstance(default, (int, float)):
        return _number(name, text, default, limits)
    if not limits["choices"]:
        return text
    chosen = _level(text.lower()) if name.name.endswith("LOG_LEVEL") else text.lower()
    if chosen not in limits["choices"]:
        raise SettingError(f"{name.name}={text!r} is not one of {', '.join(limits['choices'])}")
    return chosen


def _level(text: str) -> str:
    """A level by the names and numbers that platforms have for it."""
    if text.isdecimal():
        return _NUMBERED[min(int(text) // 10, len(_NUMBERED) - 1)]
    return _LEVELS.get(text, text)


def _boolean(name: str, text: str) -> bool:
    if text.lower() in {"1", "true", "yes", "on"}:
        return True
    if text.lower() in {"0", "false", "no", "off"}:
        return False
    raise SettingError(f"{name}={text!r} is neither 1 nor 0")


def _number(name: Name, text: str, default: float, limits: Mapping[str, Any]) -> float:
    kind = type(default) if name.factor == 1 else float
    try:
        value = kind(text) * name.factor
    except ValueError:
        words = "whole number" if kind is int else "number"
        raise SettingError(f"{name.name}={text!r} is not a {words}") from None
    least, most = limits["least"], limits["most"]
    if not least <= value <= most:  # false for NaN too
        bounds = (least, most) if name.factor == 1 else (f"{least / name.factor:g}", f"{most / name.factor:g}")
        raise SettingError(f"{name.name}={text!r} is not from {bounds[0]} to {bounds[1]}")
    return type(default)(value)
