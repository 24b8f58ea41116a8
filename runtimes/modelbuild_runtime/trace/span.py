"""A request that was answered, as it is kept until its spans are sent, and its stages as moments."""

from __future__ import annotations

from typing import Iterator, NamedTuple, Optional, Tuple

from modelbuild_runtime.metrics.marks import Ran
from modelbuild_runtime.trace.context import Trace


class Finished(NamedTuple):
    """Times are on the loop's clock, ``ended`` is on the wall's too. Nothing of a body is here."""

    trace: Trace
    request_id: str
    method: str
    path: str
    route: str
    protocol: str
    model: str
    status: int
    grpc_status: int  # -1 where the client speaks HTTP
    request_bytes: int
    response_bytes: int
    user_agent: str
    rows: int
    received: float
    queued: float
    ran: Optional[Ran]
    encoding: float
    ended: float
    wall: int  # nanoseconds since 1970

    @property
    def name(self) -> str:
        """Of few: it holds no id of anything."""
        if self.method == "GRPC":
            return self.route[1:] or "GRPC"
        return f"{self.method} {self.route}" if self.route else self.method

    def stages(self) -> Iterator[Tuple[str, float, float]]:
        """Name, beginning and end of each stage that the request came to."""
        if not self.queued:
            return
        yield "decode", self.received, self.queued
        ran = self.ran
        if ran is None:
            yield "queue", self.queued, self.ended
            return
        yield "queue", self.queued, ran.began
        yield "preprocess", ran.began, ran.model_began
        yield "predict", ran.model_began, ran.model_ended
        yield "postprocess", ran.model_ended, ran.ended
        if self.encoding:
            yield "encode", self.encoding, self.ended

    def nanoseconds(self, moment: float) -> int:
        """A moment of the loop's clock, since 1970."""
        return self.wall - round((self.ended - moment) * 1e9)
