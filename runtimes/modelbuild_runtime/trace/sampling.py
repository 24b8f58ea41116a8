"""Which requests make spans.

Source: https://opentelemetry.io/docs/specs/otel/trace/sdk/#sampling and .../configuration/sdk-environment-variables/
"""

from __future__ import annotations

import math
from itertools import chain, repeat
from typing import Callable, Iterator, NamedTuple, Optional

from modelbuild_runtime.trace.context import Trace

SAMPLERS = (
    *("always_on", "always_off", "traceidratio"),
    *("parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"),
)
_LOW = (1 << 64) - 1
_MOST = 1 << 62


class Sampler(NamedTuple):
    """``ratio`` of the traces that begin here; of others too, unless their caller's decision is kept."""

    ratio: float = 1.0
    follows_parent: bool = True

    @property
    def bound(self) -> int:
        """Of what the lower half of a trace's id is less than where it is sampled."""
        return int(self.ratio * (_LOW + 1))

    def begins(self, random: Callable[[], float]) -> Callable[[], bool]:
        """Tells of one request after the other whether a trace that is sampled begins with it. How many there are up to
        the next one is drawn at once, so that nearly all of them take no step in Python.
        """
        if not 0 < self.ratio < 1:
            return repeat(self.ratio > 0).__next__
        scale = 1 / math.log1p(-self.ratio)

        def until_next() -> Iterator[bool]:
            return chain(repeat(False, int(min(math.log(1 - random()) * scale, _MOST))), (True,))

        return chain.from_iterable(iter(until_next, None)).__next__

    def low(self, bits: int) -> int:
        """The lower half of the id of a trace that is sampled, from 64 random bits."""
        return bits * self.bound >> 64

    def samples(self, trace_id: int, parent: Optional[Trace]) -> bool:
        """Decided by the trace's id, so that all that see it decide alike."""
        if self.follows_parent and parent is not None:
            return parent.sampled
        return (trace_id & _LOW) < self.bound


def sampler(name: str, argument: float) -> Sampler:
    """The sampler of one of the names ``SAMPLERS``; ``argument`` is for those by ratio."""
    kind = name.replace("parentbased_", "")
    ratio = {"always_on": 1.0, "always_off": 0.0}.get(kind, argument)
    return Sampler(ratio, name.startswith("parentbased_"))
