"""What the server counts: plain numbers on the hot path, Prometheus' text (``exposition``) only when asked for.

Workers add up: each leaves its numbers on a board that all can read, so that a scrape of any one tells of all.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Any, Dict, NamedTuple, Tuple

import msgspec

from modelbuild_runtime.metrics.histogram import SECONDS, Histogram
from modelbuild_runtime.metrics.model_metrics import ModelMetrics
from modelbuild_runtime.protocols import Statistics, Summary

MORE = "(more)"
"""The label of models beyond those that have one of their own."""
_MOST_MODELS = 100
"""Models that have one: each is some hundred numbers to whoever keeps metrics."""
_BAD = 400
_SUMMED = ("in_flight", "waiting", "queue_age_seconds")

Key = Tuple[str, str]


class Gauge(NamedTuple):
    """A number of this moment, of one model or of none. Workers' are added, or the largest counts."""

    value: float
    largest: bool = False


class Outcomes(NamedTuple):
    """How many predictions of a model succeeded and failed, and their seconds."""

    succeeded: int
    succeeded_seconds: float
    failed: int
    failed_seconds: float


class Metrics:
    """Counters of one process, or of several added up. Only the event loop's thread writes them. ``gauges`` are by
    name and model, ``deaths`` are of workers by cause, and ``lost`` the requests that they had taken; ``spans`` of
    requests by what became of them, ``lines_dropped`` of the access log. ``detailed``: see ``ModelMetrics``.
    """

    def __init__(self, *, detailed: bool = False) -> None:
        self.models: Dict[str, ModelMetrics] = {}
        self.gauges: Dict[Key, Gauge] = {}
        self.deaths: Dict[str, int] = {}
        self.spans: Dict[str, int] = {}
        self.lost = 0
        self.lines_dropped = 0
        self.detailed = detailed
        self._answers: Dict[Tuple[str, str, int], Histogram] = {}

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
        found = self._answers.get((protocol, model, status)) or self._of_answers(protocol, model, status)
        found.counts[bisect_left(SECONDS, seconds)] += 1
        found.total += seconds

    def drop_lines(self, lines: int) -> None:
        """Lines of the access log were dropped."""
        self.lines_dropped += lines

    def shed(self, reason: str, model: str = "") -> None:
        """A request was turned away, or given up."""
        self.of(model).shed(reason)

    @property
    def requests(self) -> Dict[Tuple[str, str, int], int]:
        """Responses by protocol, model and status."""
        return {key: sum(found.counts) for key, found in self._answers.items()}

    @property
    def durations(self) -> Dict[Key, Histogram]:
        """Seconds by protocol and model."""
        result: Dict[Key, Histogram] = {}
        for (protocol, model, _), found in self._answers.items():
            result.setdefault((protocol, model), Histogram()).add(found.counts, found.total)
        return result

    def outcomes(self, name: str) -> Outcomes:
        """What became of the predictions of a model."""
        sums = [0, 0.0, 0, 0.0]
        for (_, model, status), found in self._answers.items():
            if model == name:
                place = 0 if status < _BAD else 2
                sums[place] += sum(found.counts)
                sums[place + 1] += found.total
        return Outcomes(int(sums[0]), sums[1], int(sums[2]), sums[3])

    def statistics(self, name: str) -> Statistics:
        """The sums that protocols report of a model."""
        of_model = self.of(name)
        outcomes = self.outcomes(of_model.name)
        return of_model.statistics()._replace(
            succeeded=outcomes.succeeded,
            failed=outcomes.failed,
            succeeded_ns=int(outcomes.succeeded_seconds * 1e9),
            failed_ns=int(outcomes.failed_seconds * 1e9),
        )

    def summary(self, now: float) -> Summary:
        """What two of can be compared."""
        total = Histogram()
        for (_, model), found in self.durations.items():
            if model:
                total.add(found.counts, found.total)
        gauges = {name: [gauge.value for (of, _), gauge in self.gauges.items() if of == name] for name in _SUMMED}
        outcomes = [self.outcomes(name) for name in self.models if name]
        return Summary(
            now,
            sum(one.succeeded for one in outcomes),
            sum(one.failed for one in outcomes),
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
                "answers": [(*key, found.counts, found.total) for key, found in self._answers.items()],
                "models": {name: model.dump() for name, model in self.models.items()},
                "deaths": self.deaths,
                "lost": self.lost,
                "spans": self.spans,
                "lines_dropped": self.lines_dropped,
                "gauges": [(*key, gauge) for key, gauge in self.gauges.items()],
            }
        )

    def add(self, dumped: bytes, *, gauges: bool = True) -> None:
        """Add another's numbers to these, its ``gauges`` too where it still runs."""
        other: Dict[str, Any] = msgspec.msgpack.decode(dumped)
        for protocol, model, status, counts, total in other["answers"]:
            self._of_answers(protocol, model, status).add(counts, total)
        for name, numbers in other["models"].items():
            self.of(name).add(numbers)
        for mine, theirs in ((self.deaths, other["deaths"]), (self.spans, other["spans"])):
            for name, count in theirs.items():
                mine[name] = mine.get(name, 0) + count
        self.lost += other["lost"]
        self.lines_dropped += other["lines_dropped"]
        for name, model, (value, largest) in other["gauges"] if gauges else ():
            before = self.gauges.get((name, model), Gauge(0.0)).value
            self.gauges[name, model] = Gauge(max(before, value) if largest else before + value, largest)

    def _of_answers(self, protocol: str, model: str, status: int) -> Histogram:
        return self._answers.setdefault((protocol, self.of(model).name, status), Histogram())
