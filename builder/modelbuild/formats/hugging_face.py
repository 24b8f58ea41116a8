"""The files of a folder as Hugging Face's libraries save them: JSON, and weights in one file or several."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import Any

from modelbuild.artifact import Artifact, File
from modelbuild.errors import ArtifactError, UnsupportedModelError
from modelbuild.formats.safetensors import read_header

MAX_JSON = 1 << 25
AGAIN = "Copy the whole folder again, or save it with save_pretrained."
SAFE, PICKLED = "model.safetensors", "pytorch_model.bin"
POINTER = b"version https://git-lfs"


def file_of(model: Artifact, path: str) -> File | None:
    """The file of this path, if there is one."""
    return next((file for file in model.files if file.path == path), None)


def has(model: Artifact, pattern: str) -> bool:
    """Whether a file at the top of the folder has such a name."""
    return any(fnmatchcase(file.path, pattern) and "/" not in file.path for file in model.files)


def json_of(model: Artifact, path: str, *, required: bool) -> Any:
    """A JSON document; None where it is missing and need not be there.

    Raises:
        ArtifactError: it is missing, or no JSON.
    """
    file = file_of(model, path)
    if file is None:
        if required:
            raise ArtifactError(f"{model.name} has no {path}.", hint=AGAIN)
        return None
    if file.size > MAX_JSON:
        raise ArtifactError(f"{path} in {model.name} has {file.size >> 20} MiB.", hint=AGAIN)
    try:
        return json.loads(file.source.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{path} in {model.name} is no JSON: {error}.", hint=AGAIN) from error


def table_of(model: Artifact, path: str, *, required: bool = True) -> dict[str, Any]:
    """A JSON object; empty where it is missing and need not be there.

    Raises:
        ArtifactError: it is missing, or no JSON object.
    """
    value = json_of(model, path, required=required)
    if value is None and not required:
        return {}
    if not isinstance(value, dict):
        raise ArtifactError(f"{path} in {model.name} is no JSON object.", hint=AGAIN)
    return value


def refuse_pointers(artifact: Artifact) -> None:
    """Folders that were cloned without Git LFS hold pointers.

    Raises:
        ArtifactError: this one does.
    """
    for file in artifact.files:
        if file.size < 1024:
            with file.source.open("rb") as stream:
                if stream.read(len(POINTER)) == POINTER:
                    raise ArtifactError(
                        f"{file.path} in {artifact.name} is a Git LFS pointer, not the file itself.",
                        hint="Fetch the files: git lfs pull.",
                    )


# Weights.


def weights_of(model: Artifact) -> tuple[File, ...]:
    """The files that are loaded, checked: of two formats the safe one, as Transformers does.

    Raises:
        ArtifactError: they are not there, or cut off.
    """
    for name in (SAFE, PICKLED):
        whole = file_of(model, name)
        index = json_of(model, f"{name}.index.json", required=False)
        if whole is None and index is None:
            continue
        files = (whole,) if whole else _shards(model, name, index)
        for file in files:
            _check_weights(model, file)
        return files
    if has(model, "adapter_model.*"):
        raise adapter(model)
    raise ArtifactError(f"{model.name} has neither {SAFE} nor {PICKLED}.", hint=AGAIN)


def adapter(model: Artifact) -> UnsupportedModelError:
    """The refusal of an adapter alone."""
    return UnsupportedModelError(
        f"{model.name} is an adapter without the model that it adapts.",
        hint="Merge the two and save the whole: model.merge_and_unload().save_pretrained(FOLDER).",
    )


def _shards(model: Artifact, name: str, index: Any) -> tuple[File, ...]:
    table = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(table, dict) or not all(isinstance(shard, str) for shard in table.values()):
        raise ArtifactError(f"{name}.index.json in {model.name} has no weight_map.", hint=AGAIN)
    names = sorted(set(table.values()))
    found = [file_of(model, shard) for shard in names]
    missing = [shard for shard, file in zip(names, found, strict=True) if file is None]
    if missing:
        raise ArtifactError(
            f"{model.name} lacks {', '.join(missing[:3])}, which {name}.index.json refers to.", hint=AGAIN
        )
    return tuple(file for file in found if file)


def _check_weights(model: Artifact, file: File) -> None:
    if not file.path.endswith(".safetensors"):
        return
    try:
        read_header(file.source)
    except ArtifactError as error:
        raise ArtifactError(f"The weights of {model.name} are corrupt: {error.message}", hint=AGAIN) from error
