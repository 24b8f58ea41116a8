"""Bytes on their way to or from a registry, and what the engine's event stream says of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from docker.auth import encode_header

from modelbuild.engines import Pushed
from modelbuild.progress import Progress
from modelbuild.registry.credentials import Credentials
from modelbuild.registry.reference import Reference

_DIGEST = re.compile(r"digest: (sha256:[0-9a-f]{64})")
_THERE = ("Layer already exists", "Mounted from", "Already exists")


@dataclass(slots=True)
class Transfer:
    """What is known so far. ``error`` is the engine's own message."""

    progress: Progress
    digest: str = ""
    error: str = ""
    done: dict[str, int] = field(default_factory=dict)
    total: dict[str, int] = field(default_factory=dict)
    there: set[str] = field(default_factory=set)
    sent: set[str] = field(default_factory=set)

    def feed(self, event: Mapping[str, Any]) -> None:
        """Take in one event."""
        status, layer = str(event.get("status", "")), str(event.get("id", ""))
        if "error" in event:
            self.error = str((event.get("errorDetail") or {}).get("message") or event["error"]).strip()
        self._learn_digest(event, status)
        if not layer:
            return
        if status.startswith(_THERE):
            self.there.add(layer)
        elif status in {"Pushed", "Download complete", "Pull complete"}:
            self.sent.add(layer)
            self.done[layer] = self.total.get(layer, 0)
        elif status in {"Pushing", "Downloading"}:
            self._count(layer, event.get("progressDetail") or {})
        if status and status not in {"Pushing", "Downloading", "Extracting"}:
            self.progress.log(f"{layer}: {status}")

    def pushed(self) -> Pushed:
        """What a push came to."""
        return Pushed(
            self.digest, sum(self.total.get(layer, 0) for layer in self.sent), len(self.sent), len(self.there)
        )

    def _learn_digest(self, event: Mapping[str, Any], status: str) -> None:
        aux = event.get("aux")
        found = _DIGEST.search(status)
        if isinstance(aux, dict) and aux.get("Digest"):
            self.digest = aux["Digest"]
        elif found:
            self.digest = found[1]

    def _count(self, layer: str, detail: Mapping[str, int]) -> None:
        current = int(detail.get("current") or 0)
        # Small layers report no total, and some more bytes than their total, as tar has headers.
        self.total[layer] = max(int(detail.get("total") or 0), current, self.total.get(layer, 0))
        self.done[layer] = current
        self.progress.bytes(sum(self.done.values()), sum(self.total.values()))


def push_events(client: Any, target: Reference, login: Credentials | None) -> Iterator[Mapping[str, Any]]:
    """Push a tag."""
    url = client._url("/images/{0}/push", target.name)  # noqa: SLF001
    return _events(client, url, {"tag": target.tag}, target, login)


def pull_events(
    client: Any, target: Reference, platform: str, login: Credentials | None
) -> Iterator[Mapping[str, Any]]:
    """Pull an image for a platform."""
    tag = target.digest or target.tag
    parameters = {"fromImage": target.name, "tag": tag, "platform": platform}
    for event in _events(client, client._url("/images/create"), parameters, target, login):  # noqa: SLF001
        if target.is_loopback and "server gave HTTP response" in str(event.get("error", "")):
            # Podman: only its own API pulls over plain HTTP.
            system, architecture = platform.split("/")[:2]
            own = {"reference": str(target), "OS": system, "Arch": architecture, "policy": "always"}
            yield from _events(client, f"{client.base_url}/v4.0.0/libpod/images/pull", own, target, login)
            return
        yield event


def _events(
    client: Any, url: str, parameters: dict[str, str], target: Reference, login: Credentials | None
) -> Iterator[Mapping[str, Any]]:
    """The SDK's own push and pull cannot tell podman what Docker knows: that loopback registries need no TLS."""
    if target.is_loopback:
        parameters = {**parameters, "tlsVerify": "false"}
    response = client._post(  # noqa: SLF001
        url,
        params=parameters,
        headers={"X-Registry-Auth": encode_header(login.to_engine() if login else {})},
        stream=True,
        timeout=None,  # a registry may take its time over a large layer
    )
    client._raise_for_status(response)  # noqa: SLF001
    try:
        yield from client._stream_helper(response, decode=True)  # noqa: SLF001
    finally:
        response.close()
