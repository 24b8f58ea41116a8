"""The file MLmodel: what MLflow writes of a model beside it. YAML, with a signature as JSON in it.

After MLflow's own ``Model``, ``Schema`` and environment files, which have changed little since MLflow 1.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from modelbuild.errors import ArtifactError
from modelbuild.signature import DATATYPES, TensorSpec

NAME = "MLmodel"
MAX_SIZE = 1 << 24
COLUMNS = {
    "boolean": "BOOL",
    "integer": "INT32",
    "long": "INT64",
    "float": "FP32",
    "double": "FP64",
    "string": "BYTES",
    "binary": "BYTES",
    "datetime": "BYTES",
}
"""Types of a column."""

DTYPES = {"bool": "BOOL", "float16": "FP16", "float32": "FP32", "float64": "FP64", "str": "BYTES", "object": "BYTES"}
"""NumPy's names of a tensor's type, beside those that are called alike."""

_NOTHING = ("", "null", "~")
_PYTHON = re.compile(r"python\s*(?:==?|:)\s*(3\.\d+)")


@dataclass(frozen=True, slots=True)
class Schema:
    """One side of a signature. ``specs`` is empty where it says nothing, or what no tensor says (objects, maps).

    ``columns`` where it is a data frame. A spec without a name has "".
    """

    specs: tuple[TensorSpec, ...] = ()
    columns: bool = False
    types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MlModel:
    """What a folder says of itself. ``params`` are those that a request may set; ``python`` is a minor version."""

    flavors: Mapping[str, Mapping[str, Any]]
    inputs: Schema
    outputs: Schema
    params: tuple[Mapping[str, Any], ...] = ()
    mlflow_version: str = ""
    python: str = ""
    name: str = ""
    version: str = ""

    @property
    def pyfunc(self) -> Mapping[str, Any]:
        """The flavor that every MLflow can load; empty where there is none."""
        return self.flavors.get("python_function", {})


def read_mlmodel(folder: Path) -> MlModel:
    """Read MLmodel and the small files beside it.

    Raises:
        ArtifactError: one of them is no YAML, or not what it should be.
    """
    table = read_yaml(folder / NAME)
    flavors = table.get("flavors")
    if not isinstance(flavors, dict) or not all(isinstance(item, dict) for item in flavors.values()):
        raise ArtifactError(f"{NAME} in {folder.name} lists no flavors.", hint="Save the model again with MLflow.")
    registered = optional_yaml(folder / "registered_model_meta")
    signature = table.get("signature")
    sides = signature if isinstance(signature, dict) else {}
    return MlModel(
        flavors=flavors,
        inputs=_schema(sides.get("inputs"), folder),
        outputs=_schema(sides.get("outputs"), folder),
        params=_params(sides.get("params"), folder),
        mlflow_version=text(table.get("mlflow_version")),
        python=_python(folder, flavors),
        name=text(registered.get("model_name")),
        version=text(registered.get("model_version")),
    )


def text(value: object) -> str:
    """A scalar; "" for nothing and for what is none."""
    return value if isinstance(value, str) and value not in _NOTHING else ""


def read_yaml(path: Path) -> dict[str, Any]:
    """A mapping whose scalars are all texts.

    Raises:
        ArtifactError: it is too large, or no YAML mapping.
    """
    where = f"{path.name} in {path.parent.name}"
    try:
        if path.stat().st_size > MAX_SIZE:
            raise ArtifactError(f"{where} is larger than {MAX_SIZE >> 20} MiB, which no MLflow writes.")
        value = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)  # noqa: S506  # texts only
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        reason = str(error).splitlines()[0]
        raise ArtifactError(f"{where} cannot be read: {reason}.", hint="Copy or save the model again.") from error
    if not isinstance(value, dict):
        raise ArtifactError(f"{where} is no mapping.", hint="Copy or save the model again.")
    return value


def optional_yaml(path: Path) -> dict[str, Any]:
    """The same; empty where there is no such file."""
    return read_yaml(path) if path.is_file() else {}


def _python(folder: Path, flavors: Mapping[str, Mapping[str, Any]]) -> str:
    """The minor version of the Python that saved the model."""
    stated = f"python: {text(optional_yaml(folder / 'python_env.yaml').get('python'))}"
    stated += f" python: {text(flavors.get('python_function', {}).get('python_version'))}"
    found = optional_yaml(folder / "conda.yaml").get("dependencies")
    stated += " ".join(item for item in (found if isinstance(found, list) else ()) if isinstance(item, str))
    match = _PYTHON.search(stated)
    return match[1] if match else ""


def _items(value: object, folder: Path) -> list[dict[str, Any]]:
    """What a side of the signature lists; empty where it lists nothing, or something that is not known."""
    if not isinstance(value, str) or value in _NOTHING:
        return []
    try:
        items = json.loads(value)
    except (ValueError, RecursionError) as error:
        raise ArtifactError(
            f"The signature in {NAME} of {folder.name} is no JSON: {error}.", hint="Copy or save the model again."
        ) from error
    return items if isinstance(items, list) and all(isinstance(item, dict) for item in items) else []


def _params(value: object, folder: Path) -> tuple[dict[str, Any], ...]:
    return tuple(item for item in _items(value, folder) if isinstance(item.get("name"), str))


def _schema(value: object, folder: Path) -> Schema:
    items = _items(value, folder)
    if not items:
        return Schema()
    tensors = [item for item in items if item.get("type") == "tensor"]
    if tensors and len(tensors) < len(items):
        return Schema()
    specs = tuple(filter(None, map(_tensor if tensors else _column, items)))
    types = tuple(str(item.get("type")) for item in items)
    return Schema(specs if len(specs) == len(items) else (), columns=not tensors, types=types)


def _column(item: Mapping[str, Any]) -> TensorSpec | None:
    """A column, or one whose every cell is a list of plain values."""
    kind, name = item.get("type"), item.get("name")
    required = item.get("required", item.get("optional", False) is False) is not False
    shape: tuple[int, ...] = (-1,)
    if kind == "array" and isinstance(item.get("items"), dict):
        kind, shape = item["items"].get("type"), (-1, -1)
    if not isinstance(kind, str) or kind not in COLUMNS:
        return None
    return TensorSpec(name if isinstance(name, str) else "", COLUMNS[kind], shape, optional=not required)


def _tensor(item: Mapping[str, Any]) -> TensorSpec | None:
    spec, name = item.get("tensor-spec"), item.get("name")
    if not isinstance(spec, dict) or not isinstance(spec.get("shape"), list):
        return None
    kind = str(spec.get("dtype"))
    datatype = DTYPES.get(kind, kind.upper())
    shape = tuple(size for size in spec["shape"] if isinstance(size, int))
    if datatype not in DATATYPES or len(shape) != len(spec["shape"]):
        return None
    return TensorSpec(name if isinstance(name, str) else "", datatype, shape)
