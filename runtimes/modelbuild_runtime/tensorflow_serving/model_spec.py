"""Which model a request is for, as TensorFlow Serving says it: a name, and a numeric version or the label of one; and
which signature of it. There is one of each here.
"""

from __future__ import annotations

import re
from typing import Any, Dict, Optional, Tuple

from modelbuild_runtime.errors import InvalidInput, NotFound
from modelbuild_runtime.protocols import Service
from modelbuild_runtime.schema import Shared

SIGNATURE = "serving_default"
LABELS = ("stable", "latest")
"""Labels that the only version always has; a version that is no number is a label, too."""

STATES = Shared(
    "ModelVersionStates",
    {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                "version": {"type": "string"},
                "state": {"enum": ["AVAILABLE", "LOADING"]},
                "status": {
                    "type": "object",
                    "properties": {"error_code": {"type": "string"}, "error_message": {"type": "string"}},
                    "required": ["error_code", "error_message"],
                },
            },
            "required": ["version", "state", "status"],
        },
    },
)
"""What ``states`` are, in JSON Schema."""

_LARGEST = (1 << 63) - 1


class ModelSpec:
    """The served model as TensorFlow Serving counts: its version is a number, 1 where the model's own is none."""

    def __init__(self, service: Service) -> None:
        own = service.model_version
        numeric = re.fullmatch("[0-9]{1,19}", own) is not None and int(own) <= _LARGEST
        self._service = service
        self.name = service.model_name
        self.version = int(own) if numeric else 1
        self.labels: Tuple[str, ...] = LABELS if numeric or not own else (own, *LABELS)

    def check(self, name: str, version: Optional[int] = None, label: str = "") -> None:
        """Refuse a model that is not served, where something is to be done with it.

        Raises:
            ServerError: another name or version, or a label that nothing has.
        """
        if label:
            version = self._labelled(name, label)
        if name != self.name or version not in (None, self.version):
            asked = f"Latest({name[:100]})" if version is None else f"Specific({name[:100]}, {version})"
            raise NotFound(f"Servable not found for request: {asked}", field="model")

    def status(self, name: str, version: Optional[int] = None, label: str = "") -> Dict[str, Any]:
        """The states of the model's versions, as the JSON of GetModelStatusResponse.

        Raises:
            ServerError: another name or version, or a label that nothing has.
        """
        if label:
            version = self._labelled(name, label)
        if version not in (None, self.version):
            raise NotFound(f"Could not find version {version} of model {name[:100]}", field="version")
        if name != self.name:
            which = f"version {version}" if version is not None else "any versions"
            raise NotFound(f"Could not find {which} of model {name[:100]}", field="model")
        return self.states()

    def states(self) -> Dict[str, Any]:
        """The state of the only version. It is always there: the answer says whether it can be asked."""
        state = "AVAILABLE" if self._service.ready() else "LOADING"
        status = {"error_code": "OK", "error_message": ""}
        return {"model_version_status": [{"version": str(self.version), "state": state, "status": status}]}

    def _labelled(self, name: str, label: str) -> int:
        if name == self.name and label in self.labels:
            return self.version
        raise InvalidInput(f"Unrecognized servable version label: {label[:100]}", field="label")


def version_number(text: str) -> int:
    """The version in a path, which holds nothing but digits.

    Raises:
        InvalidInput: it is too large for one.
    """
    if len(text.lstrip("0")) > 19 or int(text) > _LARGEST:
        raise InvalidInput(f"Failed to convert version: {text[:100]} to numeric.", field="version")
    return int(text)
