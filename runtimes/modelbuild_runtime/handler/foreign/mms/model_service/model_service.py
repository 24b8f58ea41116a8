"""The class that services of early versions derive from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Optional


class ModelService(ABC):
    """A service is initialized with its context, and then asked for inferences."""

    def __init__(
        self, model_name: str = "", model_dir: str = "", manifest: Any = None, gpu: Optional[int] = None
    ) -> None:
        self.model_name = model_name
        self.model_dir = model_dir
        self.manifest = manifest
        self.gpu = gpu
        self._context: Any = None
        self._signature: Any = None

    def initialize(self, context: Any) -> None:
        """Take what the context says of the model."""
        self._context = context
        self.model_name = context.model_name
        self.model_dir = context.system_properties["model_dir"]
        self.manifest = context.manifest
        self.gpu = context.system_properties["gpu_id"]

    @abstractmethod
    def inference(self, data: Any) -> Any:
        """Predict."""

    @property
    def context(self) -> Any:
        """The context of the call."""
        return self._context

    @property
    def signature(self) -> Any:
        """The signature of the model."""
        return self._signature


class SingleNodeService(ModelService):
    """preprocess, inference, postprocess, in that order."""

    def handle(self, data: Any, context: Any) -> Any:
        """Answer one list of requests."""
        self._context = context
        return self.postprocess(self.inference(self.preprocess(data)))

    def preprocess(self, data: Any) -> Any:
        """From requests to the model's inputs."""
        return data

    def postprocess(self, data: Any) -> Any:
        """From the model's outputs to one answer a request."""
        return data
