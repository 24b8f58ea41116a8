"""CloudEvents 1.0 over HTTP, in binary mode (attributes in ce- headers) and in structured mode (one JSON object).

Read from the HTTP protocol binding and the JSON format of the specification. An answer comes in the mode of its event.
"""

from __future__ import annotations

import base64
import binascii
from datetime import datetime, timezone
from typing import Any, Dict, Mapping, NamedTuple, Tuple

import msgspec

from modelbuild_runtime.answers import json_answer
from modelbuild_runtime.bodies import json_body
from modelbuild_runtime.bodies.json_body import Body
from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.http import media_type

STRUCTURED = "application/cloudevents+json"
VERSION = "1.0"

_REQUIRED = ("specversion", "id", "source", "type")
_PREFIX = b"ce-"

Headers = Mapping[bytes, bytes]


class CloudEvent(NamedTuple):
    """``attributes`` are all but the data; ``content_type`` is the data's, empty where nothing is said of it."""

    attributes: Dict[str, Any]
    data: Body
    content_type: str
    structured: bool


def is_event(headers: Headers) -> bool:
    """Whether a request says that it is a CloudEvent."""
    return b"ce-specversion" in headers or _is_structured(headers)


def read(headers: Headers, body: Body) -> CloudEvent:
    """The event that a request is.

    Raises:
        InvalidInput: it lacks an attribute, or is not what its mode asks for.
    """
    if _is_structured(headers):
        return _structured(body)
    attributes = {
        name[len(_PREFIX) :].decode("latin-1"): value.decode("latin-1")
        for name, value in headers.items()
        if name.startswith(_PREFIX)
    }
    _check(attributes)
    return CloudEvent(attributes, body, headers.get(b"content-type", b"").decode("latin-1"), structured=False)


def written(
    event: CloudEvent, attributes: Mapping[str, str], body: bytes, content_type: str
) -> Tuple[bytes, str, Tuple[Tuple[str, str], ...]]:
    """The body, the content type and the headers of an answer in the event's mode. Its time is now."""
    said = {**attributes, "specversion": VERSION, "time": datetime.now(timezone.utc).isoformat()}
    if not event.structured:
        return body, content_type, tuple((f"ce-{name}", value) for name, value in said.items())
    found: Dict[str, Any] = {**said, "datacontenttype": content_type}
    if media_type.parse(content_type.encode("latin-1")).name == media_type.JSON:
        found["data"] = msgspec.Raw(body)
    else:
        found["data_base64"] = base64.b64encode(body).decode()
    return msgspec.json.encode(found), STRUCTURED, ()


def _is_structured(headers: Headers) -> bool:
    name = headers.get(b"content-type", b"").partition(b";")[0]
    return name.strip().lower() == STRUCTURED.encode()


def _structured(body: Body) -> CloudEvent:
    found = json_body.read(body)
    if not isinstance(found, dict):
        raise InvalidInput("Cloud Event Exceptions: a structured event is a JSON object")
    _check(found)
    attributes = {name: value for name, value in found.items() if name not in ("data", "data_base64")}
    content_type = attributes.get("datacontenttype", media_type.JSON)
    if not isinstance(content_type, str):
        raise InvalidInput("Cloud Event Exceptions: datacontenttype is no text", field="datacontenttype")
    if "data_base64" in found:
        return CloudEvent(attributes, _decoded(found["data_base64"]), content_type, structured=True)
    if "data" not in found:
        raise InvalidInput("Cloud Event Exceptions: the event has no data", field="data")
    data = found["data"]
    is_json = media_type.parse(content_type.encode("latin-1", "replace")).name in ("", media_type.JSON)
    plain = data.encode() if isinstance(data, str) and not is_json else _again(data)
    return CloudEvent(attributes, plain, content_type, structured=True)


def _again(data: Any) -> bytes:
    """The text of JSON that was read already; NaN, which not every encoder knows, included."""
    return json_answer.encode(data, tokens=True)


def _check(attributes: Mapping[str, Any]) -> None:
    for name in _REQUIRED:
        if not isinstance(attributes.get(name), str) or not attributes[name]:
            raise InvalidInput(f"Cloud Event Exceptions: the attribute {name!r} is missing", field=name)


def _decoded(text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError, TypeError) as error:
        raise InvalidInput("Cloud Event Exceptions: data_base64 is not base64", field="data_base64") from error


def merged(event: CloudEvent) -> Dict[str, str]:
    """The event's own attributes that an answer may repeat: all but those that say what only one event can."""
    own = ("specversion", "id", "time", "datacontenttype", "dataschema")
    return {name: value for name, value in event.attributes.items() if name not in own and isinstance(value, str)}
