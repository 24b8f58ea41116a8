"""The counters as Prometheus' text format 0.0.4, written by its own library when somebody asks."""

from __future__ import annotations

from typing import Iterator, Mapping, Sequence, Tuple

from modelbuild_runtime.metrics.histogram import Histogram
from modelbuild_runtime.metrics.metrics import Metrics

Gauge = Tuple[str, str, float]
"""Name, help and value."""


def expose(metrics: Metrics, gauges: Sequence[Gauge], model: Mapping[str, str]) -> bytes:
    """All metrics of this process, the process' own included. The library is imported here: it takes 40 ms once."""
    from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest

    registry = CollectorRegistry()
    registry.register(_Collector(metrics, gauges, model))  # type: ignore[arg-type]  # its families, as objects
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    text: bytes = generate_latest(registry)
    return text


class _Collector:
    """Shaped as the library wants it."""

    def __init__(self, metrics: Metrics, gauges: Sequence[Gauge], model: Mapping[str, str]) -> None:
        self._metrics = metrics
        self._gauges = gauges
        self._model = model

    def collect(self) -> Iterator[object]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily

        metrics = self._metrics
        requests = CounterMetricFamily("mbuild_requests", "Responses sent.", labels=("protocol", "status"))
        for (protocol, status), count in sorted(metrics.requests.items()):
            requests.add_metric((protocol, str(status)), count)
        yield requests
        shed = CounterMetricFamily("mbuild_shed", "Requests turned away or given up.", labels=("reason",))
        for reason, count in metrics.shed_requests.items():
            shed.add_metric((reason,), count)
        yield shed
        cache = CounterMetricFamily("mbuild_cache", "Questions asked of the cache.", labels=("outcome",))
        for outcome, (questions, _) in metrics.cache.items():
            cache.add_metric((outcome,), questions)
        yield cache
        predictions = CounterMetricFamily("mbuild_predictions", "Predictions made or failed.", labels=("outcome",))
        predictions.add_metric(("succeeded",), metrics.succeeded[0])
        predictions.add_metric(("failed",), metrics.failed[0])
        yield predictions
        yield from self._histograms()
        for name, text, value in self._gauges:
            yield GaugeMetricFamily(name, text, value)
        yield InfoMetricFamily("mbuild_model", "What is served.", dict(self._model))

    def _histograms(self) -> Iterator[object]:
        metrics = self._metrics
        yield _family("mbuild_request_seconds", "From the request's last byte to its response.", {"": metrics.duration})
        yield _family("mbuild_stage_seconds", "Time by stage.", metrics.stages, "stage")
        yield _family("mbuild_batch_rows", "Rows of one run of the model.", {"": metrics.batch_rows})
        yield _family("mbuild_batch_requests", "Requests joined in one run of the model.", {"": metrics.batch_requests})


def _family(name: str, text: str, histograms: Mapping[str, Histogram], label: str = "") -> object:
    from prometheus_client.core import HistogramMetricFamily

    family = HistogramMetricFamily(name, text, labels=(label,) if label else ())
    for value, histogram in histograms.items():
        family.add_metric((value,) if label else (), list(histogram.cumulative()), histogram.total)
    return family
