"""A request that was answered, as it is kept until its spans are sent, and the moments between its stages."""

from __future__ import annotations

from typing import NamedTuple, Optional, Tuple

import msgspec

from modelbuild_runtime.metrics.marks import Ran
from modelbuild_runtime.trace.context import Trace


class Kind(NamedTuple):
    """What many requests have in common. ``grpc_status`` is -1 where the client speaks HTTP."""

    method: str
    path: str
    route: str
    protocol: str
    model: str
    status: int
    grpc_status: int
    user_agent: bytes
    scheme: str = "http"

    @property
    def name(self) -> str:
        """The span's. There are few: it holds no id of anything."""
        if self.method == "GRPC":
            return self.route[1:] or "GRPC"
        return f"{self.method} {self.route}" if self.route else self.method


class Finished(msgspec.Struct, frozen=True, gc=False):
    """Times are on the loop's clock. Nothing of a body is here."""

    kind: Kind
    trace: Trace
    request_id: str
    request_bytes: int
    response_bytes: int
    rows: int
    received: float
    queued: float
    ran: Optional[Ran]
    encoding: float
    ended: float

    def moments(self) -> Tuple[float, ...]:
        """Beginnings and ends of ``STAGES``; 0 where the request did not come there."""
        ran = self.ran
        if not self.queued:
            return (self.received, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, self.ended)
        if ran is None:
            return (self.received, self.queued, self.ended, 0.0, 0.0, 0.0, 0.0, self.ended)
        run = (ran.began, ran.model_began, ran.model_ended, ran.ended)
        return (self.received, self.queued, *run, self.encoding, self.ended)


STAGES = {
    "decode": (0, 1),
    "queue": (1, 2),
    "preprocess": (2, 3),
    "predict": (3, 4),
    "postprocess": (4, 5),
    "encode": (6, 7),
}
"""Between which of the moments each stage is."""
