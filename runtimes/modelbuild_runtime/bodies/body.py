"""Bodies by media type: each to a question, and whole to handlers that decode by themselves."""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from modelbuild_runtime.bodies import form_body, form_question, json_body, npy_question
from modelbuild_runtime.bodies.natural_json import NaturalJson
from modelbuild_runtime.bodies.question import FORMS, RECORD, ROWS, Question, Wire, only_input, wire
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.errors import NotAcceptable, UnsupportedMediaType
from modelbuild_runtime.http import media_type
from modelbuild_runtime.http.media_type import MediaType
from modelbuild_runtime.http.message import HttpRequest
from modelbuild_runtime.request import Columns, Raw, Request
from modelbuild_runtime.tensor import Tensor

_JSON = (media_type.JSON, "")
"""JSON is also what a body is taken for that says nothing of itself."""


class BodyReader:
    """Reads bodies for one contract. ``offers`` are the media types of answers, the usual one first; ``raw`` is true
    where the handler wants bodies as they come, ``streams`` where it may answer in parts: as events where the client
    accepts no other, and as they come where it encodes by itself.
    """

    def __init__(self, contract: Contract, offers: Tuple[str, ...], *, raw: bool, streams: bool = False) -> None:
        self._contract = contract
        self._offers = offers
        self._raw = raw
        self._streams = streams
        self._json = NaturalJson(contract)
        self._usual = lru_cache(maxsize=64)(self._reading)
        self._readers: Dict[str, Callable[[Any, MediaType], Question]] = {
            media_type.JSON_LINES: self._read_lines,
            media_type.CSV: self._read_csv,
            media_type.NPY: self._read_npy,
            media_type.MULTIPART: self._read_form,
            media_type.URLENCODED: self._read_form,
        }

    def read(self, http: HttpRequest) -> Request:
        """Read a request.

        Raises:
            ServerError: it cannot be read, or no answer to it would be accepted.
        """
        return (self.reading(http.headers) or self._read_any)(http)

    def reading(self, headers: Mapping[bytes, bytes]) -> Optional[Callable[[HttpRequest], Request]]:
        """How requests with these header fields are read, where they come with nothing but JSON and are answered
        whole: then nothing about the fields has to be asked again.
        """
        return self._usual(headers.get(b"content-type", b""), headers.get(b"accept", b""))

    def _reading(self, header: bytes, accept: bytes) -> Optional[Callable[[HttpRequest], Request]]:
        media = media_type.choose(accept, self._offers)
        if self._raw or media is None or media.name == media_type.EVENT_STREAM:
            return None
        if media_type.parse(header).name not in _JSON:
            return None
        wires, read_json = {form: Wire(form, media) for form in FORMS}, self._json.read

        def read(http: HttpRequest) -> Request:
            question = read_json(http.body)
            wire = wires[question.form]
            return Request(question.payload, http.id, question.parameters, headers=http.headers, wire=wire)

        return read

    def _read_any(self, http: HttpRequest) -> Request:
        headers, body = http.headers, http.body
        header = headers.get(b"content-type", b"")
        accept = headers.get(b"accept", b"")
        if self._raw:
            whole = raw_body(body, header)
            return Request(whole, id=http.id, headers=headers, accept=accept.decode("latin-1"), stream=self._streams)
        media = media_type.parse(header)
        if media.name in _JSON or _is_curls_json(body, media):
            question = self._json.read(body)
        else:
            question = self._readers.get(media.name, self._read_whole)(body, media)
        return self._asked(question, http, accept)

    def read_parts(self, parts: List[form_body.Part], http: HttpRequest) -> Request:
        """Read fields that came in no form.

        Raises:
            ServerError: they do not fit.
        """
        return self._asked(form_question.question(parts, self._contract), http, b"")

    def _asked(self, question: Question, http: HttpRequest, accept: bytes) -> Request:
        wanted = wire(question.form, accept, self._offers, question.header)
        if wanted is None:
            raise NotAcceptable(f"answers are given as {', '.join(self._offers)}", field="accept")
        stream = self._streams and wanted.media.name == media_type.EVENT_STREAM
        return Request(question.payload, http.id, question.parameters, headers=http.headers, wire=wanted, stream=stream)

    def _read_lines(self, body: Any, media: MediaType) -> Question:  # noqa: ARG002
        return self._json.lines(json_body.read_lines(body))

    def _read_csv(self, body: Any, media: MediaType) -> Question:
        from modelbuild_runtime.bodies import csv_body

        payload, header = csv_body.read(body, self._contract, media.params.get("header", "").lower())
        return Question(payload, ROWS, header=header)

    def _read_npy(self, body: Any, media: MediaType) -> Question:  # noqa: ARG002
        return npy_question.read(body, self._contract)

    def _read_form(self, body: Any, media: MediaType) -> Question:
        return form_question.read(body, media, self._contract)

    def _read_whole(self, body: Any, media: MediaType) -> Question:
        """Any other body is the value of the only input, if that takes one piece of bytes."""
        spec = only_input(self._contract)
        if spec is None or spec.datatype != "BYTES" or not self._contract.batched or abs(prod(spec.shape)) != 1:
            listed = ", ".join([media_type.JSON, *self._readers])
            raise UnsupportedMediaType(f"{media.name} is not read here; send {listed}", field="content-type")
        part = form_body.Part(spec.name, bytes(body))
        value: Any = form_body.text(part) if media.name.startswith("text/") else part.value
        return Question(Columns({spec.name: Tensor("BYTES", (1,) * len(spec.shape), [value])}), RECORD)


def raw_body(body: Any, content_type: bytes) -> Raw:
    """A body for a handler that decodes by itself: the fields of a form, or all of it.

    Raises:
        ServerError: it is no such form as its content type says.
    """
    media = media_type.parse(content_type)
    text = content_type.decode("latin-1")
    form = media.name in (media_type.MULTIPART, media_type.URLENCODED)
    if form and not _is_curls_json(body, media):
        parts = form_body.read(body, media)
        return Raw(form_body.fields(parts), text, form_body.types(parts))
    return Raw({"body": bytes(body)}, text)


def _is_curls_json(body: Any, media: MediaType) -> bool:
    """JSON that curl sends for -d without another Content-Type: no form begins like this."""
    return media.name == media_type.URLENCODED and body[:1] in (b"{", b"[")
