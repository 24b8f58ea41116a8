"""What protocols may know of the server."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping, Sequence

from modelbuild_runtime.contract import Contract
from modelbuild_runtime.manifest import Manifest
from modelbuild_runtime.pipeline import Pipeline
from modelbuild_runtime.protocols import Protocol, Statistics
from modelbuild_runtime.settings import Settings


class Probes:
    """The server's answers about itself, as functions."""

    def __init__(
        self,
        live: Callable[[], bool],
        ready: Callable[[], bool],
        metrics: Callable[[], bytes],
        statistics: Callable[[], Statistics],
    ) -> None:
        self.live = live
        self.ready = ready
        self.metrics = metrics
        self.statistics = statistics


class ModelService:
    """One served model: ``protocols.Service`` made of a manifest, its pipeline, and the server's probes."""

    def __init__(
        self, manifest: Manifest, pipeline: Pipeline, settings: Settings, probes: Probes, environment: Mapping[str, str]
    ) -> None:
        self.model_name = manifest.model.name
        self.model_version = manifest.model.version
        self.platform = manifest.runtime.name
        self.contract: Contract = pipeline.contract
        self.takes_raw = pipeline.wants == "raw"
        self.max_body = settings.max_body
        self.max_batch_size = settings.max_batch_size
        self.environment = environment
        self.live = probes.live
        self.ready = probes.ready
        self.metrics = probes.metrics
        self.statistics = probes.statistics
        self.protocols: List[Protocol] = []
        self._examples = tuple(example.request for example in manifest.examples)

    def openapi(self) -> Dict[str, Any]:
        """The OpenAPI document of all routes, made when asked for."""
        from modelbuild_runtime.openapi import document

        result: Dict[str, Any] = document(self, self.protocols)
        return result

    def examples(self) -> Sequence[Any]:
        """Bodies for POST /predict that are known to work."""
        return self._examples
