"""Labels, classes of a module, and the error that carries a status."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from types import ModuleType
from typing import Any, Dict, List, Optional, Sequence


class PredictionException(Exception):  # noqa: N818  # its name is what handlers import
    """An error for the client: its message and its HTTP status."""

    def __init__(self, message: str, error_code: int = 500) -> None:
        super().__init__(message)
        self.message = message
        self.error_code = error_code


def list_classes_from_module(module: ModuleType, parent_class: Optional[type] = None) -> List[type]:
    """The classes that a module defines itself."""
    return [
        value
        for _, value in inspect.getmembers(module, inspect.isclass)
        if value.__module__ == module.__name__ and (parent_class is None or issubclass(value, parent_class))
    ]


def load_label_mapping(mapping_file_path: str) -> Optional[Dict[str, Any]]:
    """``index_to_name.json``: an object, or one under the key ``object_type_names``; None where there is no file."""
    path = Path(mapping_file_path)
    if not path.is_file():
        return None
    mapping = json.loads(path.read_text("utf-8"))
    if not isinstance(mapping, dict):
        raise TypeError(f"{path.name} holds a {type(mapping).__name__}, not an object")
    named = mapping.get("object_type_names", mapping)
    if isinstance(named, list):
        named = {str(index): name for index, name in enumerate(named)}
    return {str(key): value if isinstance(value, str) else value[-1] for key, value in named.items()}


def map_class_to_label(
    probs: Sequence[Sequence[float]],
    mapping: Optional[Dict[str, Any]] = None,
    lbl_classes: Optional[Sequence[Sequence[Any]]] = None,
) -> List[Dict[str, float]]:
    """One dict a row from class to probability, the classes by name where the mapping knows them."""
    classes = lbl_classes or [range(len(row)) for row in probs]
    return [
        {(mapping or {}).get(str(index), str(index)): float(value) for index, value in zip(indexes, row)}
        for indexes, row in zip(classes, probs)
    ]
