"""What the server says of itself and of its model, for REST and gRPC alike: the values of the answers, in the words
that both use. The Open Inference Protocol's own, and what Triton adds to it.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping

from modelbuild_runtime.errors import NotFound, Unsupported
from modelbuild_runtime.open_inference import triton_model
from modelbuild_runtime.protocols import Service
from modelbuild_runtime.signature import TensorSpec

EXTENSIONS = (
    "binary_tensor_data",
    "classification",
    "generate",
    "model_configuration",
    "model_repository",
    "parameters",
    "statistics",
)
NO_SHARED_MEMORY = "shared memory is not supported: this server shares none with its clients"
_LEVELS = ("error", "warning", "info", "debug")


class Answers:
    """Answers of one model's server. What names a model raises ``NotFound`` for any other."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def check(self, name: str, version: str = "") -> None:
        """Only one model is here, in one version.

        Raises:
            NotFound: another is meant.
        """
        service = self._service
        if name != service.model_name:
            raise NotFound(f"Request for unknown model: '{name[:100]}' is not found", field="model")
        if version and version != service.model_version:
            raise NotFound(f"Request for unknown model: '{name}' version {version[:100]} is not found", field="version")

    def server(self) -> Dict[str, Any]:
        """Name, version, extensions."""
        return {"name": "modelbuild", "version": "2", "extensions": EXTENSIONS}

    def model(self, name: str, version: str = "") -> Dict[str, Any]:
        """Names, datatypes and shapes."""
        self.check(name, version)
        service = self._service
        return {
            "name": service.model_name,
            "versions": [service.model_version],
            "platform": service.platform,
            "inputs": [_described(spec) for spec in service.contract.inputs],
            "outputs": [_described(spec) for spec in service.contract.outputs],
        }

    def config(self, name: str, version: str = "") -> Dict[str, Any]:
        """Triton's model configuration."""
        self.check(name, version)
        return triton_model.config(self._service)

    def statistics(self, name: str = "", version: str = "") -> Dict[str, Any]:
        """Counts and times; of all models where none is named."""
        if name:
            self.check(name, version)
        return triton_model.statistics(self._service)

    def index(self, *, only_ready: bool) -> List[Dict[str, str]]:
        """The models that are there."""
        return triton_model.repository_index(self._service, only_ready=only_ready)

    def load(self, name: str, parameters: Mapping[str, Any]) -> None:
        """The one model is loaded for as long as the server lives: asking for that changes nothing.

        Raises:
            Unsupported: another configuration or other files are to be loaded.
        """
        self.check(name)
        if parameters:
            asked = ", ".join(sorted(parameters))[:100]
            raise Unsupported(f"failed to load '{name}': this server loads what it was built with, and no {asked}")

    def unload(self, name: str) -> None:
        """Raises: ``Unsupported``: a server without its model would be none."""
        self.check(name)
        raise Unsupported(f"failed to unload '{name}': it is the model of this server, which stops with its process")

    def logging(self) -> Dict[str, Any]:
        """What is logged, in Triton's words."""
        heard = _LEVELS.index(self._service.settings.log_level)
        return {
            "log_file": "",
            "log_info": heard >= _LEVELS.index("info"),
            "log_warning": heard >= _LEVELS.index("warning"),
            "log_error": True,
            "log_verbose_level": int(heard >= _LEVELS.index("debug")),
            "log_format": "default",
        }

    def trace(self) -> Dict[str, Any]:
        """Nothing is traced."""
        return {
            "trace_level": ["OFF"],
            "trace_rate": "1000",
            "trace_count": "-1",
            "log_frequency": "0",
            "trace_file": "",
            "trace_mode": "triton",
        }


def fixed(what: str, variable: str = "") -> Unsupported:
    """Why a setting cannot be changed."""
    hint = f"; set {variable} when it starts" if variable else ""
    return Unsupported(f"{what} cannot be changed while the server runs{hint}")


def _described(spec: TensorSpec) -> Dict[str, Any]:
    return {"name": spec.name, "datatype": spec.datatype, "shape": spec.shape}
