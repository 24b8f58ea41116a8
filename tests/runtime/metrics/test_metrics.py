from __future__ import annotations

from types import SimpleNamespace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from modelbuild_runtime.metrics import metrics as module
from modelbuild_runtime.metrics.exposition import expose
from modelbuild_runtime.metrics.histogram import Histogram
from modelbuild_runtime.metrics.marks import Marks, Ran, split
from modelbuild_runtime.metrics.metrics import MORE, Gauge, Metrics


def jobs(*times):
    return [SimpleNamespace(received=received, queued=queued, ran=None) for received, queued in times]


def marks(began, ended):
    made = Marks()
    made.began, made.ended = began, ended
    return made


def used(model: str = "m") -> Metrics:
    metrics = Metrics()
    metrics.response("rest", model, 200, 0.002)
    metrics.response("rest", model, 200, 0.004)
    metrics.response("rest", model, 429, 0.001)
    metrics.response("operations", "", 200, 0.5)
    of_model = metrics.of(model)
    of_model.marks = marks(1.5625, 1.6875)
    of_model.run(jobs((1.0, 1.1), (1.0, 1.3)), 5, 1.5, 0.25)
    of_model.answered(2, 0.2)
    of_model.shed("queue")
    metrics.gauges["waiting", model] = Gauge(2)
    metrics.gauges["queue_age_seconds", model] = Gauge(0.5, largest=True)
    metrics.gauges["in_flight", ""] = Gauge(3)
    return metrics


def families(metrics: Metrics) -> dict[str, dict[tuple[str, ...], float]]:
    text = expose(metrics, {"name": "m", "version": "1"}).decode()
    return {
        family.name: {(sample.name, *sample.labels.values()): sample.value for sample in family.samples}  # by label
        for family in text_string_to_metric_families(text)
    }


def test_a_histogram_counts_inclusive_upper_bounds():
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 2.0, 9.0):
        histogram.observe(value)
    assert list(histogram.cumulative()) == [("1.0", 2), ("2.0", 4), ("+Inf", 5)]
    assert histogram.total == 14.0


def test_statistics_are_sums_of_one_model():
    metrics = used()
    metrics.response("rest", "other", 200, 7.0)
    statistics = metrics.statistics("m")
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
    assert found["mbuild_requests"]["mbuild_requests_total", "m", "rest", "200"] == 2
    assert found["mbuild_requests"]["mbuild_requests_total", "m", "rest", "429"] == 1
    assert found["mbuild_requests"]["mbuild_requests_total", "", "operations", "200"] == 1
    assert found["mbuild_shed"]["mbuild_shed_total", "m", "queue"] == 1
    assert found["mbuild_predictions"]["mbuild_predictions_total", "m", "succeeded"] == 2
    assert found["mbuild_predictions"]["mbuild_predictions_total", "m", "failed"] == 1
    assert found["mbuild_request_seconds"]["mbuild_request_seconds_count", "m", "rest"] == 3
    assert found["mbuild_request_seconds"]["mbuild_request_seconds_sum", "", "operations"] == 0.5
    sums = {stage: found["mbuild_stage_seconds"]["mbuild_stage_seconds_sum", "m", stage] for stage in STAGES}
    assert {stage: round(total, 4) for stage, total in sums.items()} == STAGES
    assert found["mbuild_stage_seconds"]["mbuild_stage_seconds_count", "m", "queue"] == 2
    assert found["mbuild_batch_rows"]["mbuild_batch_rows_sum", "m"] == 5
    assert found["mbuild_batch_requests"]["mbuild_batch_requests_sum", "m"] == 2
    assert found["mbuild_waiting"]["mbuild_waiting", "m"] == 2
    assert found["mbuild_queue_age_seconds"]["mbuild_queue_age_seconds", "m"] == 0.5
    assert found["mbuild_in_flight"]["mbuild_in_flight",] == 3
    assert found["mbuild_model_info"]["mbuild_model_info", "m", "1"] == 1
    assert found["process_resident_memory_bytes"]
    assert found["python_info"]


STAGES = {"queue": 0.6, "decode": 0.4, "preprocess": 0.0625, "predict": 0.125, "postprocess": 0.0625, "encode": 0.2}


def test_what_was_turned_away_for_a_new_reason_is_counted_under_it():
    metrics = Metrics()
    metrics.shed("memory")
    metrics.of("m").looked_up("hit", 0.25)
    metrics.deaths["memory"] = 1
    found = families(metrics)
    assert found["mbuild_shed"]["mbuild_shed_total", "", "memory"] == 1
    assert found["mbuild_worker_deaths"]["mbuild_worker_deaths_total", "memory"] == 1
    assert found["mbuild_cache"]["mbuild_cache_total", "m", "hit"] == 1


@pytest.mark.parametrize(
    "noted, expected",
    [
        ((0.0, 0.0), (10.0, 11.0)),  # a pipeline that notes nothing: all is the model
        ((10.25, 10.75), (10.25, 10.75)),
        ((9.0, 9.5), (11.0, 11.0)),  # of the run before: this one failed before the model
        ((10.25, 9.5), (10.25, 11.0)),  # the model failed
    ],
)
def test_a_run_is_split_by_its_pipeline_s_marks(noted, expected):
    assert split(marks(*noted), 10.0, 11.0) == expected


def test_jobs_are_told_of_their_run_only_where_somebody_asks():
    for detailed in (False, True):
        of_model = Metrics(detailed=detailed).of("m")
        of_model.marks = marks(1.5625, 1.6875)
        joined = jobs((1.0, 1.1), (1.0, 1.3))
        of_model.run(joined, 5, 1.5, 0.25)
        assert joined[1].ran == (Ran(1.5, 1.5625, 1.6875, 1.75, 2, 5) if detailed else None)


def test_numbers_of_several_processes_add_up():
    one, other = used(), used()
    one.add(other.dump())
    assert one.requests["rest", "m", 200] == 4
    assert one.durations["rest", "m"].total == 2 * other.durations["rest", "m"].total
    assert one.statistics("m").rows == 10
    assert one.of("m").shed_requests["queue"] == 2
    assert one.gauges["waiting", "m"].value == 4
    assert one.gauges["queue_age_seconds", "m"].value == 0.5
    assert other.statistics("m").rows == 5


def test_a_new_process_begins_with_the_counters_of_the_old_one():
    new = Metrics()
    new.add(used().dump(), gauges=False)
    assert new.statistics("m")[:4] == (2, 1, 5, 1)
    assert new.gauges == {}


def test_only_so_many_models_are_told_apart(monkeypatch):
    monkeypatch.setattr(module, "_MOST_MODELS", 2)
    metrics = Metrics()
    for name in "abcd":
        metrics.response("rest", name, 200, 0.1)
    assert metrics.requests == {("rest", "a", 200): 1, ("rest", "b", 200): 1, ("rest", MORE, 200): 2}
    assert metrics.statistics("d").succeeded == 2
