"""What Triton says of a model beyond the Open Inference Protocol: its configuration, statistics and repository entry,
which perf_analyzer and tritonclient ask for.
"""

from __future__ import annotations

from typing import Any, Dict, List

from modelbuild_runtime.protocols import Service
from modelbuild_runtime.signature import TensorSpec

_TYPES = {"BYTES": "TYPE_STRING"}


def config(service: Service) -> Dict[str, Any]:
    """The model's configuration. Shapes are those of a row where rows are counted."""
    contract = service.contract
    found: Dict[str, Any] = {
        "name": service.model_name,
        "platform": service.platform,
        "backend": service.platform,
        "version_policy": {"latest": {"num_versions": 1}},
        "max_batch_size": service.settings.max_batch_size if contract.batched else 0,
        "input": [_tensor(spec, batched=contract.batched) for spec in contract.inputs],
        "output": [_tensor(spec, batched=contract.batched) for spec in contract.outputs],
        "instance_group": [{"name": service.model_name, "kind": "KIND_CPU", "count": 1}],
        "default_model_filename": "",
        "parameters": {},
    }
    if contract.batched and service.settings.max_batch_size > 1:
        found["dynamic_batching"] = {"preferred_batch_size": [], "max_queue_delay_microseconds": 0}
    return found


def statistics(service: Service) -> Dict[str, Any]:
    """Counts and times since the start, in nanoseconds."""
    sums = service.statistics()
    computed = max(0, sums.succeeded - sums.cache_hits)
    return {
        "model_stats": [
            {
                "name": service.model_name,
                "version": service.model_version,
                "last_inference": sums.last,
                "inference_count": sums.rows,
                "execution_count": sums.batches,
                "inference_stats": {
                    "success": {"count": sums.succeeded, "ns": sums.succeeded_ns},
                    "fail": {"count": sums.failed, "ns": sums.failed_ns},
                    "queue": {"count": computed, "ns": sums.queue_ns},
                    "compute_input": {"count": computed, "ns": sums.decode_ns},
                    "compute_infer": {"count": computed, "ns": sums.predict_ns},
                    "compute_output": {"count": computed, "ns": sums.encode_ns},
                    "cache_hit": {"count": sums.cache_hits, "ns": sums.cache_hit_ns},
                    "cache_miss": {"count": sums.cache_misses, "ns": sums.cache_miss_ns},
                },
                "response_stats": {},
                "batch_stats": [],
                "memory_usage": [],
            }
        ]
    }


def repository_index(service: Service, *, only_ready: bool) -> List[Dict[str, str]]:
    """The one model of this server."""
    ready = service.ready()
    if only_ready and not ready:
        return []
    state = {"state": "READY", "reason": ""} if ready else {"state": "UNAVAILABLE", "reason": "loading or draining"}
    return [{"name": service.model_name, "version": service.model_version, **state}]


def _tensor(spec: TensorSpec, *, batched: bool) -> Dict[str, Any]:
    found: Dict[str, Any] = {
        "name": spec.name,
        "data_type": _TYPES.get(spec.datatype, f"TYPE_{spec.datatype}"),
        "dims": list(spec.shape[1:] if batched else spec.shape),
    }
    if spec.optional:
        found["optional"] = True
    return found
