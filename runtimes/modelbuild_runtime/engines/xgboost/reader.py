"""What an XGBoost file says of itself, read from its JSON or UBJSON without building its trees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modelbuild.artifact import Artifact
from modelbuild.errors import ArtifactError, UnsupportedModelError
from modelbuild.formats.outline import outline
from modelbuild.formats.protobuf import mapped
from modelbuild.formats.ubjson import read_ubjson
from modelbuild.runtime import Finding, Reading
from modelbuild.signature import Signature, TensorSpec

BULK = frozenset({"trees", "tree_info", "iteration_indptr", "weights", "weight_drop"})
AGAIN = "Load it where it was trained and save it again: booster.save_model('model.ubj')."
ARRAY = "X"
"""The name of the one input of a model that was trained on an array."""


def read(artifact: Artifact) -> Reading:
    """Read an XGBoost file.

    Raises:
        ArtifactError: it is cut off or corrupt.
        UnsupportedModelError: it does not say which version wrote it.
    """
    if artifact.is_folder:
        raise UnsupportedModelError(f"{artifact.name} is a folder.", hint="Give the model's file in it.")
    with artifact.source.open("rb") as file:
        head = file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")
    if head[:1] != b"{":
        return Reading("xgboost (old binary)", prepare="it is in XGBoost's old binary format")
    binary = head[1:2] in {b"L", b"l", b"I", b"i", b"U"}
    document = _document(artifact, binary=binary)
    learner = _table(document, "learner")
    parameters = _table(learner, "learner_model_param")
    if not parameters:
        raise ArtifactError(f"{artifact.name} has no learner_model_param, and so is no XGBoost model.", hint=AGAIN)
    version = _version(artifact, document)
    return _reading("xgboost (ubjson)" if binary else "xgboost (json)", version, learner, parameters)


def _document(artifact: Artifact, *, binary: bool) -> Mapping[str, Any]:
    try:
        if binary:
            with mapped(artifact.source) as buffer:
                return _mapping(read_ubjson(buffer, BULK))
        return _mapping(outline(artifact.source, BULK))
    except ValueError as error:
        raise ArtifactError(
            f"{artifact.name} is a corrupt or truncated XGBoost model: {error}.", hint="Copy it or save it again."
        ) from error


def _version(artifact: Artifact, document: Mapping[str, Any]) -> str:
    parts = document.get("version")
    if isinstance(parts, list) and len(parts) == 3 and all(type(part) is int and part >= 0 for part in parts):
        return ".".join(map(str, parts))
    raise UnsupportedModelError(
        f"{artifact.name} does not say which version of XGBoost wrote it, and an older one would answer wrong.",
        hint=AGAIN,
    )


def _reading(kind: str, version: str, learner: Mapping[str, Any], parameters: Mapping[str, Any]) -> Reading:
    booster = _table(learner, "gradient_booster")
    model = _table(booster, "model") or _table(_table(booster, "gbtree"), "model")
    attributes = _table(learner, "attributes")
    objective = str(_table(learner, "objective").get("name", ""))
    names, types = _texts(learner.get("feature_names")), _texts(learner.get("feature_types"))
    features, classes, targets = (_count(parameters, name) for name in ("num_feature", "num_class", "num_target"))
    categories, garbled = _categories(_table(model, "cats"), names)
    best = _best_round(attributes)
    options: dict[str, Any] = {"written_by": version}
    if categories:
        options["categories"] = categories
    if best and "scikit_learn" in attributes:
        options["rounds"] = best
    named = len(names) == features
    signature = Signature(
        _columns(names, types, categories) if named else (TensorSpec(ARRAY, "FP32", (-1, features or -1)),),
        _outputs(objective, classes, targets),
        columns=named,
    )
    facts = {
        "booster": str(booster.get("name", "")),
        "objective": objective,
        "features": str(features),
        "trees": str(_table(model, "gbtree_model_param").get("num_trees", "")),
        "best round": str(best or ""),
    }
    return Reading(
        kind,
        signature,
        version,
        findings=(*_remarks(best, used="rounds" in options), *map(_garbled, garbled)),
        options=options,
        metadata={key: value for key, value in facts.items() if value},
    )


def _best_round(attributes: Mapping[str, Any]) -> int:
    """How many rounds early stopping found best; 0 where it did not say."""
    text = str(attributes.get("best_iteration", ""))
    return int(text) + 1 if text.isdecimal() and len(text) < 10 else 0


def _remarks(best: int, *, used: bool) -> tuple[Finding, ...]:
    if not best:
        return ()
    if used:
        return (Finding("info", f"the first {best} rounds are used", "as XGBoost's scikit-learn interface does"),)
    what = f"all rounds are used, though early stopping found the first {best} best"
    return (Finding("info", what, "as Booster.predict does; slice the booster before it is saved to use only those"),)


def _garbled(name: str) -> Finding:
    what = f"{name!r} takes codes instead of the names of its categories"
    return Finding("review", what, "XGBoost's Python package writes names beyond ASCII cut at the wrong places")


# The signature. The engine computes the same from what the library says.


def _columns(
    names: tuple[str, ...], types: tuple[str, ...], categories: Mapping[str, list[Any]]
) -> tuple[TensorSpec, ...]:
    """XGBoost computes with 32-bit floats, so that all numbers are such."""
    kinds = dict(zip(names, types, strict=False))
    return tuple(_column(name, kinds.get(name, ""), categories.get(name, [])) for name in names)


def _column(name: str, kind: str, known: list[Any]) -> TensorSpec:
    if known:
        datatype = {str: "BYTES", int: "INT64"}.get(type(known[0]), "FP64")
        return TensorSpec(name, datatype, (-1,), optional=True, labels=tuple(map(str, known)))
    if kind == "i":
        return TensorSpec(name, "BOOL", (-1,), optional=True)
    return TensorSpec(name, "FP32", (-1,))


def _outputs(objective: str, classes: int, targets: int) -> tuple[TensorSpec, ...]:
    several = (targets,) if targets > 1 else ()
    labels = tuple(map(str, range(classes if classes > 1 else 2)))
    if objective == "multi:softprob" or (objective == "binary:logistic" and not several):
        return (
            TensorSpec("label", "INT64", (-1,), labels=labels),
            TensorSpec("probabilities", "FP32", (-1, len(labels)), labels=labels),
        )
    if objective == "binary:logistic":
        return (TensorSpec("label", "INT64", (-1, *several)), TensorSpec("probabilities", "FP32", (-1, *several)))
    if objective in {"multi:softmax", "binary:hinge"}:
        return (TensorSpec("label", "INT64", (-1, *several), labels=() if several else labels),)
    name = "score" if objective.startswith("rank:") or objective == "binary:logitraw" else "prediction"
    return (TensorSpec(name, "FP32", (-1, *several)),)


def _categories(container: Mapping[str, Any], names: tuple[str, ...]) -> tuple[dict[str, list[Any]], list[str]]:
    """The values of each column of categories, in the order of their codes, as XGBoost has kept them since 3.1; and the
    columns whose values cannot be trusted: its Python package counts characters where the format means bytes.
    """
    encoded = container.get("enc")
    if not isinstance(encoded, list) or len(encoded) != len(names):
        return {}, []
    found = {name: _values(_mapping(item)) for name, item in zip(names, encoded, strict=True)}
    garbled = [name for name, values in found.items() if any(isinstance(v, str) and not v.isascii() for v in values)]
    return {name: values for name, values in found.items() if values and name not in garbled}, garbled


def _values(item: Mapping[str, Any]) -> list[Any]:
    """Numbers as they are; strings one behind the other, with the places where each begins and ends."""
    values, offsets = item.get("values"), item.get("offsets")
    if not isinstance(values, list) or not all(isinstance(value, int | float) for value in values):
        return []
    if not isinstance(offsets, list):
        return values
    if not all(isinstance(place, int) for place in offsets):
        return []
    data = bytes(int(value) & 255 for value in values)
    pairs = zip(offsets, offsets[1:], strict=False)
    return [data[start:end].decode("utf-8", errors="replace") for start, end in pairs]


# Looking things up in what a damaged file may have put there.


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _table(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    return _mapping(value.get(key))


def _texts(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else ()


def _count(parameters: Mapping[str, Any], key: str) -> int:
    text = str(parameters.get(key, ""))
    return int(text) if text.isdecimal() and len(text) < 10 else 0
