"""Registries: pushing with patience, and their refusals in plain words."""

from __future__ import annotations

import time
from collections.abc import Callable

from modelbuild.engines import BuildEngine, Pushed
from modelbuild.errors import RegistryError
from modelbuild.progress import Progress
from modelbuild.registry.reference import Reference, parse

# Seconds before each new try: a registry behind a load balancer is back within a few.
PAUSES = (1.0, 3.0, 9.0)

# Worth another try. Everything else would fail again.
_TRANSIENT = (
    "unexpected eof",
    "connection reset",
    "broken pipe",
    "i/o timeout",
    "tls handshake timeout",
    "timeout exceeded",
    "too many requests",
    "toomanyrequests",
    "502 bad gateway",
    "503 service unavailable",
    "504 gateway",
    "500 internal server error",
    "received unexpected http status: 5",
    "blob upload unknown",
)


def push(
    engine: BuildEngine, reference: str, *, progress: Progress, sleep: Callable[[float], None] = time.sleep
) -> Pushed:
    """Push, and try again where the refusal may pass.

    Raises:
        RegistryError: the registry refused, or could not be reached in the end.
    """
    for pause in PAUSES:
        try:
            return engine.push(reference, progress=progress)
        except RegistryError as error:
            if not is_transient(error.details):
                raise
            progress.log(f"{error.details}; trying again in {pause:.0f} s")
            sleep(pause)
    return engine.push(reference, progress=progress)


def is_transient(message: str) -> bool:
    """Whether the same request may well succeed later."""
    return any(sign in message.lower() for sign in _TRANSIENT)


def refusal(message: str, reference: str, *, logged_in: bool, doing: str = "push") -> RegistryError:
    """The error for what an engine reported of a registry; ``details`` keeps its words."""
    target = parse(reference)
    text = message.lower()
    for signs, build in _REFUSALS:
        if any(sign in text for sign in signs):
            what, hint = build(target, logged_in)
            return RegistryError(f"Cannot {doing} {reference}: {what}", hint=hint, details=message)
    return RegistryError(
        f"Cannot {doing} {reference}: {target.registry} refused.", details=message, hint="The registry's log says more."
    )


def _login(target: Reference) -> str:
    return "docker login" if target.registry == "docker.io" else f"docker login {target.registry}"


def _unauthorized(target: Reference, logged_in: bool) -> tuple[str, str]:
    if logged_in:
        return (
            f"{target.registry} did not accept the credentials that are stored for it.",
            f"Log in again: {_login(target)}",
        )
    return f"{target.registry} wants credentials and none are stored.", f"Log in first: {_login(target)}"


def _denied(target: Reference, logged_in: bool) -> tuple[str, str]:
    who = "the user that is logged in" if logged_in else "an anonymous user"
    what = f"{who} may not write to {target.repository} at {target.registry}, or it does not exist."
    return what, f"Check the name, ask its owner for the right to push, or log in as another: {_login(target)}"


def _certificate(target: Reference, _: bool) -> tuple[str, str]:
    what = f"the certificate of {target.registry} is signed by nobody that the engine knows."
    hint = (
        f"Copy its CA to /etc/docker/certs.d/{target.registry}/ca.crt on the engine's machine (for podman to "
        f"/etc/containers/certs.d/{target.registry}/ca.crt). No restart is needed."
    )
    return what, hint


def _other_tls(target: Reference, _: bool) -> tuple[str, str]:
    return (
        f"no TLS connection to {target.registry} came about.",
        "Check its certificate's names and dates: the engine's words above say which is wrong.",
    )


def _plain(target: Reference, _: bool) -> tuple[str, str]:
    return (
        f"{target.registry} speaks plain HTTP, which engines accept only on loopback.",
        f'Put TLS in front of it, or add {target.registry} to "insecure-registries" in /etc/docker/daemon.json.',
    )


def _unknown_host(target: Reference, _: bool) -> tuple[str, str]:
    return (
        f"the host {target.registry.rsplit(':', 1)[0]} is not found.",
        "Check the spelling, and the DNS of the engine's machine.",
    )


def _unreachable(target: Reference, _: bool) -> tuple[str, str]:
    return f"nothing answers at {target.registry}.", "Is the registry running, and is that its port?"


def _missing(target: Reference, _: bool) -> tuple[str, str]:
    return f"the engine has no image of that name ({target}).", "`docker images` lists what it has."


def _name(target: Reference, _: bool) -> tuple[str, str]:
    return (
        f"{target.registry} does not accept the name {target.repository}.",
        "Many registries want a namespace: registry/team/name.",
    )


def _busy(target: Reference, _: bool) -> tuple[str, str]:
    return f"{target.registry} answers with errors of its own.", "Try again later; its log says more."


# The first whose sign is in the engine's message. Engines word the same refusal in several ways.
_REFUSALS: tuple[tuple[tuple[str, ...], Callable[[Reference, bool], tuple[str, str]]], ...] = (
    (("unknown authority", "certificate is not trusted", "self-signed", "self signed"), _certificate),
    (("x509:", "tls:", "remote error: tls", "certificate"), _other_tls),
    (("server gave http response to https",), _plain),
    (
        ("no such host", "dial tcp: lookup", "name or service not known", "temporary failure in name resolution"),
        _unknown_host,
    ),
    (
        ("connection refused", "no route to host", "network is unreachable", "i/o timeout", "timeout exceeded"),
        _unreachable,
    ),
    (
        ("does not exist locally", "an image does not exist", "no such image", "image not known", "tag does not exist"),
        _missing,
    ),
    (
        ("no basic auth credentials", "unauthorized", "authentication required", "401", "incorrect username"),
        _unauthorized,
    ),
    (("denied", "forbidden", "403", "insufficient_scope"), _denied),
    (("name_invalid", "name invalid", "invalid repository name", "name_unknown"), _name),
    (("unexpected eof", "unexpected http status: 5", "internal server error", "toomanyrequests"), _busy),
)
