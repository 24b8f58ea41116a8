"""What protocols may know of the server."""

from __future__ import annotations

from time import monotonic
from typing import Any, Dict, Mapping, Optional, Sequence
from typing import Protocol as Interface

from modelbuild_runtime.contract import Contract
from modelbuild_runtime.dataplane.pipeline import Pipeline
from modelbuild_runtime.manifest import Example, Manifest
from modelbuild_runtime.protocols import Models, Spoken, Statistics, Summary
from modelbuild_runtime.samples import LARGEST, sample_body
from modelbuild_runtime.settings import Settings


class Process(Interface):
    """What the serving process can say about itself."""

    def live(self) -> bool: ...
    def ready(self) -> bool: ...
    def metrics(self) -> bytes: ...
    def statistics(self, model: str) -> Statistics: ...
    def summary(self) -> Summary: ...


class ModelService:
    """One served model: ``protocols.Service`` made of a manifest and its pipeline. ``process`` is who serves it, known
    only once the process is there: models are loaded before workers are forked.
    """

    def __init__(
        self, manifest: Manifest, pipeline: Pipeline, settings: Settings, environment: Mapping[str, str]
    ) -> None:
        self.model_name = manifest.model.name
        self.model_version = manifest.model.version
        self.platform = manifest.runtime.name
        self.style = manifest.handler.style if manifest.handler is not None else ""
        self.contract: Contract = pipeline.contract
        self.takes_raw = pipeline.wants == "raw"
        self.streams = getattr(pipeline, "streams", False)
        self.explains = getattr(pipeline, "explains", False)
        self.settings = settings
        self.environment = environment
        self.models: Optional[Models] = None
        self.process: Optional[Process] = None
        self.protocols: Sequence[Spoken] = ()
        self._examples = manifest.examples
        self._signature = manifest.signature

    def now(self) -> float:
        """The clock by which requests are received."""
        return monotonic()

    def live(self) -> bool:
        """False where only a new process would help."""
        return self.process is None or self.process.live()

    def ready(self) -> bool:
        """A prediction would be answered now."""
        return self.process is not None and self.process.ready()

    def metrics(self) -> bytes:
        """Prometheus' text."""
        return self.process.metrics() if self.process is not None else b""

    def statistics(self) -> Statistics:
        """Sums since the start."""
        return self.process.statistics(self.model_name) if self.process is not None else Statistics()

    def summary(self) -> Summary:
        """How it goes."""
        return self.process.summary() if self.process is not None else Summary(0.0, 0, 0, (), (0,), 0, 0, 0.0)

    def openapi(self) -> Dict[str, Any]:
        """The OpenAPI document of all routes, made when asked for."""
        from modelbuild_runtime.openapi.document import document

        result: Dict[str, Any] = document(self, [one.made() for one in self.protocols])
        return result

    def examples(self, largest: int = LARGEST) -> Sequence[Example]:
        """Bodies for POST /predict: those that the builder was given, or one made up from the contract. Where a handler
        takes whatever it is given, what the model itself takes is the best guess.
        """
        if self._examples or self.takes_raw:
            return self._examples
        guess = Contract(self._signature.inputs) if self.contract.open else self.contract
        body = sample_body(guess, largest)
        return () if body is None else (Example(body),)
