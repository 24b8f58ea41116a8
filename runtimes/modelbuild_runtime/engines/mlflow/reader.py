"""What an MLflow folder says of itself. The model inside is read by its own runtime's reader, where there is one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from modelbuild.artifact import Artifact, joined, part_of
from modelbuild.declaration import Runtime
from modelbuild.errors import ArtifactError, UnknownFormatError, UnsupportedModelError
from modelbuild.formats import archive
from modelbuild.formats.detect import detect
from modelbuild.formats.evidence import Evidence
from modelbuild.formats.mlflow_flavors import answer_of
from modelbuild.formats.mlflow_requirements import requirements_of
from modelbuild.formats.mlmodel import NAME, MlModel, Schema, read_mlmodel, text
from modelbuild.pickles.policy import PicklePolicy
from modelbuild.pickles.scan import judge
from modelbuild.runtime import Finding, Inside, Reading, builtin_runtimes
from modelbuild.runtime import read as read_with
from modelbuild.signature import Signature, TensorSpec

PLACES = ("pickled_model", "data", "model_path", "saved_model_dir", "model_data", "model_binary")
"""Under which names flavors tell where their model lies."""

OF_PYFUNC = ("sentence_transformers",)
"""Flavors that leave it to python_function to say so."""

COMPONENTS = "components"
"""The folder in which the flavor of Transformers keeps what belongs beside the model: a tokenizer, an image processor,
each in a folder of its own.
"""

PICKLED = ("sklearn", "statsmodels")
"""Runtimes whose artifacts are bound to the Python that wrote them, as modules are that PyTorch pickled whole."""


CHOICES = {"signature_def_key": "signature"}
"""What flavors say of how their model is served, and the options of runtimes that say it."""

FROM_A_FILE = "saved from a file (python_model='model.py') it could be read"
OF_CLOUDPICKLE = ("cloudpickle.", "builtins.type", "types.", "a call of something that is made while loading")
"""What is in every pickle of code."""


class Found(NamedTuple):
    """The model inside: its flavor's name, where it lies in the folder, its runtime, and what that reads of it."""

    flavor: str
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
    lines = tuple(requirements_of(artifact.source))
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
        for path in _paths(artifact, model.pyfunc if name in OF_PYFUNC else flavor):
            part, beside = _with_components(artifact, part_of(artifact, path), path)
            try:
                runtime = detect(part, runtimes)
                reading = read_with(runtime, part, {**_choices(flavor, runtime), **chosen})
            except (UnknownFormatError, UnsupportedModelError):
                continue  # MLflow may know how to load it
            alone = not (reading.prepare or reading.companions or reading.folder or reading.needs)
            if alone and not runtime.handler_predicts:
                return Found(name, path, runtime, replace(reading, options={**reading.options, **beside}))
    return None


def _with_components(artifact: Artifact, part: Artifact, path: str) -> tuple[Artifact, dict[str, str]]:
    """A folder with what lies elsewhere, and the option that says where its tokenizer is."""
    found = {PurePosixPath(file.path).parts[1] for file in artifact.files if file.path.startswith(f"{COMPONENTS}/")}
    if not part.is_folder or path.startswith(COMPONENTS):
        return part, {}
    for name in sorted(found):
        part = joined(part, part_of(artifact, f"{COMPONENTS}/{name}"))
    up = "../" * len(PurePosixPath(path).parts)
    return part, {"tokenizer": f"{up}{COMPONENTS}/tokenizer"} if "tokenizer" in found else {}


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
    inner, declared = found.reading, _named(model.inputs)
    answer = answer_of(model, found.flavor, found.runtime.name, inner)
    if not answer or not _fits(declared, model.inputs, inner.signature):
        return None
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
    bound = found.runtime.name in PICKLED or inner.options.get("pickled")
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
            python=f"=={model.python}.*" if model.python and bound else "",
            unused=tuple(f"{found.path}/{path}" for path in inner.unused),
            name=model.name,
            model_version=model.version,
            options=options,
            metadata={**inner.metadata, **_metadata(model)},
        ),
    )


def _fits(declared: tuple[TensorSpec, ...], schema: Schema, inner: Signature) -> bool:
    """Whether the runtime can be given what MLflow's signature names, as far as it is known yet."""
    if any(kind in {"datetime", "binary"} for kind in schema.types) or any(
        len(s.shape) > 1 for s in declared if schema.columns
    ):
        return False
    if schema.types and not declared:
        lone = schema.columns and len(schema.specs) == 1  # a column without a name is whatever comes
        return lone and len(inner.inputs) == 1
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
        "params": ", ".join(str(item["name"]) for item in model.params),
    }
    return {key: value for key, value in facts.items() if value}
