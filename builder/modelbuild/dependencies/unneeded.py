"""What of well-known distributions no server needs. Data; conservative: what is not listed stays. What only one runtime
installs is listed in its ``runtime.toml``.

Stubs (``.pyi``) are no rule: some distributions read their own at import.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

# Folder or file patterns, relative to site-packages, by canonical name of the distribution.
UNNEEDED: dict[str, tuple[str, ...]] = {
    "httptools": ("httptools/**/*.pyx", "httptools/**/*.pxd", "httptools/**/*.c"),
    "joblib": ("joblib/test",),
    "lightgbm": ("lightgbm/include",),
    "msgspec": ("msgspec/**/*.pyi",),
    "numpy": (
        "numpy/**/tests",
        "numpy/**/*.pyi",
        "numpy/**/*.pxd",
        "numpy/_core/include",
        "numpy/_core/lib",
        "numpy/_pyinstaller",
        "numpy/core/include",
        "numpy/core/lib",
        "numpy/random/lib",
        "numpy/typing/tests",
    ),
    "onnx": ("onnx/backend/test", "onnx/test", "onnx/**/*.pyi", "onnx/**/*.h", "onnx/**/*.cc"),
    "onnxruntime": ("onnxruntime/tools", "onnxruntime/transformers", "onnxruntime/quantization"),
    "pandas": ("pandas/tests", "pandas/**/*.pyi"),
    "pyarrow": ("pyarrow/tests", "pyarrow/include", "pyarrow/src", "pyarrow/**/*.pyx", "pyarrow/**/*.pxd"),
    "pysimdjson": ("simdjson/*.cpp", "simdjson/*.h", "simdjson/*.pyx", "simdjson/*.pxd"),
    "scikit-learn": ("sklearn/**/tests", "sklearn/**/*.pyx", "sklearn/**/*.pxd", "sklearn/**/*.tp"),
    "scipy": ("scipy/**/tests", "scipy/**/*.pyi", "scipy/**/*.pxd"),
    "uvloop": ("uvloop/**/*.pyx", "uvloop/**/*.pxd", "uvloop/**/*.pyi", "uvloop/loop.c"),
    "xgboost": ("xgboost/testing",),
    "xgboost-cpu": ("xgboost/testing",),
}


def unneeded(site: Path, distribution: str, further: Mapping[str, Sequence[str]]) -> Iterator[Path]:
    """Files and folders of an installed distribution that may go: those listed here, and ``further`` ones."""
    for pattern in (*UNNEEDED.get(distribution, ()), *further.get(distribution, ())):
        yield from site.glob(pattern)
