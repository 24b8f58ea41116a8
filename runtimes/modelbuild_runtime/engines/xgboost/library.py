"""libxgboost by its C interface: quicker than the Python package around it, which also wants scipy.

What a call returns belongs to the library until the next one, and is copied at once.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
from functools import lru_cache
from pathlib import Path
from typing import Any, Dict, List, Tuple

import numpy as np

_HANDLE = ctypes.c_void_p
_FLOATS = ctypes.POINTER(ctypes.c_float)
_SIZES = ctypes.POINTER(ctypes.c_uint64)
_TEXTS = ctypes.POINTER(ctypes.c_char_p)
_NAMES = ("libxgboost.so", "libxgboost.dylib", "xgboost.dll")


class LibraryError(Exception):
    """What the library said, in one line."""


class Booster:
    """One model. ``rounds`` is how many rounds of boosting are used; 0 for all."""

    def __init__(self, content: bytes, threads: int, rounds: int) -> None:
        self._library = library()
        self._handle = _HANDLE()
        self._call("XGBoosterCreate", None, ctypes.c_uint64(0), ctypes.byref(self._handle))
        # Before loading, which would else start a thread a core.
        self._call("XGBoosterSetParam", self._handle, b"nthread", str(threads).encode())
        self._call("XGBoosterLoadModelFromBuffer", self._handle, content, ctypes.c_uint64(len(content)))
        settings = {"type": 0, "training": False, "iteration_begin": 0, "iteration_end": rounds}
        self._settings = json.dumps({**settings, "strict_shape": True, "missing": float("nan"), "cache_id": 0}).encode()
        self._predict = self._library.XGBoosterPredictFromDense
        self._shape, self._rank, self._result = _SIZES(), ctypes.c_uint64(), _FLOATS()
        self._into = (ctypes.byref(self._shape), ctypes.byref(self._rank), ctypes.byref(self._result))
        self.configuration: Dict[str, Any] = self._configuration()["learner"]
        self._direct = self.configuration["gradient_booster"]["name"] != "gblinear"

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            self._library.XGBoosterFree(self._handle)

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """Rows of 32-bit floats, contiguous, to an array of rank 2 or more."""
        interface = b'{"data":[%d,true],"shape":[%d,%d],"typestr":"<f4","version":3}' % (
            rows.__array_interface__["data"][0],
            *rows.shape,
        )
        if not self._direct:
            return self._predict_from_matrix(interface)
        if self._predict(self._handle, interface, self._settings, None, *self._into):
            raise _error(self._library)
        return self._answer()

    def features(self) -> int:
        """How many columns it was trained on."""
        count = ctypes.c_uint64()
        self._call("XGBoosterGetNumFeature", self._handle, ctypes.byref(count))
        return count.value

    def texts(self, field: str) -> List[str]:
        """``feature_name`` or ``feature_type`` of each column; empty where the model does not know."""
        count, items = ctypes.c_uint64(), _TEXTS()
        into = (ctypes.byref(count), ctypes.byref(items))
        self._call("XGBoosterGetStrFeatureInfo", self._handle, field.encode(), *into)
        return [items[i].decode() for i in range(count.value)]

    def _predict_from_matrix(self, interface: bytes) -> np.ndarray:
        """For linear models, which cannot predict in place."""
        matrix = _HANDLE()
        self._call("XGDMatrixCreateFromDense", interface, b'{"missing":NaN,"nthread":1}', ctypes.byref(matrix))
        try:
            self._call("XGBoosterPredictFromDMatrix", self._handle, matrix, self._settings, *self._into)
            return self._answer()
        finally:
            self._library.XGDMatrixFree(matrix)

    def _answer(self) -> np.ndarray:
        made = np.empty(self._shape[: self._rank.value], np.float32)
        ctypes.memmove(made.__array_interface__["data"][0], self._result, made.nbytes)
        return made

    def _configuration(self) -> Dict[str, Any]:
        size, text = ctypes.c_uint64(), ctypes.c_char_p()
        self._call("XGBoosterSaveJsonConfig", self._handle, ctypes.byref(size), ctypes.byref(text))
        found: Dict[str, Any] = json.loads(text.value or b"{}")
        return found

    def _call(self, name: str, *arguments: Any) -> None:
        if getattr(self._library, name)(*arguments):
            raise _error(self._library)


def version() -> Tuple[int, ...]:
    """Of the library."""
    parts = [ctypes.c_int() for _ in range(3)]
    library().XGBoostVersion(*map(ctypes.byref, parts))
    return tuple(part.value for part in parts)


@lru_cache(maxsize=1)
def library() -> Any:
    """Found without importing the package, and told to keep its warnings for itself.

    Raises:
        LibraryError: XGBoost is not installed.
    """
    spec = importlib.util.find_spec("xgboost")
    folders = [Path(place, "lib") for place in (spec.submodule_search_locations or ()) if spec] if spec else []
    path = next((folder / name for folder in folders for name in _NAMES if (folder / name).exists()), None)
    if path is None:
        raise LibraryError("xgboost is not installed, or without its library")
    found = ctypes.CDLL(str(path))
    found.XGBGetLastError.restype = ctypes.c_char_p
    if found.XGBSetGlobalConfig(b'{"verbosity":0}'):
        raise _error(found)
    return found


def _error(found: Any) -> LibraryError:
    """The message without the time, the source line and the stack behind it."""
    text = found.XGBGetLastError().decode(errors="replace").split("\nStack trace:")[0]
    where, _, what = text.partition(": ")
    return LibraryError(" ".join((what if where.startswith("[") else text).split()))
