"""What protocols say of their routes, in OpenAPI 3.1: bodies, failures, and whole operations.

What several routes take or answer is a ``schema.Shared``, which the document tells once.
"""

from __future__ import annotations

from typing import Any, Dict, Iterable, Mapping, Tuple

from modelbuild_runtime import examples, schema
from modelbuild_runtime.answers.answer import offers
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.http import media_type
from modelbuild_runtime.protocols import Service
from modelbuild_runtime.schema import Shared

PROBLEM = "application/problem+json"
WORDS = {
    400: "Does not fit the contract, or cannot be read",
    401: "No token, or another",
    403: "Not possible here",
    404: "Not here",
    406: "No answer in the accepted types",
    409: "There already",
    413: "Too large",
    415: "Unknown content type",
    429: "Too many requests wait",
    431: "A header is too long",
    500: "The prediction failed",
    501: "Not done here",
    503: "Not ready, or too many requests wait",
    504: "Took too long",
    507: "Out of memory",
}
"""What statuses of failure mean."""

ANYTHING: Dict[str, Any] = {"*/*": {"schema": {}}}
"""Bodies that a handler reads or writes by itself."""

ERROR = Shared("Error", {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]})
"""What several protocols answer to what fails."""


def problem(*statuses: int) -> Dict[str, Any]:
    """The responses of an operation to requests that fail in these ways, in our own shape."""
    return failures(_PROBLEM_SCHEMA, *statuses, media=PROBLEM)


def failures(body: Any, *statuses: int, media: str = media_type.JSON) -> Dict[str, Any]:
    """The responses of an operation to requests that fail in these ways, with a body of this schema."""
    return {str(status): {"description": WORDS[status], "content": {media: {"schema": body}}} for status in statuses}


def json_body(body: Any, description: str = "Success") -> Dict[str, Any]:
    """A response, or a request's body, in JSON."""
    return {"description": description, "content": {media_type.JSON: {"schema": body}}}


def asked(body: Any, example: Any = None, name: str = "example") -> Dict[str, Any]:
    """A request's body in JSON, which must be there."""
    return {"required": True, "content": {media_type.JSON: {"schema": body, **examples.one(example, name)}}}


def texts(description: str = "Success") -> Dict[str, Any]:
    """A response in plain text."""
    return {"description": description, "content": {"text/plain": {"schema": {"type": "string"}}}}


def offered(service: Service) -> Tuple[str, ...]:
    """The media types of the answers of POST /predict, and of every route that answers as it does."""
    return offers(service.contract, streams=service.streams and not service.takes_raw)


def questions(service: Service) -> Dict[str, Any]:
    """The bodies that POST /predict, and every route that takes the same, reads: by media type."""
    if service.takes_raw:
        return ANYTHING
    contract = service.contract
    found = examples.bodies(service)
    content: Dict[str, Any] = {
        media_type.JSON: {"schema": schema.QUESTION, **({"examples": found} if found else {})},
        media_type.MULTIPART: _form(contract),
        media_type.URLENCODED: _form(contract),
        media_type.NPY: _ARRAY,
    }
    return {**content, **lines()} if contract.batched else content


def _form(contract: Contract) -> Dict[str, Any]:
    """A field an input; lists of lists are written in JSON."""
    nested = [spec.name for spec in contract.inputs if len(spec.shape) - contract.batched > 1]
    encoding = {name: {"contentType": media_type.JSON} for name in nested}
    strict = schema.RECORD if contract.record else Shared("Form", schema.without_null(schema.record(contract)))
    return {"schema": strict, **({"encoding": encoding} if encoding else {})}


def lines() -> Dict[str, Any]:
    """Bodies with a row a line."""
    return {media_type.CSV: _TABLE, media_type.JSON_LINES: _ROW_A_LINE}


def answers(service: Service) -> Dict[str, Any]:
    """The answers to a prediction, by media type: JSON in the shape of the question, and those without a shape."""
    if service.takes_raw:
        return ANYTHING
    return {**written(service, offered(service)), media_type.JSON: {"schema": schema.ANSWER}}


def written(service: Service, names: Iterable[str]) -> Dict[str, Any]:
    """Answers of these media types, those in JSON of any shape."""
    if service.takes_raw:
        return ANYTHING
    known = {media_type.JSON: {"schema": {}}, media_type.NPY: _ARRAY, media_type.CSV: _TABLE}
    known.update({media_type.JSON_LINES: _ROW_A_LINE, media_type.EVENT_STREAM: EVENTS})
    return {name: known.get(name, {"schema": {"type": "string"}}) for name in names}


def prediction(
    service: Service, summary: str, taken: Mapping[str, Any], given: Mapping[str, Any], failed: Mapping[str, Any]
) -> Dict[str, Any]:
    """The operation of a route that predicts: what it takes and gives by media type, what it answers to what fails. A
    handler that reads and writes by itself may answer anything, and with any status.
    """
    operation = {
        "summary": summary,
        "requestBody": {"required": True, "content": taken},
        "responses": {"200": {"description": "The prediction", "content": given}, **failed},
    }
    if service.takes_raw:
        answer = {"description": "What the handler answers, or an error of the server", "content": ANYTHING}
        operation.update(requestBody={"content": ANYTHING}, responses={"200": answer, "default": answer})
    return operation


_ARRAY = {
    "schema": Shared(
        "Array", {"contentMediaType": media_type.NPY, "description": "The only array, as numpy.save writes it."}
    )
}
_TABLE = {
    "schema": Shared(
        "Table",
        {
            "type": "string",
            "description": "A line a row, names in a first line or not: text/csv;header=present or absent says it.",
        },
    )
}
_ROW_A_LINE = {"schema": Shared("Lines", {"type": "string", "description": "A row a line, in JSON."})}
EVENTS = {"schema": Shared("Events", {"description": "Server-sent events: a part of the answer each, in JSON."})}
_PROBLEM_SCHEMA = Shared(
    "Problem",
    {
        "type": "object",
        "description": "RFC 9457. `field` names what is wrong, where one thing is.",
        "properties": {
            "type": {"const": "about:blank"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "code": {"type": "string"},
            "field": {"type": "string"},
            "request_id": {"type": "string"},
        },
        "required": ["type", "title", "status", "detail", "code"],
    },
)
