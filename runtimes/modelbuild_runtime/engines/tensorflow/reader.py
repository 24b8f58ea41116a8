"""What a SavedModel says of itself, read from its graph file: no TensorFlow, no copy of its weights."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from packaging.version import InvalidVersion, Version

from modelbuild.artifact import Artifact, folder_in
from modelbuild.errors import ArtifactError, UnsupportedModelError
from modelbuild.formats.protobuf import WireError, mapped
from modelbuild.formats.saved_model import INIT, TRAIN, VARIABLES, MetaGraph, SignatureDef, Tensor, read_saved_model
from modelbuild.runtime import Finding, Reading
from modelbuild.signature import Signature, TensorSpec

GRAPH = "saved_model.pb"
PREFERRED = "serving_default"
PREDICT = "tensorflow/serving/predict"
SERVE = "serve"
DATATYPES = {
    1: "FP32",
    2: "FP64",
    3: "INT32",
    4: "UINT8",
    5: "INT16",
    6: "INT8",
    7: "BYTES",
    9: "INT64",
    10: "BOOL",
    14: "FP32",  # bfloat16, of which FP32 is the wider form: numpy has none
    17: "UINT16",
    19: "FP16",
    22: "UINT32",
    23: "UINT64",
}
OTHER_TYPES = {8: "complex64", 18: "complex128", 20: "resource", 21: "variant"}
FILES = frozenset({"MatchingFiles", "ReadFile", "WriteFile", "DebugIdentity", "DebugIdentityV2", "DebugIdentityV3"})
"""Operators with which a graph reads, writes or sends what is none of its business. Those that restore weights and read
vocabularies are others.
"""
PYTHON = frozenset({"PyFunc", "PyFuncStateless", "EagerPyFunc"})
"""Operators that call a Python function of the process that made the graph."""
PACKAGES = {
    "tensorflow_text": re.compile(
        r"(Sentencepiece|Wordpiece|FastWordpiece|FastBertNormalize|RegexSplit|CaseFold|NormalizeUTF8|TFText).*"
    ),
    "tensorflow_decision_forests": re.compile(r"SimpleML.*"),
    "tensorflow_ranking": re.compile(r"Ranking.*"),
}
"""Packages that bring operators of their own, and what those are called."""


def read(artifact: Artifact, chosen: Mapping[str, str]) -> Reading:
    """Read a SavedModel, or the newest of several versions of one. ``chosen`` may hold the ``signature`` to serve.

    Raises:
        ArtifactError: it is cut off or corrupt, or files are missing.
        UnsupportedModelError: it has no signature that can be served.
    """
    if not artifact.is_folder:
        raise UnsupportedModelError(f"{artifact.name} is a file.", hint=f"Give the folder that {GRAPH} is in.")
    version = _newest(artifact)
    model = folder_in(artifact, version) if version else artifact
    file = next((file for file in model.files if file.path == GRAPH), None)
    if file is None:
        raise ArtifactError(f"{artifact.name} has no {GRAPH}.", hint="Give the folder that the model was saved to.")
    try:
        with mapped(file.source) as buffer:
            graphs = read_saved_model(buffer)
    except WireError as error:
        raise ArtifactError(
            f"{GRAPH} in {artifact.name} is corrupt or truncated: {error}.", hint="Copy it or export it again."
        ) from error
    graph = _served(artifact, graphs)
    _check(model, graph)
    signature = _chosen(artifact, graph, chosen.get("signature", ""))
    number = version or (model.name if model.name.isdigit() else "")
    return Reading(
        format="savedmodel",
        signature=_signature(artifact, signature),
        version=_version(graph),
        folder=version,
        name=(artifact.name if version else artifact.source.parent.name) if number else "",
        model_version=str(int(number)) if number else "",
        findings=tuple(_findings(graph)),
        options={"signature": signature.key, "tags": list(graph.tags)},
        metadata=_metadata(graph, signature),
    )


def _newest(artifact: Artifact) -> str:
    """The folder of the highest version, where they are what the artifact holds: TensorFlow Serving takes that, too."""
    paths = [file.path for file in artifact.files]
    if GRAPH in paths:
        return ""
    versions = [path.partition("/")[0] for path in paths if path.count("/") == 1 and path.endswith(f"/{GRAPH}")]
    return max((name for name in versions if name.isdigit()), key=int, default="")


def _served(artifact: Artifact, graphs: tuple[MetaGraph, ...]) -> MetaGraph:
    """The graph for serving: the one tagged so and nothing else, or the only one."""
    exact = [graph for graph in graphs if graph.tags == (SERVE,)]
    if exact or len(graphs) == 1:
        return (exact or list(graphs))[0]
    found = "; ".join(", ".join(graph.tags) for graph in graphs) or "none"
    raise UnsupportedModelError(
        f"{artifact.name} has no graph that is tagged {SERVE!r} alone (it has: {found}).",
        hint="Export the model for serving on a CPU.",
    )


# What is missing, and what cannot be served.


def _check(model: Artifact, graph: MetaGraph) -> None:
    paths = {file.path for file in model.files}
    missing = [f"assets/{name}" for name in graph.assets if f"assets/{name}" not in paths]
    shards = [path for path in paths if path.startswith("variables/variables.data-")]
    if graph.operators & VARIABLES:
        missing += [] if "variables/variables.index" in paths else ["variables/variables.index"]
        missing += [] if shards else ["variables/variables.data-00000-of-00001"]
    for path in shards[:1]:
        stem, _, count = path.rpartition("-of-")
        if count.isdigit() and int(count) <= len(paths) + 1000:
            wanted = (f"{stem[:-5]}{number:05d}-of-{count}" for number in range(int(count)))
            missing += [name for name in wanted if name not in paths]
    if missing:
        raise ArtifactError(
            f"{model.name} lacks {', '.join(sorted(missing)[:3])}, which {GRAPH} refers to.",
            hint="Copy the whole folder: its files belong together.",
        )
    python = sorted(graph.operators & PYTHON)
    if python:
        raise UnsupportedModelError(
            f"{model.name} calls a Python function ({', '.join(python)}), which is not in a SavedModel.",
            hint="Write it with TensorFlow's operators, or do its work in a handler, and export the model again.",
        )


def _chosen(artifact: Artifact, graph: MetaGraph, wanted: str) -> SignatureDef:
    """The signature that is served: the one wanted, or serving_default, or the only one, or the only one for
    predictions.
    """
    usable = [item for item in graph.signatures if item.key not in {INIT, TRAIN} and item.inputs and item.outputs]
    default = [item for item in usable if item.key == PREFERRED]
    predicting = [item for item in usable if item.method == PREDICT]
    if wanted:
        named = [item for item in usable if item.key == wanted]
        if named:
            return named[0]
        raise UnsupportedModelError(
            f"{artifact.name} has no signature {wanted!r} that could be served.",
            hint=f"It has these: {', '.join(item.key for item in usable) or 'none'}.",
        )
    for found in (default, usable, predicting):
        if len(found) == 1:
            return found[0]
    if usable:
        raise UnsupportedModelError(
            f"{artifact.name} has the signatures {', '.join(item.key for item in usable)}, and none is called "
            f"{PREFERRED!r}.",
            hint=f"Choose one with --runtime-option signature={usable[0].key}.",
        )
    raise UnsupportedModelError(
        f"{artifact.name} has no signature, and so no names for its inputs.",
        hint="Save it with tf.saved_model.save(model, folder, signatures=...), or with model.export(folder) in Keras.",
    )


def _findings(graph: MetaGraph) -> Iterator[Finding]:
    for name in sorted(graph.operators & FILES):
        yield Finding("danger", name, "an operator that reads or writes files")
    for package, pattern in PACKAGES.items():
        names = sorted(name for name in graph.operators if pattern.fullmatch(name))
        if names:
            yield Finding(
                "review",
                f"operators of {package}",
                f"{', '.join(names[:3])}: import {package} in a handler, and require it",
            )


# The signature.


def _signature(artifact: Artifact, chosen: SignatureDef) -> Signature:
    """A side of which a shape is not told is left to the server: the graph itself shows it."""
    ports = (*chosen.inputs, *chosen.outputs)
    rows = all(port.shape is not None and port.shape[:1] == (1,) for port in ports)
    inputs = tuple(_spec(artifact, port, "input", rows=rows) for port in chosen.inputs)
    outputs = tuple(_spec(artifact, port, "output", rows=rows) for port in chosen.outputs)
    return Signature(
        inputs if all(port.shape is not None for port in chosen.inputs) else (),
        outputs if all(port.shape is not None for port in chosen.outputs) else (),
    )


def _spec(artifact: Artifact, port: Tensor, what: str, *, rows: bool) -> TensorSpec:
    if not port.dense or port.datatype not in DATATYPES:
        kind = OTHER_TYPES.get(port.datatype, f"of type {port.datatype}") if port.dense else "sparse or composite"
        raise UnsupportedModelError(
            f"The {what} {port.name!r} of {artifact.name} is {kind}, which no protocol can carry.",
            hint="Export the model with dense tensors of numbers or strings.",
        )
    shape = port.shape or ()
    return TensorSpec(port.name, DATATYPES[port.datatype], (-1, *shape[1:]) if rows else shape)


def _version(graph: MetaGraph) -> str:
    """The release that wrote it. A candidate or a nightly counts as what it became."""
    try:
        return Version(graph.version).base_version
    except InvalidVersion:
        return ""


def _metadata(graph: MetaGraph, signature: SignatureDef) -> dict[str, str]:
    others = [item.key for item in graph.signatures if item.key not in {INIT, TRAIN, signature.key}]
    facts = {
        "tags": ", ".join(graph.tags),
        "signature": signature.key,
        "other signatures": ", ".join(others),
        "written by": f"TensorFlow {graph.version}" if graph.version else "",
        "kind": "TensorFlow 2 functions" if graph.has_objects else "TensorFlow 1 graph",
    }
    return {name: value for name, value in facts.items() if value}
