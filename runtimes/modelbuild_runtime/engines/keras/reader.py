"""What a Keras file says of itself, read from its configuration: no Keras, no TensorFlow, no weights."""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from packaging.version import InvalidVersion, Version

from modelbuild.artifact import Artifact
from modelbuild.errors import ArtifactError, UnsupportedModelError
from modelbuild.formats import archive
from modelbuild.formats.compression import ALWAYS_FINE, MAX_RATIO
from modelbuild.formats.hdf5 import MAGIC, Hdf5Error, root_attributes
from modelbuild.formats.protobuf import mapped
from modelbuild.runtime import Finding, Reading
from modelbuild.signature import Signature, TensorSpec

DATATYPES = {
    "bool": "BOOL",
    "uint8": "UINT8",
    "uint16": "UINT16",
    "uint32": "UINT32",
    "uint64": "UINT64",
    "int8": "INT8",
    "int16": "INT16",
    "int32": "INT32",
    "int64": "INT64",
    "float16": "FP16",
    "bfloat16": "FP32",  # numpy has none
    "float32": "FP32",
    "float64": "FP64",
    "string": "BYTES",
}
OURS = frozenset({"keras"})
MAX_NODES = 1 << 20
INPUT_LAYER = "InputLayer"


def read(artifact: Artifact) -> Reading:
    """Read a .keras archive, or an HDF5 file.

    Raises:
        ArtifactError: it is cut off or corrupt.
        UnsupportedModelError: it holds weights alone.
    """
    if artifact.is_folder:
        raise UnsupportedModelError(f"{artifact.name} is a folder.", hint="Give the .keras or .h5 file in it.")
    with artifact.source.open("rb") as file:
        head = file.read(8)
    kind, config, metadata = _from_hdf5(artifact) if head.startswith(MAGIC) else _from_archive(artifact)
    if not isinstance(config, dict) or not isinstance(config.get("config"), dict | list):
        raise ArtifactError(
            f"The configuration in {artifact.name} describes no model.",
            hint="Save it again: model.save('model.keras').",
        )
    wrote = str(metadata.get("keras_version", ""))
    findings = tuple(_findings(config))
    return Reading(
        format=kind,
        signature=Signature(_inputs(config)),
        version=_version(wrote),
        findings=findings,
        # Reached only where the user took the risk: a danger is refused before.
        options={"unsafe": True} if any(item.severity == "danger" for item in findings) else {},
        metadata=_metadata(config, wrote),
    )


def _from_archive(artifact: Artifact) -> tuple[str, Any, Mapping[str, Any]]:
    with archive.open_zip(artifact.source) as opened:
        _check_members(artifact, opened)
        config = archive.read_member_json(opened, "config.json")
        metadata = archive.read_member_json(opened, "metadata.json")
    return "keras", config, metadata if isinstance(metadata, dict) else {}


def _check_members(artifact: Artifact, opened: zipfile.ZipFile) -> None:
    """Keras unpacks some of them."""
    size = 0
    for member in opened.infolist():
        path = PurePosixPath(member.filename.replace("\\", "/"))
        link = member.external_attr >> 28 == 0o12
        if path.is_absolute() or ".." in path.parts or link or any(":" in part for part in path.parts[:1]):
            raise ArtifactError(
                f"{artifact.name} holds {member.filename!r}, which would be unpacked elsewhere.",
                hint="This may be an attack: package only what comes from someone you trust.",
            )
        size += member.file_size
    if size > max(ALWAYS_FINE, MAX_RATIO * artifact.size):
        raise ArtifactError(f"{artifact.name} would inflate to {size >> 20} MiB.", hint="No model does: save it again.")


def _from_hdf5(artifact: Artifact) -> tuple[str, Any, Mapping[str, Any]]:
    try:
        with mapped(artifact.source) as buffer:
            found = root_attributes(buffer)
    except Hdf5Error as error:
        raise ArtifactError(
            f"{artifact.name} is a corrupt or truncated HDF5 file: {error}.", hint="Copy it or save it again."
        ) from error
    text = found.get("model_config")
    if not text:
        raise UnsupportedModelError(
            f"{artifact.name} has no model_config: it holds weights, or something else, but no model.",
            hint="Save the whole: model.save('model.keras').",
        )
    try:
        return "hdf5", json.loads(text), found
    except (ValueError, RecursionError) as error:
        raise ArtifactError(
            f"model_config in {artifact.name} is no JSON: {error}.", hint="Copy it or save it again."
        ) from error


def _version(wrote: str) -> str:
    """The release of Keras that wrote it. One of Keras 2, which came with TensorFlow, asks for no certain Keras 3."""
    try:
        version = Version(wrote)
    except InvalidVersion:
        return ""
    return version.base_version if version.major >= 3 else ""


# What loading could execute.


def _nodes(config: object) -> Iterator[Mapping[str, Any]]:
    """Every object of the configuration that names a class."""
    pending = [config]
    for _ in range(MAX_NODES):
        if not pending:
            return
        item = pending.pop()
        if isinstance(item, dict):
            if "class_name" in item:
                yield item
            pending += item.values()
        elif isinstance(item, list):
            pending += item


def _findings(config: object) -> Iterator[Finding]:
    found: dict[tuple[str, str], str] = {}
    for node in _nodes(config):
        name, module = str(node.get("class_name", "")), str(node.get("module") or "")
        root = module.partition(".")[0]
        inner = node.get("config")
        if name == "__lambda__" or (name == "Lambda" and _is_code(inner)):
            found["danger", "the bytecode of a Python function"] = "a Lambda layer"
        elif (
            root and root not in OURS and (root in sys.stdlib_module_names and (root, name) != ("builtins", "function"))
        ):
            found["danger", f"{module}.{name}"] = "a class that is no layer"
        elif root and root not in OURS:
            found["review", f"{module}.{name}"] = "must be defined in, or imported by, the handler"
    return (Finding(severity, what, where) for (severity, what), where in sorted(found.items()))


def _is_code(config: object) -> bool:
    """Older files write a function as a list: its bytecode, defaults and closure."""
    return isinstance(config, dict) and (
        isinstance(config.get("function"), list) or config.get("function_type") == "lambda"
    )


# The signature.


def _inputs(config: Mapping[str, Any]) -> tuple[TensorSpec, ...]:
    """The inputs that have layers of their own, as all that Keras 3 writes; none where one has not, or is nested."""
    inner = config["config"]
    layers = inner.get("layers") if isinstance(inner, dict) else inner
    if not isinstance(layers, list) or not all(isinstance(layer, dict) for layer in layers):
        return ()
    found = {}
    for layer in layers:
        settings = layer.get("config")
        if layer.get("class_name") == INPUT_LAYER and isinstance(settings, dict):
            found[str(settings.get("name", ""))] = settings
    specs = []
    for name, layer in _input_names(config, list(found)):
        spec = _spec(name, found.get(layer, {}))
        if spec is None:
            return ()
        specs.append(spec)
    return tuple(specs)


def _input_names(config: Mapping[str, Any], layers: list[str]) -> list[tuple[str, str]]:
    """What each input is called by clients, and its layer."""
    inner = config["config"]
    if config.get("class_name") == "Sequential" or not isinstance(inner, dict):
        return [(layers[0], layers[0])] if len(layers) == 1 else []
    listed = inner.get("input_layers")
    if isinstance(listed, dict):
        return [(str(key), str(place[0])) for key, place in sorted(listed.items()) if isinstance(place, list) and place]
    if isinstance(listed, list) and listed:
        places = [listed] if isinstance(listed[0], str) else listed
        if all(isinstance(place, list) and place and isinstance(place[0], str) for place in places):
            return [(place[0], place[0]) for place in places]
    return []


def _spec(name: str, settings: Mapping[str, Any]) -> TensorSpec | None:
    shape = settings.get("batch_shape", settings.get("batch_input_shape"))
    datatype = DATATYPES.get(str(settings.get("dtype") or "float32"))
    fits = isinstance(shape, list) and all(size is None or type(size) is int for size in shape)
    if not fits or datatype is None or settings.get("sparse") or settings.get("ragged"):
        return None
    return TensorSpec(name, datatype, tuple(-1 if size is None else size for size in shape or ()))


def _metadata(config: Mapping[str, Any], wrote: str) -> dict[str, str]:
    inner = config["config"]
    layers = inner.get("layers") if isinstance(inner, dict) else inner
    facts = {
        "model": str(config.get("class_name", "")),
        "layers": str(len(layers)) if isinstance(layers, list) else "",
        "written by": f"Keras {wrote}" if wrote else "",
    }
    return {name: value for name, value in facts.items() if value}
