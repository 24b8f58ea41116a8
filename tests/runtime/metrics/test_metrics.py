from __future__ import annotations

from types import SimpleNamespace

from prometheus_client.parser import text_string_to_metric_families

from modelbuild_runtime.metrics.exposition import expose
from modelbuild_runtime.metrics.histogram import Histogram
from modelbuild_runtime.metrics.metrics import Metrics


def jobs(*times):
    return [SimpleNamespace(received=received, queued=queued) for received, queued in times]


def used() -> Metrics:
    metrics = Metrics()
    metrics.response("rest", 200, 0.002, True)
    metrics.response("rest", 200, 0.004, True)
    metrics.response("rest", 429, 0.001, True)
    metrics.response("operations", 200, 0.5, False)
    metrics.run(jobs((1.0, 1.1), (1.0, 1.3)), 5, 1.5, 0.25)
    metrics.answered(2, 0.2)
    metrics.shed("queue")
    return metrics


def families(metrics: Metrics) -> dict[str, dict[tuple[str, ...], float]]:
    text = expose(metrics, [("mbuild_ready", "Ready.", 1.0)], {"name": "m", "version": "1"}).decode()
    return {
        family.name: {(sample.name, *sample.labels.values()): sample.value for sample in family.samples}
        for family in text_string_to_metric_families(text)
    }


def test_a_histogram_counts_inclusive_upper_bounds():
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 2.0, 9.0):
        histogram.observe(value)
    assert list(histogram.cumulative()) == [("1.0", 2), ("2.0", 4), ("+Inf", 5)]
    assert histogram.total == 14.0


def test_statistics_are_sums():
    statistics = used().statistics()
    assert (statistics.succeeded, statistics.failed) == (2, 1)
    assert (statistics.rows, statistics.batches) == (5, 1)
    assert statistics.succeeded_ns == 6_000_000
    assert statistics.failed_ns == 1_000_000
    assert round(statistics.queue_ns / 1e9, 6) == 0.6
    assert round(statistics.decode_ns / 1e9, 6) == 0.4
    assert statistics.predict_ns == 250_000_000
    assert statistics.encode_ns == 200_000_000
    assert statistics.last > 1_700_000_000_000


def test_prometheus_reads_what_is_exposed():
    found = families(used())
    assert found["mbuild_requests"][("mbuild_requests_total", "rest", "200")] == 2
    assert found["mbuild_requests"][("mbuild_requests_total", "rest", "429")] == 1
    assert found["mbuild_shed"][("mbuild_shed_total", "queue")] == 1
    assert found["mbuild_predictions"][("mbuild_predictions_total", "succeeded")] == 2
    assert found["mbuild_request_seconds"][("mbuild_request_seconds_count",)] == 4
    assert found["mbuild_stage_seconds"][("mbuild_stage_seconds_sum", "predict")] == 0.25
    assert found["mbuild_stage_seconds"][("mbuild_stage_seconds_count", "queue")] == 2
    assert found["mbuild_batch_rows"][("mbuild_batch_rows_sum",)] == 5
    assert found["mbuild_ready"][("mbuild_ready",)] == 1
    assert found["mbuild_model_info"][("mbuild_model_info", "m", "1")] == 1
    assert found["process_resident_memory_bytes"]
    assert found["python_info"]


def test_numbers_of_several_processes_add_up():
    one, other = used(), used()
    one.add(other.dump())
    assert one.requests[("rest", 200)] == 4
    assert one.duration.total == 2 * other.duration.total
    assert one.statistics().rows == 10
    assert one.shed_requests["queue"] == 2
    assert other.statistics().rows == 5


def test_a_new_process_begins_with_the_numbers_of_the_old_one():
    new = Metrics()
    new.add(used().dump())
    assert new.statistics()[:4] == (2, 1, 5, 1)
