"""Verification: run the image as a careful operator would, ask it its examples, and hold it to its word."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlsplit

from modelbuild.engines import BuildEngine, Container
from modelbuild.errors import VerificationError
from modelbuild.planning.manifest import Example
from modelbuild.verification.compare import difference
from modelbuild.verification.server_log import condensed, last_words, raised

DEFAULT_TOLERANCE = 1e-4
DEFAULT_TIMEOUT = 120.0
# Longer than the server's own grace, which is 25 seconds.
_STOP = 30.0
MADE_UP = "made up from the contract"
UNLOCKED = {
    f"MBUILD_{name}": "" for name in ("TLS_CERTIFICATE", "TLS_KEY", "TLS_CLIENT_CA", "API_KEYS", "API_KEYS_FILE")
}
"""Certificates and keys are mounted where the image is deployed, and are not here: empty is unset."""
# How the server sends somebody who may not see what was raised to those who may.
_LOGGED = re.compile(r"the server's log says why, under request id (\S+)$")
_POLL = 0.01
# Asking the engine costs more than asking the server.
_POLL_ENGINE = 0.25


@dataclass(frozen=True, slots=True)
class Answered:
    """One example and what came of it. ``difference`` is empty where the answer is right, or nothing was expected."""

    name: str
    request: Any
    answer: Any
    expected: Any
    difference: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Verification:
    """What is known of an image after it ran. Times count from the order to start its container.

    ``generated`` is true where nobody gave an example and the server made some from its contract.
    """

    ready_seconds: float
    first_answer_seconds: float
    examples: tuple[Answered, ...]
    generated: bool
    contract: Mapping[str, Any]

    @property
    def compared(self) -> int:
        """How many answers were compared with an expected one."""
        return sum(example.expected is not None for example in self.examples)

    @property
    def summary(self) -> str:
        """One line for people."""
        kind = "generated example" if self.generated else "example"
        count = f"{len(self.examples)} {kind}{'' if len(self.examples) == 1 else 's'}"
        times = f"ready in {self.ready_seconds:.2f} s, first answer after {self.first_answer_seconds:.2f} s"
        return f"{count} answered, {self.compared} compared; {times}"

    def to_json(self) -> dict[str, Any]:
        """What ``mbuild verify --json`` prints."""
        return {**asdict(replace(self, contract={})), "contract": dict(self.contract)}


def verify(
    engine: BuildEngine,
    image: str,
    examples: Sequence[Example],
    *,
    tolerance: float = DEFAULT_TOLERANCE,
    timeout: float = DEFAULT_TIMEOUT,
    environment: Mapping[str, str] | None = None,
) -> Verification:
    """Run ``image`` (an id or a reference) and ask it ``examples``, or those that it carries. On its port on loopback
    it speaks no TLS and wants no key, whatever its own environment says.

    Raises:
        VerificationError: it did not start, did not become ready, answered wrongly, or did not stop cleanly.
    """
    began = time.monotonic()
    with engine.run(image, environment={**UNLOCKED, **(environment or {})}) as container:
        server = _wait_until_ready(container, began, timeout)
        ready = time.monotonic() - began
        contract = _get(server, container, "/contract")
        asked = tuple(examples) or _carried(contract)
        generated = not any(example.name for example in asked)
        _require_something(asked)
        answered, first = [], 0.0
        for example in asked:
            answered.append(_ask(server, container, example, tolerance))
            first = first or time.monotonic() - began
        _require_right(answered, container, generated=generated)
        _require_healthy(server, container)
        _require_clean_stop(container)
    return Verification(ready, first, tuple(answered), generated, contract)


@dataclass(frozen=True, slots=True)
class _Server:
    """The server in the container, as a client sees it."""

    host: str
    port: int
    timeout: float

    def request(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """Ask. A new connection each time: this is no benchmark. Proxies of the environment play no part."""
        connection = HTTPConnection(self.host, self.port, timeout=self.timeout)
        try:
            headers = {"Content-Type": "application/json", "Accept": "application/json"} if body is not None else {}
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


def _wait_until_ready(container: Container, began: float, timeout: float) -> _Server:
    server: _Server | None = None
    look = 0.0
    while time.monotonic() - began < timeout:
        if server is None and container.url:
            parts = urlsplit(container.url)
            server = _Server(parts.hostname or "", parts.port or 80, timeout)
        if server is not None and _is_ready(server):
            return server
        if time.monotonic() >= look:
            look = time.monotonic() + _POLL_ENGINE
            _require_running(container)
        time.sleep(_POLL)
    _require_running(container)
    raise VerificationError(
        f"The image was not ready within {timeout:.0f} seconds.",
        details=container.logs(),
        hint="A model that needs longer to load needs a larger --ready-timeout.",
    )


def _is_ready(server: _Server) -> bool:
    try:
        return replace(server, timeout=5.0).request("GET", "/health/ready")[0] == 200
    except (OSError, HTTPException):
        return False  # it does not listen yet, or the engine's proxy does for it


def _require_running(container: Container) -> None:
    code = container.exit_code()
    if code is None:
        return
    log = container.logs(200)
    message, hint = last_words(log)
    killed = " (killed; is there enough memory?)" if code == 137 else ""
    raise VerificationError(
        f"The image's server ended with exit code {code}{killed}: {message or 'it said nothing'}",
        details=condensed(log, without=message),
        hint=hint or "`mbuild serve` runs the same server here, with its whole log, anew after each change.",
    )


def _carried(contract: Mapping[str, Any]) -> tuple[Example, ...]:
    """The examples in the image; without any, one that the server made up from its contract. That one has no name."""
    return tuple(Example(item["request"], item["expected"], item["name"]) for item in contract.get("examples") or ())


def _require_something(examples: Sequence[Example]) -> None:
    if not examples:
        raise VerificationError(
            "The image cannot be asked anything: it has no example, and nothing says what it takes.",
            hint="Give a request with --example request.json, or declare what the handler takes. "
            "--no-verify tags the image untested.",
        )


def _get(server: _Server, container: Container, path: str) -> Any:
    with _talking_to(container, f"GET {path}"):
        status, body = server.request("GET", path)
        if status == 200:
            return json.loads(body)
    raise VerificationError(f"GET {path} was answered with {status}.", details=container.logs())


def _ask(server: _Server, container: Container, example: Example, tolerance: float) -> Answered:
    began = time.monotonic()
    with _talking_to(container, f"The example {example.name or MADE_UP}"):
        status, body = server.request("POST", "/predict", json.dumps(example.request).encode())
        answer = json.loads(body)
    seconds = time.monotonic() - began
    if status != 200:
        wrong = _refusal(status, _problem(answer), container)
    else:
        wrong = "" if example.expected is None else difference(answer, example.expected, tolerance)
    return Answered(example.name, example.request, answer, example.expected, wrong, seconds)


def _refusal(status: int, problem: str, container: Container) -> str:
    """The words of the answer; where they lead to the log, what that says."""
    logged = _LOGGED.search(problem)
    cause = raised(container.logs(200), logged[1]) if logged else ""
    return f"{cause}; so it was refused with {status}" if cause else f"it was refused with {status}: {problem}"


def _problem(answer: Any) -> str:
    """The words of an application/problem+json body."""
    if not isinstance(answer, Mapping):
        return str(answer)[:200]
    text = str(answer.get("detail") or answer.get("title") or answer)
    return f"{answer['field']}: {text}" if answer.get("field") else text


@contextmanager
def _talking_to(container: Container, what: str) -> Iterator[None]:
    try:
        yield
    except (OSError, HTTPException) as error:
        time.sleep(_POLL_ENGINE)  # a server that died is seen by its clients before it is by the engine
        _require_running(container)
        raise VerificationError(f"{what} got no answer: {error}.", details=container.logs()) from error
    except ValueError as error:
        raise VerificationError(f"{what} was answered with something that is no JSON.") from error


def _require_right(answered: Sequence[Answered], container: Container, *, generated: bool) -> None:
    wrong = [example for example in answered if example.difference]
    if not wrong:
        return
    failed = any("refused with 5" in example.difference for example in wrong)
    lines = [f"{example.name or MADE_UP}: {example.difference}" for example in wrong]
    hint = "Is the handler the one that the expected answer was made with? --tolerance allows for rounding."
    if generated:
        hint = "The request was made up from the contract. Where that is why, give a real one: --example request.json"
    elif any("refused" in example.difference for example in wrong):
        hint = "The example must be a body of POST /predict; `mbuild inspect` shows what the model takes."
    raise VerificationError(
        f"{len(wrong)} of {len(answered)} examples failed. {lines[0]}",
        details="\n".join([*lines[1:], *([condensed(container.logs(200))] if failed else ())]),
        hint=hint,
    )


def _require_healthy(server: _Server, container: Container) -> None:
    for path in ("/health/live", "/health/ready"):
        with _talking_to(container, f"GET {path}"):
            status, _ = server.request("GET", path)
        if status != 200:
            raise VerificationError(f"After the examples, GET {path} is answered with {status}.")
    code = container.probe()
    if code:
        raise VerificationError(
            f"The server is ready, but the image's HEALTHCHECK fails with exit code {code}.", details=container.logs()
        )


def _require_clean_stop(container: Container) -> None:
    code = container.stop(_STOP)
    if code is None:
        raise VerificationError(
            f"The server did not stop within {_STOP:.0f} seconds of SIGTERM.",
            details=container.logs(),
            hint="A handler that starts threads or processes must let them end: daemon=True.",
        )
    if code:
        raise VerificationError(f"After SIGTERM the server ended with exit code {code}.", details=container.logs())
