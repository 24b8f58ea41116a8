"""What the server counts: plain numbers on the hot path, Prometheus' text (``exposition``) only when asked for.

Workers add up: each leaves its numbers on a board that all can read, so that a scrape of any one tells of all.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Any, Dict, List, NamedTuple, Tuple

import msgspec

from modelbuild_runtime.metrics.histogram import Histogram
from modelbuild_runtime.metrics.model_metrics import ModelMetrics
from modelbuild_runtime.protocols import Summary

MORE = "(more)"
"""The label of models beyond those that have one of their own."""
_MOST_MODELS = 100
"""Models that have one: each is some hundred numbers to whoever keeps metrics."""
_SUMMED = ("in_flight", "waiting", "queue_age_seconds")

Key = Tuple[str, str]


class Gauge(NamedTuple):
    """A number of this moment, of one model or of none. Workers' are added, or the largest counts."""

    value: float
    largest: bool = False


class _Line:
    """Responses of one protocol and model with one status: how many, and where their seconds are counted."""

    __slots__ = ("count", "duration", "sums")

    def __init__(self, duration: Histogram, sums: List[float]) -> None:
        self.count = 0
        self.duration = duration
        self.sums = sums


class Metrics:
    """Counters of one process, or of several added up. Only the event loop's thread writes them. ``gauges`` are by
    name and model, ``deaths`` are of workers by cause, ``spans`` of requests by what became of them.
    ``detailed``: see ``ModelMetrics``.
    """

    def __init__(self, *, detailed: bool = False) -> None:
        self.durations: Dict[Key, Histogram] = {}
        self.models: Dict[str, ModelMetrics] = {}
        self.gauges: Dict[Key, Gauge] = {}
        self.deaths: Dict[str, int] = {}
        self.spans: Dict[str, int] = {}
        self.detailed = detailed
        self._lines: Dict[Tuple[str, str, int], _Line] = {}

    def of(self, model: str) -> ModelMetrics:
        """One model's numbers; "" has what is known of no model."""
        found = self.models.get(model)
        if found is None:
            if len(self.models) >= _MOST_MODELS and model != MORE:
                return self.of(MORE)
            found = self.models[model] = ModelMetrics(model, detailed=self.detailed)
        return found

    def response(self, protocol: str, model: str, status: int, seconds: float) -> None:
        """A response leaves; ``model`` where a prediction of it was asked for, else ""."""
        line = self._lines.get((protocol, model, status)) or self._line(protocol, model, status)
        line.count += 1
        duration, sums = line.duration, line.sums
        duration.counts[bisect_left(duration.edges, seconds)] += 1
        duration.total += seconds
        sums[0] += 1
        sums[1] += seconds

    def shed(self, reason: str, model: str = "") -> None:
        """A request was turned away, or given up."""
        self.of(model).shed(reason)

    @property
    def requests(self) -> Dict[Tuple[str, str, int], int]:
        """Responses by protocol, model and status."""
        return {key: line.count for key, line in self._lines.items()}

    def summary(self, now: float) -> Summary:
        """What two of can be compared."""
        total = Histogram()
        for (_, model), found in self.durations.items():
            if model:
                total.add(found.counts, found.total)
        gauges = {name: [gauge.value for (of, _), gauge in self.gauges.items() if of == name] for name in _SUMMED}
        models = self.models.values()
        return Summary(
            now,
            int(sum(model.succeeded[0] for model in models)),
            int(sum(model.failed[0] for model in models)),
            total.edges,
            total.counts,
            int(sum(gauges["in_flight"])),
            int(sum(gauges["waiting"])),
            max(gauges["queue_age_seconds"], default=0.0),
        )

    def dump(self) -> bytes:
        """All numbers, for another process."""
        return msgspec.msgpack.encode(
            {
                "requests": [(*key, line.count) for key, line in self._lines.items()],
                "durations": [(*key, found.counts, found.total) for key, found in self.durations.items()],
                "models": {name: model.dump() for name, model in self.models.items()},
                "deaths": self.deaths,
                "spans": self.spans,
                "gauges": [(*key, gauge) for key, gauge in self.gauges.items()],
            }
        )

    def add(self, dumped: bytes, *, gauges: bool = True) -> None:
        """Add another's numbers to these, its ``gauges`` too where it still runs."""
        other: Dict[str, Any] = msgspec.msgpack.decode(dumped)
        for protocol, model, status, count in other["requests"]:
            self._line(protocol, model, status).count += count
        for protocol, model, counts, total in other["durations"]:
            self._duration((protocol, model)).add(counts, total)
        for name, numbers in other["models"].items():
            self.of(name).add(numbers)
        for mine, theirs in ((self.deaths, other["deaths"]), (self.spans, other["spans"])):
            for name, count in theirs.items():
                mine[name] = mine.get(name, 0) + count
        for name, model, (value, largest) in other["gauges"] if gauges else ():
            before = self.gauges.get((name, model), Gauge(0.0)).value
            self.gauges[name, model] = Gauge(max(before, value) if largest else before + value, largest)

    def _line(self, protocol: str, model: str, status: int) -> _Line:
        of_model = self.of(model)
        key = (protocol, of_model.name, status)
        line = self._lines.get(key)
        if line is None:
            sums = [0, 0.0] if not model else of_model.succeeded if status < 400 else of_model.failed
            line = self._lines[key] = _Line(self._duration(key[:2]), sums)
        return line

    def _duration(self, key: Key) -> Histogram:
        found = self.durations.get(key)
        if found is None:
            found = self.durations[key] = Histogram()
        return found
