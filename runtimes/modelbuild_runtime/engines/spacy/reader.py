"""What a spaCy pipeline says of itself: its meta.json and its config.cfg. spaCy is not needed."""

from __future__ import annotations

import configparser
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

from modelbuild.artifact import Artifact, folder_in
from modelbuild.errors import ArtifactError, UnsupportedModelError
from modelbuild.runtime import Finding, Reading
from modelbuild.signature import Signature, TensorSpec

CONFIG, META = "config.cfg", "meta.json"
LARGEST = 1 << 24
AGAIN = "Copy the whole folder again, or save it with nlp.to_disk(folder)."

CATEGORIES = frozenset({"textcat", "textcat_multilabel"})
ENTITIES = frozenset({"ner", "beam_ner", "entity_ruler", "future_entity_ruler", "entity_linker"})
SPANS = frozenset({"spancat", "spancat_singlelabel", "span_ruler", "span_finder"})
SENTENCES = frozenset({"parser", "beam_parser", "senter", "sentencizer"})
TOKENS = frozenset(
    {"tagger", "morphologizer", "attribute_ruler", "lemmatizer", "trainable_lemmatizer", "parser", "beam_parser"}
)
"""What each factory's component writes on a document. The engine has the same names."""

TRAINED = (CATEGORIES | SENTENCES | TOKENS | SPANS | {"ner", "beam_ner", "tok2vec", "entity_linker"}) - {
    "sentencizer",
    "span_ruler",
    "attribute_ruler",
    "lemmatizer",
}
"""Factories whose components keep weights in a file called model."""

OTHERS = frozenset(
    {"doc_cleaner", "merge_entities", "merge_noun_chunks", "merge_subtokens", "nn_labeller", "span_cleaner"}
    | {"token_splitter"}
)
BROUGHT = CATEGORIES | ENTITIES | SPANS | SENTENCES | TOKENS | TRAINED | OTHERS
"""The factories of spaCy itself."""

PLUGINS = {"transformer": "spacy-transformers", "curated_transformer": "spacy-curated-transformers"}
LANGUAGES = {
    "ja": ("sudachipy>=0.5.2", "sudachidict-core"),
    "ru": ("pymorphy3", "pymorphy3-dicts-ru"),
    "th": ("pythainlp",),
    "uk": ("pymorphy3", "pymorphy3-dicts-uk"),
    "vi": ("pyvi",),
}
"""What spaCy's support of a language asks for when it is loaded."""

OF_THINC = frozenset({"@layers", "@initializers", "@optimizers", "@schedules", "@losses", "@ops"})


@dataclass(frozen=True, slots=True)
class Pipe:
    """A component that runs: its name in the pipeline, its factory, and the labels that it gives."""

    name: str
    factory: str
    labels: tuple[str, ...]


def read(artifact: Artifact, chosen: Mapping[str, Any]) -> Reading:
    """Read a pipeline's folder, or one around it. ``chosen`` may hold ``exclude``, names of components.

    Raises:
        ArtifactError: it is cut off or corrupt, or files are missing.
        UnsupportedModelError: it was made by spaCy 2, or there are several.
    """
    if not artifact.is_folder:
        raise UnsupportedModelError(f"{artifact.name} is a file.", hint=f"Give the folder that {CONFIG} is in.")
    folder = _folder(artifact)
    model = folder_in(artifact, folder) if folder else artifact
    meta = _meta(model)
    spec = _spec(meta)
    if not any(file.path == CONFIG for file in model.files):
        raise UnsupportedModelError(
            f"{artifact.name} is a pipeline of spaCy {spec or 2}, and only those of spaCy 3 can be loaded.",
            hint="Train it again with spaCy 3, or fetch the pipeline of that name for it.",
        )
    config = _config(model)
    excluded = [name.strip() for name in str(chosen.get("exclude", "")).split(",") if name.strip()]
    pipes = tuple(pipe for pipe in _pipes(model, config, meta) if pipe.name not in excluded)
    _check(model, pipes)
    return Reading(
        format="spacy",
        signature=_signature(pipes),
        version=_lowest(spec),
        requirements=tuple(dict.fromkeys(_requirements(config, meta, spec, pipes))),
        folder=folder,
        name=f"{meta['lang']}_{meta['name']}" if meta.get("name") not in {None, "", "pipeline"} else "",
        findings=tuple(dict.fromkeys((*_findings(config, pipes), *_code(artifact, folder)))),
        metadata=_metadata(meta, pipes, spec),
    )


def _folder(artifact: Artifact) -> str:
    """Where in the folder the pipeline is; "" where it is all of it."""
    paths = {file.path for file in artifact.files}
    if META in paths and (CONFIG in paths or "vocab/strings.json" in paths):
        return ""
    found = [path[: -len(CONFIG) - 1] for path in sorted(paths) if path.endswith(f"/{CONFIG}")]
    found = [folder for folder in found if f"{folder}/{META}" in paths]
    if len(found) == 1:
        return found[0]
    raise UnsupportedModelError(
        f"{artifact.name} holds {len(found)} spaCy pipelines: {', '.join(found[:5])}.",
        hint=f"Give the folder of one: {artifact.source / (found[0] if found else '')}",
    )


def _text(artifact: Artifact, name: str) -> str:
    file = next(file for file in artifact.files if file.path == name)
    if file.size > LARGEST:
        raise ArtifactError(f"{name} in {artifact.name} has {file.size >> 20} MiB, which none has.", hint=AGAIN)
    try:
        return file.source.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ArtifactError(f"{name} in {artifact.name} is no text: {error}.", hint=AGAIN) from error


def _meta(artifact: Artifact) -> dict[str, Any]:
    try:
        meta = json.loads(_text(artifact, META))
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{META} in {artifact.name} is no JSON: {error}.", hint=AGAIN) from error
    if not isinstance(meta, dict) or not isinstance(meta.get("lang"), str):
        raise ArtifactError(f"{META} in {artifact.name} does not say the language of a pipeline.", hint=AGAIN)
    return meta


def _config(artifact: Artifact) -> Mapping[str, Mapping[str, Any]]:
    """Sections by name; values that are JSON as what they say, others as they are."""
    parser = configparser.RawConfigParser(delimiters=("=",), comment_prefixes=("#",), strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names differ by case
    try:
        parser.read_string(_text(artifact, CONFIG))
    except configparser.Error as error:
        reason = str(error).splitlines()[0]
        raise ArtifactError(f"{CONFIG} in {artifact.name} is no configuration: {reason}", hint=AGAIN) from error
    return {name: {key: _value(text) for key, text in parser.items(name)} for name in parser.sections()}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _pipes(artifact: Artifact, config: Mapping[str, Mapping[str, Any]], meta: Mapping[str, Any]) -> tuple[Pipe, ...]:
    nlp = config.get("nlp", {})
    names, disabled, labels = nlp.get("pipeline"), nlp.get("disabled") or [], meta.get("labels")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ArtifactError(f"{CONFIG} in {artifact.name} lists no pipeline in [nlp].", hint=AGAIN)
    given = labels if isinstance(labels, dict) else {}
    return tuple(
        Pipe(name, str(config.get(f"components.{name}", {}).get("factory", "")), _labels(given.get(name)))
        for name in names
        if name not in disabled
    )


def _labels(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else ()


def _check(artifact: Artifact, pipes: tuple[Pipe, ...]) -> None:
    paths = {file.path for file in artifact.files}
    wanted = [f"{pipe.name}/model" for pipe in pipes if pipe.factory in TRAINED]
    missing = [path for path in ("tokenizer", *wanted) if path not in paths]
    if missing:
        raise ArtifactError(
            f"{artifact.name} lacks {', '.join(missing[:3])}, which its {CONFIG} refers to.",
            hint="Copy the whole folder: its files belong together.",
        )


# What it needs.


def _spec(meta: Mapping[str, Any]) -> str:
    """The versions of spaCy that it is for, as a specifier; "" where it does not say."""
    try:
        return str(SpecifierSet(str(meta.get("spacy_version", ""))))
    except InvalidSpecifier:
        return ""


def _lowest(spec: str) -> str:
    """The version that wrote it: the lowest that it takes."""
    found = [item.version.removesuffix(".*") for item in SpecifierSet(spec) if item.operator in {">=", "==", "~="}]
    return min(found, key=Version, default="")


def _requirements(
    config: Mapping[str, Mapping[str, Any]], meta: Mapping[str, Any], spec: str, pipes: tuple[Pipe, ...]
) -> Iterator[str]:
    if spec:
        yield f"spacy{spec}"
        lowest = _lowest(spec)
        if lowest and Version(lowest) < Version("3.8") and not SpecifierSet(spec).contains("3.8.99"):
            yield "numpy<2"  # its wheels were built for it, and it does not say so
    listed = meta.get("requirements")
    yield from filter(None, map(_requirement, listed if isinstance(listed, list) else ()))
    yield from (PLUGINS[pipe.factory] for pipe in pipes if pipe.factory in PLUGINS)
    yield from (name.partition(".")[0] for _, name in _functions(config) if name.startswith("spacy-"))
    yield from LANGUAGES.get(str(meta["lang"]), ())


def _requirement(text: object) -> str:
    """A requirement in its usual form; "" where it is none."""
    try:
        return str(Requirement(str(text)))
    except InvalidRequirement:
        return ""


def _functions(config: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """The registered functions that loading calls: the registry, and the name in it."""
    for section, values in config.items():
        if section.partition(".")[0] in {"nlp", "components"}:
            yield from ((key, str(value)) for key, value in values.items() if key.startswith("@"))


def _findings(config: Mapping[str, Mapping[str, Any]], pipes: tuple[Pipe, ...]) -> Iterator[Finding]:
    where = "spaCy does not bring it: import what registers it in a handler, and require it"
    for pipe in pipes:
        if pipe.factory not in BROUGHT and pipe.factory not in PLUGINS:
            yield Finding("review", f"the component {pipe.factory or pipe.name!r}", where)
    for registry, name in _functions(config):
        if registry == "@readers" or "copy_from_base_model" in name:
            yield Finding("danger", name, "a function that reads other files when the pipeline is loaded")
        elif not name.startswith(("spacy.", "spacy-")) and registry not in OF_THINC:
            yield Finding("review", f"the function {name!r}", where)


def _code(artifact: Artifact, folder: str) -> Iterator[Finding]:
    """Modules of the package around a pipeline, beyond the one that loads it."""
    names = [file.path for file in artifact.files if file.path.endswith(".py") and not file.path.startswith(folder)]
    names = [name for name in names if name.rpartition("/")[2] not in {"__init__.py", "setup.py"}]
    if folder and names:
        yield Finding("review", f"code of its package ({', '.join(names[:3])})", "left out: import it in a handler")


# The signature. The engine computes the same from the pipeline itself.


def _signature(pipes: tuple[Pipe, ...]) -> Signature:
    return Signature((TensorSpec("text", "BYTES", (-1,)),), tuple(_outputs(pipes)))


def _outputs(pipes: tuple[Pipe, ...]) -> Iterator[TensorSpec]:
    factories = {pipe.factory for pipe in pipes}
    classifiers = [pipe for pipe in pipes if pipe.factory in CATEGORIES]
    labels = tuple(dict.fromkeys(label for pipe in classifiers for label in pipe.labels))
    if labels:
        if [pipe.factory for pipe in classifiers] == ["textcat"]:
            yield TensorSpec("label", "BYTES", (-1,), labels=labels)
        yield TensorSpec("probabilities", "FP32", (-1, len(labels)), labels=labels)
    told = {"ents": factories & ENTITIES, "spans": factories & SPANS, "sents": factories & SENTENCES}
    names = [name for name, found in told.items() if found]
    if factories & TOKENS or not (labels or names):
        names.append("tokens")
    yield from (TensorSpec(name, "BYTES", (-1,)) for name in names)


def _metadata(meta: Mapping[str, Any], pipes: tuple[Pipe, ...], spec: str) -> dict[str, str]:
    facts = {
        "language": str(meta["lang"]),
        "pipeline": ", ".join(pipe.name for pipe in pipes),
        "version": str(meta.get("version", "")),
        "spaCy": spec,
        "description": str(meta.get("description", "")),
        "license": str(meta.get("license", "")),
    }
    return {name: value for name, value in facts.items() if value}
