"""The context of a request."""

from modelbuild_runtime.handler.mms_context import Context, RequestProcessor

__all__ = ["Context", "RequestProcessor"]
