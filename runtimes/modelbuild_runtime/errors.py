"""Every error a client can meet, neutral of any protocol.

``status`` is the natural HTTP status; a protocol may map it to its own. ``message`` is safe to send to a client:
it names the field and the value, never a file, a line of code or a traceback.
"""

from __future__ import annotations

LONGEST = 4096
"""Characters of a message, and of a field: a client may have called a column whatever it likes."""


class ServerError(Exception):
    """Base of all. ``field`` names the tensor, column or part of the request at fault, when there is one. What is very
    long is cut.
    """

    status = 500
    code = "internal"

    def __init__(self, message: str, *, field: str = "", retry_after: int = 0) -> None:
        message = message if len(message) <= LONGEST else message[:LONGEST] + "..."
        super().__init__(message)
        self.message = message
        self.field = field[:LONGEST]
        self.retry_after = retry_after


class InvalidInput(ServerError):  # noqa: N818  # an answer to a client, named as the client sees it
    """The request does not fit the contract, or cannot be parsed."""

    status = 400
    code = "invalid_input"


class Unauthorized(ServerError):  # noqa: N818
    """Who asks needs a key, and the request has none or a wrong one."""

    status = 401
    code = "unauthorized"


class NotFound(ServerError):  # noqa: N818
    """No such route, model or version."""

    status = 404
    code = "not_found"


class MethodNotAllowed(ServerError):  # noqa: N818
    """The route exists, for another method."""

    status = 405
    code = "method_not_allowed"


class Conflict(ServerError):  # noqa: N818
    """What is to be made is there already."""

    status = 409
    code = "conflict"


class NotAcceptable(ServerError):  # noqa: N818
    """No representation that the client accepts."""

    status = 406
    code = "not_acceptable"


class RequestTimeout(ServerError):  # noqa: N818
    """The client was too slow in sending its request."""

    status = 408
    code = "request_timeout"


class TooLarge(ServerError):  # noqa: N818
    """A limit of the ingress limiter: body, inflated body, nesting, elements, strings."""

    status = 413
    code = "too_large"


class UriTooLong(ServerError):  # noqa: N818
    """The target of the request is longer than any route of this server."""

    status = 414
    code = "uri_too_long"


class UnsupportedMediaType(ServerError):  # noqa: N818
    """A content type or encoding that this route does not read."""

    status = 415
    code = "unsupported_media_type"


class UnsupportedCoding(UnsupportedMediaType):
    """A content encoding that no route reads."""


class ExpectationFailed(ServerError):  # noqa: N818
    """An ``Expect`` other than 100-continue."""

    status = 417
    code = "expectation_failed"


class Quarantined(ServerError):  # noqa: N818
    """The request was in flight each time that processes of this server died: it is not run again."""

    status = 422
    code = "quarantined"


class Overloaded(ServerError):  # noqa: N818
    """The queue is full; ``retry_after`` says in how many seconds to come back."""

    status = 429
    code = "overloaded"


class HeadTooLarge(ServerError):  # noqa: N818
    """Too many header fields, or too long ones."""

    status = 431
    code = "head_too_large"


class PredictionFailed(ServerError):  # noqa: N818
    """The handler or the model raised; the log has the traceback under the request's id."""

    status = 500
    code = "prediction_failed"


class Unsupported(ServerError):  # noqa: N818
    """Legal, but not done here: a transfer coding or a feature of a protocol."""

    status = 501
    code = "unsupported"


class NotReady(ServerError):  # noqa: N818
    """Still loading or warming up, or draining."""

    status = 503
    code = "not_ready"


class Crowded(ServerError):  # noqa: N818
    """There are as many connections as the server takes."""

    status = 503
    code = "too_many_connections"


class DeadlineExceeded(ServerError):  # noqa: N818
    """The deadline passed before an answer was there."""

    status = 504
    code = "deadline_exceeded"


class VersionNotSupported(ServerError):  # noqa: N818
    """A version of HTTP other than 1.0 and 1.1."""

    status = 505
    code = "version_not_supported"


class OutOfResources(ServerError):  # noqa: N818
    """No memory for one more model."""

    status = 507
    code = "out_of_resources"


class LoadError(Exception):
    """The model or the handler cannot be loaded: ``message`` says what happened, ``hint`` what to do. Never reaches a
    client; the server prints it and exits, and the builder shows it.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class SettingError(Exception):
    """An environment variable of the server that cannot be right. Printed once, exit code 2."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
