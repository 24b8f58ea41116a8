"""The headers of Azure Machine Learning's scoring server: ids that come back, and what browsers ask for."""

from __future__ import annotations

from typing import Any, Mapping, Tuple

from modelbuild_runtime.errors import HeadTooLarge
from modelbuild_runtime.http.message import HttpRequest

LONGEST_ID = 100

_ID, _LEGACY_ID, _CLIENT_ID = b"x-request-id", b"x-ms-request-id", b"x-ms-client-request-id"

Headers = Tuple[Tuple[str, str], ...]


class ScoringHeaders:
    """What every answer's head says beside the server's own x-request-id."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        version = environment.get("HTTP_X_MS_SERVER_VERSION", "")
        self._always: Headers = (("x-ms-server-version", version),) if version else ()
        self._origins = [
            origin.strip() for origin in environment.get("AML_CORS_ORIGINS", "").split(",") if origin.strip()
        ]

    def of(self, http: HttpRequest, *, failed: bool = False) -> Headers:
        """Ids come back as they came, the older name for one under both; so does the trace's."""
        headers = http.headers
        legacy, client = _plain(headers.get(_LEGACY_ID)), _plain(headers.get(_CLIENT_ID))
        client = client or legacy
        said = [("x-ms-run-function-failed", str(failed)), ("x-ms-request-id", legacy or client or http.id)]
        said += [("x-ms-client-request-id", client)] if client else []
        trace = _plain(headers.get(b"traceid"))
        said += [("TraceId", trace)] if trace else []
        return (*said, *self._always, *self._cors(_plain(headers.get(b"origin"))))

    def _cors(self, origin: str) -> Headers:
        if not origin or not {"*", origin} & set(self._origins):
            return ()
        return (
            ("Access-Control-Allow-Origin", origin),
            ("Access-Control-Allow-Methods", "GET, POST"),
            ("Access-Control-Allow-Headers", "authorization, content-type"),
            ("Vary", "Origin"),
        )


def _plain(value: Any) -> str:
    """A header's value as text; nothing where it is longer than an id may be, or no visible ASCII."""
    if not value or len(value) > LONGEST_ID or not all(0x20 <= byte < 0x7F for byte in value):
        return ""
    text: str = value.decode("ascii")
    return text


def check(headers: Mapping[bytes, bytes]) -> None:
    """Refuse ids that are longer than the platform lets them be."""
    if len(headers.get(_ID, b"")) > LONGEST_ID:
        raise HeadTooLarge(f"x-request-id must not exceed {LONGEST_ID} characters", field="x-request-id")
    if max(len(headers.get(name, b"")) for name in (_LEGACY_ID, _CLIENT_ID)) > LONGEST_ID:
        raise HeadTooLarge(
            f"x-ms-request-id and x-ms-client-request-id must not exceed {LONGEST_ID} characters",
            field="x-ms-client-request-id",
        )
