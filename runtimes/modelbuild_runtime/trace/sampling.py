"""Which requests make spans.

Source: https://opentelemetry.io/docs/specs/otel/trace/sdk/#sampling and .../configuration/sdk-environment-variables/
"""

from __future__ import annotations

from typing import NamedTuple, Optional

from modelbuild_runtime.trace.context import Trace

SAMPLERS = (
    *("always_on", "always_off", "traceidratio"),
    *("parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"),
)
_LOW = (1 << 64) - 1


class Sampler(NamedTuple):
    """``ratio`` of the traces that begin here; of others too, unless their caller's decision is kept."""

    ratio: float = 1.0
    follows_parent: bool = True

    @property
    def bound(self) -> int:
        """Of what the lower half of a trace's id is less than where it is sampled."""
        return int(self.ratio * (_LOW + 1))

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
