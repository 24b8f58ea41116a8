from __future__ import annotations

from contract.wires import STATISTICS, Server
from modelbuild_runtime.open_inference.triton_model import config, repository_index, statistics


def test_the_configuration_leaves_out_the_axis_of_rows():
    found = config(Server("loan").service)
    assert found["max_batch_size"] == 64
    assert found["input"][3] == {"name": "married", "data_type": "TYPE_BOOL", "dims": [], "optional": True}
    whole = config(Server("matrix").service)
    assert (whole["max_batch_size"], whole["input"][0]["dims"]) == (0, [2, 3])
    assert "dynamic_batching" not in whole


def test_statistics_are_the_server_s():
    (found,) = statistics(Server("iris").service)["model_stats"]
    assert (found["inference_count"], found["execution_count"]) == (STATISTICS.rows, STATISTICS.batches)
    assert found["inference_stats"]["compute_infer"] == {"count": STATISTICS.succeeded, "ns": STATISTICS.predict_ns}


def test_a_model_that_is_not_ready():
    waiting = Server("iris", ready=False).service
    assert repository_index(waiting, only_ready=False)[0]["state"] == "UNAVAILABLE"
    assert repository_index(waiting, only_ready=True) == []
