"""What a LightGBM text file says of itself: its header, and what its Python package writes behind the trees."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from modelbuild.artifact import Artifact
from modelbuild.errors import ArtifactError, UnsupportedModelError
from modelbuild.runtime import Finding, Reading
from modelbuild.signature import Signature, TensorSpec

MAX_HEADER = 1 << 26
MAX_TAIL = 1 << 26
NEWEST = 4
"""The version of the format that LightGBM 4 writes."""

ARRAY = "X"
"""The name of the one input of a model that was trained on an array."""

AGAIN = "Copy it again, or load it where it was trained and save it again: booster.save_model('model.txt')."
CLASSIFYING = frozenset({"binary", "multiclass", "multiclassova"})
CATEGORICAL = b"\npandas_categorical:"
PARAMETER = re.compile(rb"^\[categorical_feature: ([\d,]*)\]\r?$", re.MULTILINE)


def read(artifact: Artifact) -> Reading:
    """Read a LightGBM file.

    Raises:
        ArtifactError: it is cut off or corrupt.
    """
    if artifact.is_folder:
        raise UnsupportedModelError(f"{artifact.name} is a folder.", hint="Give the model's file in it.")
    size = artifact.source.stat().st_size
    with artifact.source.open("rb") as file:
        head = file.read(MAX_HEADER)
        file.seek(max(0, size - MAX_TAIL))
        tail = file.read()
    text, _, _ = head.replace(b"\r\n", b"\n").partition(b"\n\n")
    header = dict(line.partition("=")[::2] for line in text.decode("utf-8", errors="replace").split("\n"))
    _check(artifact, header, len(text), size)
    return _reading(header, tail)


def _check(artifact: Artifact, header: Mapping[str, str], length: int, size: int) -> None:
    names = header.get("feature_names", "").split(" ")
    trees = header.get("tree_sizes", "").split()
    counted = all(tree.isdecimal() and len(tree) < 16 for tree in trees)
    if not trees or not counted or not names[0] or _count(header, "max_feature_idx") + 1 != len(names):
        raise ArtifactError(f"{artifact.name} has no whole header of a LightGBM model.", hint=AGAIN)
    if length + sum(map(int, trees)) > size:
        raise ArtifactError(f"{artifact.name} is cut off: its {len(trees)} trees are longer than the file.", hint=AGAIN)


def _reading(header: Mapping[str, str], tail: bytes) -> Reading:
    names = tuple(header["feature_names"].split(" "))
    categories, unsure = _categories(header, names, tail)
    named = names != tuple(f"Column_{index}" for index in range(len(names)))
    numbers = (TensorSpec(ARRAY, "FP64", (-1, len(names))),)
    inputs = tuple(_column(name, categories.get(name, [])) for name in names) if named else numbers
    version = header.get("version", "")
    objective, _, _ = header.get("objective", "").partition(" ")
    return Reading(
        "lightgbm (text)",
        Signature(inputs, _outputs(objective, _count(header, "num_class")), columns=named),
        findings=_remarks(version, objective, unsure=unsure),
        options={"categories": categories} if categories and named else {},
        metadata={
            "objective": header.get("objective", "") or "custom",
            "features": str(len(names)),
            "trees": str(len(header["tree_sizes"].split())),
            **({"format version": version} if version else {}),
        },
    )


def _remarks(version: str, objective: str, *, unsure: bool) -> tuple[Finding, ...]:
    found = []
    number = version.removeprefix("v")
    if number.isdecimal() and int(number) > NEWEST:
        found.append(Finding("review", f"version {number} of the format", f"the newest that is known here is {NEWEST}"))
    if objective in CLASSIFYING:
        # Its scikit-learn interface counts the classes that it is given, and keeps their names to itself.
        found.append(Finding("info", "classes are answered by number", "the file does not hold their names"))
    if unsure:
        what = "columns of categories take codes instead of values"
        found.append(Finding("review", what, "the file does not say which columns its values belong to"))
    return tuple(found)


# The signature. The engine computes the same.


def _column(name: str, known: list[Any]) -> TensorSpec:
    if not known:
        return TensorSpec(name, "FP64", (-1,))
    datatype = {str: "BYTES", bool: "BOOL", int: "INT64"}.get(type(known[0]), "FP64")
    return TensorSpec(name, datatype, (-1,), optional=True, labels=tuple(map(str, known)))


def _outputs(objective: str, classes: int) -> tuple[TensorSpec, ...]:
    several = (classes,) if classes > 1 else ()
    if objective in CLASSIFYING:
        labels = tuple(map(str, range(max(2, classes))))
        return (
            TensorSpec("label", "INT64", (-1,), labels=labels),
            TensorSpec("probabilities", "FP64", (-1, len(labels)), labels=labels),
        )
    name = "score" if objective in {"lambdarank", "rank_xendcg"} else "prediction"
    return (TensorSpec(name, "FP64", (-1, *several)),)


def _categories(header: Mapping[str, str], names: tuple[str, ...], tail: bytes) -> tuple[dict[str, list[Any]], bool]:
    """The values of each column of categories, in the order of their codes; and whether they could not be assigned.

    The file lists the values of the frame's columns in their order, without names.
    """
    _, found, text = tail.rpartition(CATEGORICAL)
    try:
        lists = json.loads(text.partition(b"\n")[0]) if found else None
    except ValueError:
        return {}, True
    if not isinstance(lists, list) or not lists:
        return {}, False
    columns = _categorical_columns(header, tail)
    whole = all(isinstance(values, list) and values for values in lists) and len(columns) == len(lists)
    if not whole or max(columns) >= len(names):
        return {}, True
    return {names[column]: values for column, values in zip(columns, lists, strict=True)}, False


def _categorical_columns(header: Mapping[str, str], tail: bytes) -> list[int]:
    """From the parameters of the training; else those whose values are listed, where others have a range."""
    stated = PARAMETER.search(tail)
    if stated and stated[1]:
        return sorted(int(index) for index in stated[1].split(b",") if index)
    infos = header.get("feature_infos", "").split(" ")
    return [index for index, info in enumerate(infos) if info != "none" and not info.startswith("[")]


def _count(header: Mapping[str, str], key: str) -> int:
    text = header.get(key, "")
    return int(text) if text.isdecimal() and len(text) < 10 else -1
