"""What a CatBoost file says of itself: from the tables of its binary format, or from JSON without its trees."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from modelbuild.artifact import Artifact
from modelbuild.errors import ArtifactError, UnsupportedModelError
from modelbuild.formats.flatbuffer import Table, root
from modelbuild.formats.outline import outline
from modelbuild.formats.protobuf import mapped
from modelbuild.runtime import Reading
from modelbuild.signature import Signature, TensorSpec

BULK = frozenset({"oblivious_trees", "trees", "ctr_data", "ctrs", "borders", "cat_features_hash"})
MAGIC = b"CBM1"
AGAIN = "Copy it again, or load it where it was trained and save it again: model.save_model('model.cbm')."
ARRAY = "X"
"""The name of the one input of a model that was trained on an array of numbers."""

# Fields of the tables, by their numbers in CatBoost's schema.
CORE_TREES, CORE_INFO = 1, 2
TREES_OUTPUTS, TREES_SIZES, TREES_CATEGORIES, TREES_NUMBERS, TREES_TEXTS = 0, 2, 4, 5, 12


@dataclass(frozen=True, slots=True)
class Feature:
    """A column: its place, its name where it has one, and "float", "category" or "text"."""

    place: int
    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What both formats say."""

    features: tuple[Feature, ...]
    outputs: int
    trees: int = 0
    info: Mapping[str, Any] = field(default_factory=dict)


def read(artifact: Artifact) -> Reading:
    """Read a CatBoost file.

    Raises:
        ArtifactError: it is cut off or corrupt.
        UnsupportedModelError: it takes columns that no request can carry.
    """
    if artifact.is_folder:
        raise UnsupportedModelError(f"{artifact.name} is a folder.", hint="Give the model's file in it.")
    with artifact.source.open("rb") as file:
        binary = file.read(4) == MAGIC
    try:
        facts = _from_binary(artifact) if binary else _from_json(artifact)
    except ValueError as error:
        raise ArtifactError(
            f"{artifact.name} is a corrupt or truncated CatBoost model: {error}.", hint=AGAIN
        ) from error
    if not facts.features:
        raise ArtifactError(f"{artifact.name} has no features, and so is no CatBoost model.", hint=AGAIN)
    if [item.place for item in facts.features] != list(range(len(facts.features))):
        raise UnsupportedModelError(
            f"{artifact.name} takes embeddings, which this runtime does not.",
            hint="Write a handler with load(context) and predict(model, inputs).",
        )
    return _reading("catboost (cbm)" if binary else "catboost (json)", facts)


# The two formats.


def _from_binary(artifact: Artifact) -> Facts:
    with mapped(artifact.source) as buffer:
        if len(buffer) < 8:
            raise ValueError("it is too short")
        (size,) = struct.unpack_from("<I", buffer, 4)
        if len(buffer) < 8 + size:
            raise ValueError(f"it has {len(buffer)} bytes of {8 + size}")
        core = root(bytes(buffer[8 : 8 + size]))
        trees = core.table(CORE_TREES)
        if trees is None:
            raise ValueError("it has no trees")
        info = {item.text(0): _parsed(item.text(1)) for item in core.tables(CORE_INFO)}
        features = sorted(_features_of(trees), key=lambda item: item.place)
        _, count = trees.span(TREES_SIZES, 4)
        return Facts(tuple(features), trees.number(TREES_OUTPUTS, "i", 1), count, info)


def _features_of(trees: Table) -> Iterator[Feature]:
    for item in trees.tables(TREES_NUMBERS):
        yield Feature(item.number(2, "i", -1), item.text(4), "float")
    for field_number, kind in ((TREES_CATEGORIES, "category"), (TREES_TEXTS, "text")):
        for item in trees.tables(field_number):
            yield Feature(item.number(1, "i", -1), item.text(2), kind)


def _from_json(artifact: Artifact) -> Facts:
    document = outline(artifact.source, BULK)
    lists = _table(document, "features_info")
    kinds = {"float_features": "float", "categorical_features": "category", "text_features": "text"}
    features = [
        Feature(item.get("flat_feature_index", -1), str(item.get("feature_id", "")), kind)
        for key, kind in kinds.items()
        for item in _items(lists.get(key))
        if isinstance(item.get("flat_feature_index"), int)
    ]
    scale = document.get("scale_and_bias") if isinstance(document, dict) else None
    bias = scale[1] if isinstance(scale, list) and len(scale) == 2 else []
    info = {key: _parsed(value) for key, value in _table(document, "model_info").items()}
    outputs = len(bias) if isinstance(bias, list) and bias else 1
    return Facts(tuple(sorted(features, key=lambda item: item.place)), outputs, info=info)


def _parsed(value: object) -> object:
    """JSON inside of a text, where it is some."""
    try:
        return json.loads(value) if isinstance(value, str) and value.startswith("{") else value
    except (ValueError, RecursionError):
        return value


def _table(value: object, key: str) -> Mapping[str, Any]:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def _items(value: object) -> Iterator[Mapping[str, Any]]:
    yield from (item for item in (value if isinstance(value, list) else ()) if isinstance(item, dict))


# The signature. The engine computes the same from what CatBoost says.


def _reading(kind: str, facts: Facts) -> Reading:
    loss = str(_table(_table(facts.info, "params"), "loss_function").get("type", ""))
    classes = _table(facts.info, "class_params").get("class_names", [])
    named = any(item.name for item in facts.features) or any(item.kind != "float" for item in facts.features)
    if named:
        inputs = tuple(_column(item) for item in facts.features)
    else:
        inputs = (TensorSpec(ARRAY, "FP32", (-1, len(facts.features))),)
    counts = {kind: sum(item.kind == kind for item in facts.features) for kind in ("category", "text")}
    described = {
        "loss function": loss,
        "features": str(len(facts.features)),
        "categories": str(counts["category"] or ""),
        "texts": str(counts["text"] or ""),
        "trees": str(facts.trees or ""),
        "trained": str(facts.info.get("train_finish_time", "")),
    }
    outputs = _outputs(loss, classes if isinstance(classes, list) else [], facts.outputs)
    return Reading(
        kind,
        Signature(inputs, outputs, columns=named),
        metadata={key: value for key, value in described.items() if value},
    )


def _column(item: Feature) -> TensorSpec:
    return TensorSpec(item.name or str(item.place), "FP32" if item.kind == "float" else "BYTES", (-1,))


def _outputs(loss: str, classes: list[Any], outputs: int) -> tuple[TensorSpec, ...]:
    several = (outputs,) if outputs > 1 else ()
    if loss in {"MultiLogloss", "MultiCrossEntropy"}:
        return (TensorSpec("label", "INT64", (-1, *several)), TensorSpec("probabilities", "FP64", (-1, *several)))
    if loss == "CrossEntropy" and not classes:
        classes = [0, 1]
    if classes:
        labels = tuple(map(str, classes))
        datatype = {str: "BYTES", bool: "BOOL", int: "INT64"}.get(type(classes[0]), "FP64")
        return (
            TensorSpec("label", datatype, (-1,), labels=labels),
            TensorSpec("probabilities", "FP64", (-1, len(labels)), labels=labels),
        )
    return (TensorSpec("score" if _ranks(loss) else "prediction", "FP64", (-1, *several)),)


def _ranks(loss: str) -> bool:
    return loss.startswith(("YetiRank", "PairLogit", "Query", "Stochastic", "LambdaMart", "GroupQuantile"))
