"""Forms: multipart/form-data, with files, and application/x-www-form-urlencoded."""

from __future__ import annotations

import binascii
import re
from typing import Any, Dict, List, NamedTuple, Union

from modelbuild_runtime.errors import InvalidInput, TooLarge
from modelbuild_runtime.http.media_type import MULTIPART, MediaType

MAX_PARTS = 1000

_NO_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


class Part(NamedTuple):
    """One field. ``filename`` is "" for a field that is no file; ``content_type`` is "" where it is not given."""

    name: str
    value: bytes
    filename: str = ""
    content_type: str = ""


def read(body: Union[bytes, bytearray], media_type: MediaType) -> List[Part]:
    """The fields in the order in which they were sent.

    Raises:
        InvalidInput: the body is not such a form.
        TooLarge: it has too many fields.
    """
    parts = _multipart(body, media_type) if media_type.name == MULTIPART else _urlencoded(body)
    if not parts:
        raise InvalidInput("nothing was sent: there are no fields")
    return parts


def fields(parts: List[Part]) -> Dict[str, bytes]:
    """Their bytes by name, as handlers of other servers know them: the last of a name counts."""
    return {part.name: part.value for part in parts}


def types(parts: List[Part]) -> Dict[str, str]:
    """The media types of the fields, "" of those that are no files."""
    return {part.name: _media_type(part) if part.filename else "" for part in parts}


def text(part: Part) -> str:
    """A field's value as text.

    Raises:
        InvalidInput: it is not UTF-8.
    """
    try:
        return part.value.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(f"the field '{part.name}' is not UTF-8; send it as a file", field=part.name) from error


def _media_type(part: Part) -> str:
    return part.content_type.partition(";")[0].strip() or "application/octet-stream"


def _urlencoded(body: Union[bytes, bytearray]) -> List[Part]:
    if not body.isascii():
        raise InvalidInput("the form is not URL-encoded UTF-8")
    if body.count(b"&") >= MAX_PARTS:
        raise TooLarge(f"the form has more than {MAX_PARTS} fields")
    pairs = [pair.partition(b"=") for pair in bytes(body).split(b"&") if pair]
    return [Part(_unquoted(name).decode(), _unquoted(value)) for name, _, value in pairs]


def _unquoted(text: bytes) -> bytes:
    """What a name or value stands for. ``urllib.parse`` makes an object for each escape, which takes many seconds for
    millions; the escapes of quoted-printable are the same but for their sign, and are undone in C.

    Raises:
        InvalidInput: an escape is none, or it is not UTF-8.
    """
    plain = text.replace(b"+", b" ")
    if b"%" in plain:
        if _NO_ESCAPE.search(plain):
            raise InvalidInput("the form is not URL-encoded: after % there must be two hexadecimal digits")
        plain = binascii.a2b_qp(plain.replace(b"=", b"=3D").replace(b"%", b"="))
    try:
        plain.decode()
    except UnicodeDecodeError:
        raise InvalidInput("the form is not URL-encoded UTF-8") from None
    return plain


def _multipart(body: Union[bytes, bytearray], media_type: MediaType) -> List[Part]:
    import multipart  # only for those who send forms

    boundary = media_type.params.get("boundary", "")
    if not boundary:
        raise InvalidInput("the Content-Type of the form says no boundary")
    parts: List[Part] = []
    value: List[bytes] = []
    try:
        with multipart.PushMultipartParser(boundary, len(body), max_segment_count=MAX_PARTS) as parser:
            for event in parser.parse(bytes(body)):
                if isinstance(event, multipart.MultipartSegment):
                    segment = event
                elif event:
                    value.append(bytes(event))
                else:
                    parts.append(Part(segment.name or "", b"".join(value), segment.filename or "", _type(segment)))
                    value = []
    except multipart.ParserLimitReached as error:
        raise TooLarge(f"the form: {error}") from error
    except (multipart.MultipartError, UnicodeError, LookupError) as error:
        raise InvalidInput(f"the body is not a multipart form: {error}") from error
    return parts


def _type(segment: Any) -> str:
    return (segment.content_type or "").lower()
