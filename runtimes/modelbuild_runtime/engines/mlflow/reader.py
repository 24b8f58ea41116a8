"""What an MLflow folder says of itself. The model inside is read by its own runtime's reader, where there is one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from modelbuild.artifact import Artifact, part_of
from modelbuild.declaration import Runtime
from modelbuild.errors import ArtifactError, UnknownFormatError, UnsupportedModelError
from modelbuild.formats import archive
from modelbuild.formats.detect import detect
from modelbuild.formats.evidence import Evidence
from modelbuild.formats.mlmodel import NAME, MlModel, Schema, read_mlmodel, requirement_lines, text
from modelbuild.pickles.policy import PicklePolicy
from modelbuild.pickles.scan import judge
from modelbuild.runtime import Finding, Inside, Reading, builtin_runtimes
from modelbuild.runtime import read as read_with
from modelbuild.signature import Signature, TensorSpec

PLACES = ("pickled_model", "data", "model_path", "saved_model_dir", "model_data")
"""Under which names flavors tell where their model lies."""

SMALLER = {"mlflow": "mlflow-skinny", "xgboost": "xgboost-cpu", "tensorflow": "tensorflow-cpu"}
"""Distributions that bring the same modules with less around them: no tracking server, nothing for GPUs."""

PICKLED = ("sklearn", "statsmodels")
"""Runtimes whose artifacts are bound to the Python that wrote them."""


TENSORS = ("onnx", "keras", "tensorflow")
"""Runtimes all of whose outputs MLflow answers."""

PROGRAMS = ("torchscript", "torch.export")
"""What PyTorch's flavor may hold beside modules that were pickled whole, which stay with MLflow."""

CHOICES = {"signature_def_key": "signature"}
"""What flavors say of how their model is served, and the options of runtimes that say it."""

REGRESSIONS = {
    *("OLS", "WLS", "GLS", "GLSAR", "GLM", "RLM", "QuantReg"),
    *("Logit", "Probit", "Poisson", "NegativeBinomial", "GeneralizedPoisson"),
}
"""Models of statsmodels whose answer is one number a row. Of several classes MLflow answers a frame; of a time series
it wants to know the dates.
"""


FROM_A_FILE = "saved from a file (python_model='model.py') it could be read"
OF_CLOUDPICKLE = ("cloudpickle.", "builtins.type", "types.", "a call of something that is made while loading")
"""What is in every pickle of code."""


class Found(NamedTuple):
    """The model inside: its flavor, where it lies in the folder, its runtime, and what that reads of it."""

    flavor: Mapping[str, Any]
    path: str
    runtime: Runtime
    reading: Reading


def read(artifact: Artifact, chosen: Mapping[str, Any]) -> Reading:
    """Read a folder that MLflow's save_model or log_model wrote. ``chosen`` are options of the runtime of the model
    inside.

    Raises:
        ArtifactError: MLmodel is missing or cannot be read.
        UnsupportedModelError: it has no flavor that could be loaded.
    """
    if not artifact.is_folder or all(file.path != NAME for file in artifact.files):
        raise UnsupportedModelError(f"{artifact.name} is no MLflow folder.", hint=f"Give the folder that {NAME} is in.")
    model = read_mlmodel(artifact.source)
    lines = tuple(_requirements(artifact))
    found = _found(artifact, model, chosen)
    inside = _inside(model, found, lines) if found else None
    if not model.pyfunc and inside is None:
        flavors = ", ".join(model.flavors) or "none"
        raise UnsupportedModelError(
            f"{artifact.name} has no flavor that can be served (it has: {flavors}).",
            hint="Save it with a flavor that MLflow can load as a python_function.",
        )
    facts = _metadata(model)
    return Reading(
        format="MLflow python_function",
        signature=Signature(_named(model.inputs), columns=model.inputs.columns),
        version=model.mlflow_version,
        requirements=lines,
        python=f"=={model.python}.*" if model.python else "",
        name=model.name,
        model_version=model.version,
        findings=tuple(_findings(artifact)),
        metadata=facts,
        inside=inside,
    )


# The model inside.


def _found(artifact: Artifact, model: MlModel, chosen: Mapping[str, Any]) -> Found | None:
    """The flavor that a runtime here takes, if the model is nothing but that."""
    runtimes = [runtime for runtime in builtin_runtimes() if runtime.name != "mlflow"]
    for name, flavor in model.flavors.items():
        if name == "python_function" or text(flavor.get("code")) or text(model.pyfunc.get("code")):
            continue
        for path in _paths(artifact, flavor):
            part = part_of(artifact, path)
            try:
                runtime = detect(part, runtimes)
                reading = read_with(runtime, part, {**_choices(flavor, runtime), **chosen})
            except (UnknownFormatError, UnsupportedModelError):
                continue  # MLflow may know how to load it
            alone = not (reading.prepare or reading.companions or reading.folder or reading.needs)
            if alone and not runtime.handler_predicts:
                return Found(flavor, path, runtime, reading)
    return None


def _choices(flavor: Mapping[str, Any], runtime: Runtime) -> dict[str, str]:
    """The options that a flavor sets, as far as the runtime has them."""
    told = {option: text(flavor.get(key)) for key, option in CHOICES.items() if option in runtime.options}
    return {option: value for option, value in told.items() if value}


def _paths(artifact: Artifact, flavor: Mapping[str, Any]) -> Iterator[str]:
    """Where it may lie: what the flavor says, and what is in the folder that it says."""
    names = {file.path for file in artifact.files}
    folders = {str(folder) for name in names for folder in PurePosixPath(name).parents}
    for key in PLACES:
        path = text(flavor.get(key)).strip("/")
        if path in names:
            yield path
        elif path in folders and path != ".":
            yield path
            inner = {
                f"{path}/{name.removeprefix(f'{path}/').partition('/')[0]}"
                for name in names
                if name.startswith(f"{path}/")
            }
            yield from sorted(inner)


def _inside(model: MlModel, found: Found, lines: tuple[str, ...]) -> Inside | None:
    """The whole as the runtime of what is inside serves it; None where it would not answer what MLflow answers."""
    answer = _answer(found, model)
    declared = _named(model.inputs)
    if not answer or not _fits(declared, model.inputs, found.reading.signature):
        return None
    if model.inputs.types and not declared:
        return None
    inner = found.reading
    wanted = {canonicalize_name(Requirement(item).name) for item in (*found.runtime.requirements, *inner.requirements)}
    pins = [line for line in lines if canonicalize_name(Requirement(line).name) in wanted]
    if found.runtime.pin and inner.version:
        pins = [line for line in pins if canonicalize_name(Requirement(line).name) != found.runtime.package]
    options: dict[str, Any] = {
        "runtime": found.runtime.name,
        "path": found.path,
        "options": dict(inner.options),
        "answer": answer,
    }
    if [spec.shape for spec in model.outputs.specs] == [(-1, 1)]:
        options["wide"] = True
    return Inside(
        found.runtime.name,
        replace(
            inner,
            format=f"MLflow, {inner.format}",
            signature=Signature(
                declared or inner.signature.inputs,
                inner.signature.outputs if answer == "all" else (),
                columns=model.inputs.columns if declared else inner.signature.columns,
            ),
            requirements=(*inner.requirements, *pins),
            python=f"=={model.python}.*" if model.python and found.runtime.name in PICKLED else "",
            name=model.name,
            model_version=model.version,
            options=options,
            metadata={**inner.metadata, **_metadata(model)},
        ),
    )


def _answer(found: Found, model: MlModel) -> str:
    """Which output of the runtime MLflow's python_function answers: "first", "probabilities", "booster" (a booster's
    own answer: the probability of the second class, or of each) or "all"; "" where it answers something else. Without
    a python_function MLflow answers nothing that would have to be met.
    """
    if not model.pyfunc:
        return "all"
    name = found.runtime.name
    kind = text(found.flavor.get("model_class")) or text(found.flavor.get("model_type"))
    kind = kind.rpartition(".")[2]
    if name == "sklearn":
        method = text(model.pyfunc.get("predict_fn")) or "predict"
        return {"predict": "first", "predict_proba": "probabilities"}.get(method, "")
    if name in {"xgboost", "lightgbm"}:
        return "booster" if kind in {"", "Booster"} else "first"
    if name == "catboost":
        return "first" if kind in {"CatBoostClassifier", "CatBoostRegressor"} else ""
    if name == "statsmodels":
        return "first" if found.reading.metadata.get("model") in REGRESSIONS else ""
    if name == "pytorch":
        # To a frame MLflow answers one, whose columns are numbers.
        return "all" if found.reading.format in PROGRAMS and not model.inputs.columns else ""
    tags = found.flavor.get("meta_graph_tags")
    if tags and tags != found.reading.options.get("tags"):
        return ""
    return "all" if name in TENSORS else ""


def _fits(declared: tuple[TensorSpec, ...], schema: Schema, inner: Signature) -> bool:
    """Whether the runtime can be given what MLflow's signature names, as far as it is known yet."""
    if any(kind in {"datetime", "binary"} for kind in schema.types) or any(
        len(s.shape) > 1 for s in declared if schema.columns
    ):
        return False
    if not declared or not inner.inputs or {spec.name for spec in declared} >= {spec.name for spec in inner.inputs}:
        return True
    if len(inner.inputs) == 1:
        width = inner.inputs[0].shape[-1]
        return len(declared) == 1 or (schema.columns and width in {-1, len(declared)})
    return len(declared) == 1 and declared[0].shape[1:] == (len(inner.inputs),)


def _named(schema: Schema) -> tuple[TensorSpec, ...]:
    """The inputs; a single tensor without a name gets one, of columns without names nothing is said."""
    if len(schema.specs) == 1 and not schema.columns and not schema.specs[0].name:
        return (replace(schema.specs[0], name="input"),)
    return schema.specs if all(spec.name for spec in schema.specs) else ()


# Around it.


def _requirements(artifact: Artifact) -> Iterator[str]:
    """Requirements that an image can have, by the smaller of two names."""
    for line in requirement_lines(artifact.source):
        # A build of the machine that saved it (torch==2.8.0+cu128) says what was there, not what the model needs.
        plain = re.sub(r"(==\s*[\w.]+)\+[\w.]+", r"\1", re.sub(r"(^|\s)#.*$", "", line).strip())
        if not plain or plain.startswith("-"):
            continue
        try:
            wanted = Requirement(plain)
        except InvalidRequirement as error:
            raise ArtifactError(
                f"{artifact.name} requires {plain!r}, which is no requirement that can be installed.",
                hint="Write NAME==VERSION into its requirements.txt; what is on no index needs --find-links.",
            ) from error
        smaller = SMALLER.get(canonicalize_name(wanted.name))
        yield f"{smaller}{wanted.specifier}{f'; {wanted.marker}' if wanted.marker else ''}" if smaller else str(wanted)


def _findings(artifact: Artifact) -> Iterator[Finding]:
    """Every pickle in the folder: a python_function may load any of them. One that cloudpickle wrote by value holds the
    code of functions and classes, which cannot be judged by the names that it calls to make them.
    """
    policy, runtimes = PicklePolicy(), [runtime for runtime in builtin_runtimes() if runtime.name != "mlflow"]
    for runtime in builtin_runtimes():
        policy |= runtime.pickle
    for file in artifact.files:
        part = part_of(artifact, file.path)
        evidence = Evidence(part)
        if evidence.pickle:
            findings = judge(evidence.pickle, policy)
            if "cloudpickle" in evidence.pickle.modules:
                yield Finding("danger", "code that was pickled with the model", f"{file.path}; {FROM_A_FILE}")
                findings = tuple(item for item in findings if not item.what.startswith(OF_CLOUDPICKLE))
            for finding in findings:
                yield replace(finding, where=f"{file.path}, {finding.where}")
        elif evidence.head.startswith(archive.MAGIC) and any(name.endswith("/data.pkl") for name in evidence.members):
            yield from _archived(part, file.path, runtimes)


def _archived(part: Artifact, path: str, runtimes: list[Runtime]) -> tuple[Finding, ...]:
    """An archive with a pickle in it, as PyTorch writes them, is judged by the runtime that takes it."""
    try:
        found = read_with(detect(part, runtimes), part).findings
    except (ArtifactError, UnknownFormatError, UnsupportedModelError) as error:
        return (Finding("danger", "a pickle in an archive", f"{path}: {error.message}"),)
    return tuple(replace(finding, where=f"{path}, {finding.where}") for finding in found)


def _metadata(model: MlModel) -> dict[str, str]:
    facts = {
        "flavors": ", ".join(model.flavors),
        "saved by": " ".join(
            filter(
                None,
                (
                    f"MLflow {model.mlflow_version}" if model.mlflow_version else "",
                    f"Python {model.python}" if model.python else "",
                ),
            )
        ),
        "loader": text(model.pyfunc.get("loader_module")),
    }
    return {key: value for key, value in facts.items() if value}
