"""The counters as Prometheus' text format 0.0.4, written by its own library when somebody asks."""

from __future__ import annotations

from typing import Any, Iterable, Iterator, Mapping, Sequence, Tuple

from modelbuild_runtime.metrics.histogram import Histogram
from modelbuild_runtime.metrics.metrics import Metrics

GAUGES = {
    "ready": "1 while predictions are answered.",
    "in_flight": "Requests that have no response yet.",
    "waiting": "Requests in the queue.",
    "queue_age_seconds": "How long the oldest request in the queue has waited.",
    "connections": "Open connections.",
    "workers": "Processes that serve.",
}
"""Those of which each has one; those of ``OF_MODELS`` have one a model."""
OF_MODELS = ("waiting", "queue_age_seconds")


def expose(metrics: Metrics, model: Mapping[str, str]) -> bytes:
    """All metrics of this process, the process' own included. The library is imported here: it takes 40 ms once."""
    from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest

    registry = CollectorRegistry()
    registry.register(_Collector(metrics, model))  # type: ignore[arg-type]  # its families, as objects
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    text: bytes = generate_latest(registry)
    return text


class _Collector:
    """Shaped as the library wants it."""

    def __init__(self, metrics: Metrics, model: Mapping[str, str]) -> None:
        self._metrics = metrics
        self._model = model

    def collect(self) -> Iterator[object]:
        from prometheus_client.core import InfoMetricFamily

        yield from self._counters()
        yield from self._histograms()
        yield from self._gauges()
        yield InfoMetricFamily("mbuild_model", "What is served.", dict(self._model))

    def _counters(self) -> Iterator[object]:
        models = sorted(self._metrics.models.items())
        requests = [((*key[:2], str(key[2])), count) for key, count in sorted(self._metrics.requests.items())]
        yield _counter("requests", "Responses sent.", ("protocol", "model", "status"), requests)
        shed = [((name, reason), count) for name, model in models for reason, count in model.shed_requests.items()]
        yield _counter("shed", "Requests turned away or given up.", ("model", "reason"), shed)
        cache = [((name, outcome), sums[0]) for name, model in models for outcome, sums in model.cache.items() if name]
        yield _counter("cache", "Questions asked of the cache.", ("model", "outcome"), cache)
        deaths = [((cause,), count) for cause, count in sorted(self._metrics.deaths.items())]
        yield _counter("worker_deaths", "Workers that ended when they should not have.", ("cause",), deaths)
        spans = [((outcome,), count) for outcome, count in sorted(self._metrics.spans.items())]
        yield _counter("traced_requests", "Requests whose spans were sent, or were not.", ("outcome",), spans)
        yield _counter("requests_lost", "Requests that died with a worker.", (), [((), self._metrics.lost)])
        dropped = [((), self._metrics.lines_dropped)]
        yield _counter("access_lines_dropped", "Lines of the access log that nobody read in time.", (), dropped)
        made = [
            ((name, outcome), getattr(self._metrics.outcomes(name), outcome))
            for name, _ in models
            for outcome in ("succeeded", "failed")
            if name
        ]
        yield _counter("predictions", "Predictions made or failed.", ("model", "outcome"), made)

    def _histograms(self) -> Iterator[object]:
        models = [(name, model) for name, model in sorted(self._metrics.models.items()) if name]
        durations = sorted(self._metrics.durations.items())
        text = "From the request's last byte to its response."
        yield _histogram("request_seconds", text, ("protocol", "model"), durations)
        stages = [((name, stage), found) for name, model in models for stage, found in model.stages.items()]
        yield _histogram("stage_seconds", "Time by stage.", ("model", "stage"), stages)
        rows = [((name,), model.batch_rows) for name, model in models]
        yield _histogram("batch_rows", "Rows of one run of the model.", ("model",), rows)
        requests = [((name,), model.batch_requests) for name, model in models]
        yield _histogram("batch_requests", "Requests joined in one run of the model.", ("model",), requests)

    def _gauges(self) -> Iterator[object]:
        from prometheus_client.core import GaugeMetricFamily

        for name, text in GAUGES.items():
            labels = ("model",) if name in OF_MODELS else ()
            family = GaugeMetricFamily(f"mbuild_{name}", text, labels=labels)
            for (of, model), gauge in sorted(self._metrics.gauges.items()):
                if of == name:
                    family.add_metric((model,) if labels else (), gauge.value)
            yield family


def _counter(name: str, text: str, labels: Sequence[str], samples: Iterable[Tuple[Any, float]]) -> object:
    from prometheus_client.core import CounterMetricFamily

    family = CounterMetricFamily(f"mbuild_{name}", text, labels=labels)
    for values, count in samples:
        family.add_metric(values, count)
    return family


def _histogram(name: str, text: str, labels: Sequence[str], samples: Iterable[Tuple[Any, Histogram]]) -> object:
    from prometheus_client.core import HistogramMetricFamily

    family = HistogramMetricFamily(f"mbuild_{name}", text, labels=labels)
    for values, histogram in samples:
        family.add_metric(values, list(histogram.cumulative()), histogram.total)
    return family
