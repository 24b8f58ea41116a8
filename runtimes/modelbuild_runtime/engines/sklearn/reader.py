"""What a scikit-learn file says of itself: who wrote it, what it would execute, what it needs. Nothing is unpickled."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

from modelbuild.artifact import Artifact
from modelbuild.errors import ArtifactError, UnsupportedModelError
from modelbuild.formats import archive
from modelbuild.handlers.distributions import is_stdlib, of_model
from modelbuild.pickles.objects import attributes, class_name, parts, values
from modelbuild.pickles.scan import EASIER_TO_LOAD, PickleScan, judge, judge_use, scan
from modelbuild.pickles.symbols import Blob, Global, Made, Use
from modelbuild.runtime import Finding, Reading, load_runtime

OLDEST = "0.24"
"""The oldest version with wheels for a Python that the server runs on."""

BROUGHT = frozenset({"sklearn", "numpy", "scipy", "joblib", "skops", "_loss"})
"""Modules that come with the runtime's own requirements (``_loss`` is a part of scikit-learn)."""

FRAMES = frozenset({"ColumnTransformer", "FunctionTransformer", "OneHotEncoder", "OrdinalEncoder", "TargetEncoder"})
"""Estimators that, where features have names, are given a data frame."""

_COLUMNS = re.compile(rb"feature_names\[#L(.{8})", re.DOTALL)

SHOWN = 30
NO_ESTIMATOR = frozenset(
    {"dict", "list", "tuple", "set", "str", "bytes", "int", "float", "NoneType", "ndarray", "DataFrame"}
)


def read(artifact: Artifact) -> Reading:
    """Read a joblib, pickle or skops file.

    Raises:
        ArtifactError: it is cut off or corrupt.
        UnsupportedModelError: its version of scikit-learn is too old for any image.
    """
    if artifact.is_folder:
        raise UnsupportedModelError(f"{artifact.name} is a folder.", hint="Give the model's file in it.")
    with artifact.source.open("rb") as file:
        is_zip = file.read(4) == archive.MAGIC
    return _read_skops(artifact) if is_zip else _read_pickle(artifact)


# Pickles.


def _read_pickle(artifact: Artifact) -> Reading:
    found = scan(artifact.source)
    if found.problem:
        raise ArtifactError(f"{artifact.name} cannot be read: {found.problem}.", hint=EASIER_TO_LOAD)
    policy = load_runtime(Path(__file__).parent).pickle
    version = _version(artifact, _pickled_versions(found))
    frame = _wants_frame(found)
    return Reading(
        format=_format(found),
        version=version,
        requirements=_requirements(version, found.modules, found.globals, frame=frame),
        findings=(*judge(found, policy), *_remarks(found, version)),
        system_packages=_system_packages(found.modules),
        metadata=_metadata(found),
    )


def _format(found: PickleScan) -> str:
    kind = "joblib" if found.arrays else "pickle"
    return f"{kind} ({found.compression})" if found.compression else kind


def _pickled_versions(found: PickleScan) -> list[str]:
    """The root's own version first: parts may have been fitted earlier."""
    own = attributes(found.root).get("_sklearn_version")
    return [str(item) for item in (own, *found.noted.get("_sklearn_version", ())) if isinstance(item, str)]


def _version(artifact: Artifact, stated: Iterable[str]) -> str:
    """The version that wrote the file, "" where it does not say or it cannot be installed.

    Raises:
        UnsupportedModelError: no image can have it.
    """
    for text in stated:
        try:
            version = Version(text)
        except InvalidVersion:
            continue
        if version.is_devrelease or version.local:
            continue
        if version < Version(OLDEST):
            raise UnsupportedModelError(
                f"{artifact.name} was written by scikit-learn {text}; {OLDEST} is the oldest that an image can have.",
                hint="Load it where it was trained and save it as ONNX (skl2onnx), or train it again.",
            )
        return str(version)
    return ""


def _wants_frame(found: PickleScan) -> bool:
    """Whether it was fitted on a data frame in a way that needs one again. Plain numbers are served without pandas."""
    if True in found.noted.get("_fitted_with_feature_names", ()) or any(map(_has_names, found.noted.get("handle", ()))):
        return True
    named = found.noted.get("feature_names_in_", [])
    if not named:
        return False
    names = {name for _, name in found.uses}
    foreign = any(not module.startswith(("sklearn.", "numpy", "joblib", "scipy")) for module, _ in _classes(found))
    # A plain pipeline keeps the names once, in its first step; elsewhere, or twice, somebody passes frames on.
    plain = len(named) == 1 and "feature_names_in_" in attributes(_first(found.root))
    plain = plain and "_sklearn_output_config" not in found.noted
    return foreign or not plain or bool(names & FRAMES) or any("Hist" in name for name in names)


def _has_names(handle: object) -> bool:
    """Whether this is an XGBoost booster (UBJSON in a bytearray) that knows its columns by name."""
    if not isinstance(handle, Made) or not isinstance(handle.by, Global) or handle.by.name != "bytearray":
        return False
    content = handle.arguments[0] if isinstance(handle.arguments, tuple) and handle.arguments else b""
    head = content.head if isinstance(content, Blob) else content
    count = _COLUMNS.search(head) if isinstance(head, bytes) else None
    return count is not None and any(count[1])


def _classes(found: PickleScan) -> Iterator[tuple[str, str]]:
    return ((module, name) for module, name in found.uses if not is_stdlib(module))


def _requirements(version: str, modules: Iterable[str], names: Iterable[str], *, frame: bool) -> tuple[str, ...]:
    wanted = ["pandas"] if frame else []
    if version and Version(version) < Version("1.3.2"):
        wanted.append("numpy<2")  # its wheels were built against numpy 1, and its metadata does not say so
    elif any(name.startswith("numpy._core.") for name in names):
        wanted.append("numpy>=2")
    if version and Version(version) < Version("1.1"):
        wanted.append("scipy<1.11")  # which dropped arguments that it passes
    wanted += [of_model(module) for module in sorted(modules) if module not in BROUGHT and not is_stdlib(module)]
    return tuple(dict.fromkeys(filter(None, wanted)))


def _system_packages(modules: Iterable[str]) -> tuple[str, ...]:
    """LightGBM's wheels are the ones that come without the library for their threads."""
    return ("libgomp1",) if "lightgbm" in modules else ()


def _remarks(found: PickleScan, version: str) -> Iterator[Finding]:
    if not version:
        yield Finding("info", "no version of scikit-learn", "the file does not say which one wrote it")
    others = {str(item) for item in found.noted.get("_sklearn_version", ())} - {version}
    if version and others:
        yield Finding("info", f"parts written by scikit-learn {', '.join(sorted(others))}", f"the whole by {version}")
    kind = class_name(found.root).rpartition(".")[2]
    if kind in NO_ESTIMATOR:
        yield Finding(
            "review", f"a {kind} instead of an estimator", "a handler with predict(model, inputs) must use it"
        )


def _metadata(found: PickleScan) -> dict[str, str]:
    root = found.root
    head = _first(root)
    names = values(attributes(head).get("feature_names_in_"))
    count = attributes(head).get("n_features_in_")
    classes = values(attributes(_last(root)).get("classes_"))
    facts = {
        "estimator": _described(root),
        "features": str(count) if isinstance(count, int) else "",
        "feature names": _listed(names),
        "classes": _listed(classes),
        "protocol": str(found.protocol),
    }
    return {key: value for key, value in facts.items() if value}


def _described(symbol: object, depth: int = 0) -> str:
    name = class_name(symbol).rpartition(".")[2]
    inner = [_described(part, depth + 1) for _, part in parts(symbol)] if depth < 3 else []
    inner = [item for item in inner if item not in {"str", "NoneType"}]
    return f"{name}({', '.join(inner)})" if inner else name


def _first(symbol: object) -> object:
    """What sees the features: the estimator, or a pipeline's first step."""
    steps = [step for _, step in parts(symbol)] if "steps" in attributes(symbol) else []
    return _first(steps[0]) if steps else symbol


def _last(symbol: object) -> object:
    """What answers: the estimator, or a pipeline's last step."""
    steps = [step for _, step in parts(symbol)] if "steps" in attributes(symbol) else []
    return steps[-1] if steps else symbol


def _listed(items: tuple[object, ...]) -> str:
    plain = [str(item) for item in items if isinstance(item, str | int | float)]
    return ", ".join(plain[:SHOWN]) + (", ..." if len(plain) > SHOWN else "")


# skops.


def _read_skops(artifact: Artifact) -> Reading:
    with archive.open_zip(artifact.source) as opened:
        if "schema.json" not in opened.namelist():
            raise ArtifactError(f"{artifact.name} is a zip archive without schema.json, and so no skops file.")
        schema = archive.read_member_json(opened, "schema.json")
    if not isinstance(schema, dict):
        raise ArtifactError(f"schema.json in {artifact.name} is no object.", hint="Save it again with skops.io.dump.")
    nodes = list(_nodes(schema))
    types = dict.fromkeys(name for node in nodes for name in _types(node))
    policy = load_runtime(Path(__file__).parent).pickle
    judged = {name: judge_use(*name, Use(0), policy) for name in types}
    version = _version(artifact, _skops_versions(nodes))
    modules = {module.partition(".")[0] for module, _ in types}
    named = any("feature_names_in_" in node["content"] for node in nodes if isinstance(node.get("content"), dict))
    wrote = schema.get("_skops_version", "")
    return Reading(
        format="skops",
        version=version,
        requirements=(_skops_requirement(str(wrote)), *_requirements(version, modules, (), frame=named)),
        findings=tuple(
            Finding(severity, f"{module}.{name}", "a type in schema.json")
            for (module, name), severity in judged.items()
            if severity
        ),
        system_packages=_system_packages(modules),
        options={
            "trusted": sorted(f"{module}.{name}" for (module, name), level in judged.items() if level != "danger")
        },
        metadata={"estimator": str(schema.get("__class__", "")), "skops": str(wrote)},
    )


def _skops_requirement(wrote: str) -> str:
    """Not older than what wrote the file, nor than the fixes of known holes."""
    try:
        version = Version(wrote)
    except InvalidVersion:
        return "skops>=0.13"
    return f"skops>={max(Version('0.13'), Version(version.base_version))}"


def _nodes(schema: dict[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every object of the document that describes a value."""
    pending: list[Any] = [schema]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            if "__loader__" in item or "__class__" in item:
                yield item
            pending += item.values()
        elif isinstance(item, list):
            pending += item


def _types(node: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The names that skops would import for a node."""
    module, name = str(node.get("__module__", "")), str(node.get("__class__", ""))
    yield module, name
    content = node.get("content")
    if node.get("__loader__") == "MethodNode" and isinstance(content, dict):
        yield module, f"{name}.{content.get('func', '')}"


def _skops_versions(nodes: Iterable[Mapping[str, Any]]) -> list[str]:
    """The root comes first."""
    found = []
    for node in nodes:
        content = node.get("content")
        if isinstance(content, dict) and isinstance(content.get("_sklearn_version"), dict):
            found.append(str(content["_sklearn_version"].get("content", "")).strip('"'))
    return found
