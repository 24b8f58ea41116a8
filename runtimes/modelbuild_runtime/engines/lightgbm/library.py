"""lib_lightgbm by its C interface: quicker than the Python package around it, which also wants scipy."""

from __future__ import annotations

import ctypes
import importlib.util
from functools import lru_cache
from pathlib import Path
from typing import Any, List

import numpy as np

_HANDLE = ctypes.c_void_p
_DOUBLE, _NORMAL, _ROWS, _ALL = 1, 0, 1, -1
"""Kinds of numbers, of prediction and of layout, and how many rounds are used, as its header file numbers them."""
_NAMES = ("lib_lightgbm.so", "lib_lightgbm.dylib", "lib_lightgbm.dll")
_LOG = ctypes.CFUNCTYPE(None, ctypes.c_char_p)
_LONGEST_NAME = 1 << 12


class LibraryError(Exception):
    """What the library said."""


class Booster:
    """One model; ``outputs`` is how many numbers it answers for a row."""

    def __init__(self, content: bytes, threads: int) -> None:
        self._library = library()
        self._handle, rounds, classes, features = _HANDLE(), ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
        self._call("LGBM_BoosterLoadModelFromString", content, ctypes.byref(rounds), ctypes.byref(self._handle))
        self._call("LGBM_BoosterGetNumClasses", self._handle, ctypes.byref(classes))
        self._call("LGBM_BoosterGetNumFeature", self._handle, ctypes.byref(features))
        self.outputs, self.features = max(1, classes.value), features.value
        self._settings = f"num_threads={threads}".encode()
        self._length = ctypes.c_int64()
        self._single = _HANDLE()
        one_row = (_NORMAL, 0, _ALL, _DOUBLE, features, self._settings, ctypes.byref(self._single))
        self._call("LGBM_BoosterPredictForMatSingleRowFastInit", self._handle, *one_row)
        self._predict_single = self._library.LGBM_BoosterPredictForMatSingleRowFast

    def __del__(self) -> None:
        if getattr(self, "_single", None):
            self._library.LGBM_FastConfigFree(self._single)
        if getattr(self, "_handle", None):
            self._library.LGBM_BoosterFree(self._handle)

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """Rows of 64-bit floats, contiguous, to as many rows of answers."""
        count, columns = rows.shape
        made = np.empty((count, self.outputs))
        into = (ctypes.byref(self._length), _HANDLE(made.__array_interface__["data"][0]))
        data = _HANDLE(rows.__array_interface__["data"][0])
        if count == 1 and columns == self.features:
            if self._predict_single(self._single, data, *into):
                raise _error(self._library)
            return made
        shape = (_DOUBLE, ctypes.c_int32(count), ctypes.c_int32(columns), _ROWS)
        self._call("LGBM_BoosterPredictForMat", self._handle, data, *shape, _NORMAL, 0, _ALL, self._settings, *into)
        return made

    def names(self) -> List[str]:
        """Of the columns."""
        buffers = [ctypes.create_string_buffer(_LONGEST_NAME) for _ in range(self.features)]
        pointers = (ctypes.c_char_p * self.features)(*(ctypes.cast(buffer, ctypes.c_char_p) for buffer in buffers))
        count, needed = ctypes.c_int(), ctypes.c_size_t()
        sizes = (ctypes.c_int(self.features), ctypes.byref(count), ctypes.c_size_t(_LONGEST_NAME), ctypes.byref(needed))
        self._call("LGBM_BoosterGetFeatureNames", self._handle, *sizes, pointers)
        return [buffer.value.decode(errors="replace") for buffer in buffers]

    def _call(self, name: str, *arguments: Any) -> None:
        if getattr(self._library, name)(*arguments):
            raise _error(self._library)


_unheard = _LOG(lambda _: None)
"""For its log: errors are raised, and the rest is of no use to a server."""


@lru_cache(maxsize=1)
def library() -> Any:
    """Found without importing the package.

    Raises:
        LibraryError: LightGBM is not installed, or lacks what it needs of the system.
    """
    spec = importlib.util.find_spec("lightgbm")
    places = (spec.submodule_search_locations or ()) if spec else ()
    folders = [Path(place, inner) for place in places for inner in ("lib", ".")]
    path = next((folder / name for folder in folders for name in _NAMES if (folder / name).exists()), None)
    if path is None:
        raise LibraryError("lightgbm is not installed, or without its library")
    try:
        found = ctypes.CDLL(str(path))
    except OSError as error:
        raise LibraryError(f"{error} (on Debian: libgomp1)") from error
    found.LGBM_GetLastError.restype = ctypes.c_char_p
    found.LGBM_RegisterLogCallback(_unheard)
    if hasattr(found, "LGBM_SetMaxThreads"):
        # Loading would else start a thread a core. A prediction says for itself how many it wants.
        found.LGBM_SetMaxThreads(1)
    return found


def _error(found: Any) -> LibraryError:
    return LibraryError(found.LGBM_GetLastError().decode(errors="replace").strip())
