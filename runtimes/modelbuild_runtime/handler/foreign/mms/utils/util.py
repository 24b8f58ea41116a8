"""Classes of a module."""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import List, Optional


def list_classes_from_module(module: ModuleType, parent_class: Optional[type] = None) -> List[type]:
    """The classes that a module defines itself."""
    return [
        value
        for _, value in inspect.getmembers(module, inspect.isclass)
        if value.__module__ == module.__name__ and (parent_class is None or issubclass(value, parent_class))
    ]
