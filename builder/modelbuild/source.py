"""What the user gave, read and understood: the artifact, its runtime, what it says of itself, the handler."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from modelbuild.artifact import Artifact, folder_in, read_artifact, with_companions, without
from modelbuild.config import Options, pairs, suggestion
from modelbuild.declaration import Runtime
from modelbuild.dependencies import pip_settings
from modelbuild.dependencies.index import Index
from modelbuild.dependencies.places import placed, places
from modelbuild.errors import HandlerError, UnsafeArtifactError, UsageError
from modelbuild.formats.detect import detect
from modelbuild.formats.evidence import Evidence
from modelbuild.handlers.handler import Handler, module_of, read_handler
from modelbuild.handlers.style import DEFINITIONS, FOREIGN
from modelbuild.host import Host
from modelbuild.prepare import prepare
from modelbuild.runtime import Finding, Reading, around, builtin_runtimes, chosen_options, load_runtime, read


@dataclass(frozen=True, slots=True)
class Source:
    """All that was read; nothing of it has been executed."""

    artifact: Artifact
    runtime: Runtime
    reading: Reading
    handler: Handler | None

    def with_findings(self, findings: Iterable[Finding]) -> Source:
        """With what was found out later, too."""
        return replace(self, reading=replace(self.reading, findings=(*self.reading.findings, *findings)))

    def to_json(self) -> dict[str, Any]:
        """What ``mbuild inspect --json`` prints."""
        return {
            "artifact": {
                "name": self.artifact.name,
                "digest": self.artifact.digest,
                "size": sum(file.size for file in self.artifact.files),
                "files": [{"path": file.path, "size": file.size} for file in self.artifact.files],
            },
            "runtime": self.runtime.name,
            "format": self.reading.format,
            "version": self.reading.version,
            "signature": self.reading.signature.to_json(),
            "requirements": list(self.reading.requirements),
            "findings": [asdict(item) for item in self.reading.findings],
            "prepare": self.reading.prepare,
            "metadata": dict(self.reading.metadata),
            "handler": _handler_json(self.handler),
        }


def _handler_json(handler: Handler | None) -> dict[str, Any] | None:
    if handler is None:
        return None
    return {
        "module": handler.module,
        "style": handler.style,
        "entry_points": list(handler.entry_points),
        "files": [file.path for file in handler.files],
        "imports": list(handler.imports),
        "requirements": list(handler.requirements),
        "python": handler.python,
        "record": asdict(handler.record) if handler.record else None,
    }


def read_source(model: Path, options: Options, host: Host) -> Source:
    """Read the model and the handler. Runs no code of either.

    Raises:
        MbuildError: one of its subclasses for each thing that can be wrong with them.
    """
    if options.handler and options.handler == model:
        model = module_of(model)
    artifact = read_artifact(model, cache=host.cache)
    runtime = choose_runtime(options.runtime, artifact)
    reading = read(runtime, artifact, pairs(options.runtime_option, "--runtime-option"))
    if reading.inside and not options.runtime:
        inside = next(item for item in builtin_runtimes() if item.name == reading.inside.runtime)
        runtime, reading = around(runtime, inside), reading.inside.reading
    reading = _with_choices(runtime, reading, options)
    runtime = replace(runtime, system_packages=(*runtime.system_packages, *reading.system_packages))
    if reading.folder:
        artifact = folder_in(artifact, reading.folder)
    if reading.unused:
        artifact = without(artifact, reading.unused)
    if reading.companions:
        artifact = with_companions(artifact, reading.companions)
    handler = _handler(model, artifact, reading, options)
    if runtime.handler_predicts:
        _require_prediction(artifact, runtime, handler)
    return Source(artifact, runtime, reading, handler)


def _with_choices(runtime: Runtime, reading: Reading, options: Options) -> Reading:
    """The user's options beside those that the reader found. An engine in another's has them among its own."""
    chosen = chosen_options(runtime, pairs(options.runtime_option, "--runtime-option"))
    own = reading.options
    if runtime.carries:
        return replace(reading, options={**own, "options": {**own["options"], **chosen}})
    return replace(reading, options={**own, **chosen})


def _handler(model: Path, artifact: Artifact, reading: Reading, options: Options) -> Handler | None:
    """The one that the user gave, or the one that the artifact brings."""
    own = (model / reading.handler if model.is_dir() else model) if reading.handler else None
    path = options.handler or own
    if path is None and options.data:
        raise UsageError("--data was given without --handler.", hint="Data files belong to a handler.")
    if path is None:
        return None
    pickle = Evidence(artifact).pickle
    return read_handler(path, data=options.data, referred=pickle.uses if pickle else ())


def _require_prediction(artifact: Artifact, runtime: Runtime, handler: Handler | None) -> None:
    if handler is None:
        raise HandlerError(
            f"The runtime {runtime.name!r} leaves {artifact.name} to a handler, and there is none.",
            hint="Give one with --handler: load(context), which returns a model, and predict(model, inputs).",
        )
    if handler.style in {"functions", DEFINITIONS} and "predict" not in handler.entry_points:
        raise HandlerError(
            f"The handler {handler.module} has no predict, and nothing else predicts on {artifact.name}.",
            hint="Define predict(model, inputs), and load(context) where it needs a model.",
        )


def choose_runtime(name: str, artifact: Artifact) -> Runtime:
    """The runtime that the user named, or the one that recognises the artifact."""
    runtimes = builtin_runtimes()
    if not name:
        return detect(artifact, runtimes)
    if (Path(name) / "runtime.toml").is_file():
        return load_runtime(Path(name))
    for runtime in runtimes:
        if runtime.name == name:
            return runtime
    raise UsageError(f"There is no runtime {name!r}.", hint=suggestion(name, [runtime.name for runtime in runtimes]))


def require_safe(reading: Reading, *, allow_unsafe: bool) -> None:
    """Refuse an artifact that could execute more than its framework needs, unless the user takes the risk.

    Raises:
        UnsafeArtifactError: something dangerous was found and not allowed.
    """
    dangers = [finding for finding in reading.findings if finding.severity == "danger"]
    if dangers and not allow_unsafe:
        raise UnsafeArtifactError(
            f"Loading this {reading.format} would execute {_names(dangers)}, which no model needs.",
            details="\n".join(f"{finding.what}  ({finding.where})" for finding in dangers),
            hint="If you know where it comes from and trust it, package it with --allow-unsafe.",
        )


def require_code(source: Source) -> None:
    """Refuse an artifact that leaves its code to a handler, where no handler has it. Those that load models by
    themselves, in the ways of other servers or with ``load``, know what they do.

    Raises:
        HandlerError: there is no handler, or it lacks the function.
    """
    needs, handler = source.reading.needs, source.handler
    if not needs:
        return
    if handler and (handler.style in FOREIGN or {needs, "load"} & set(handler.entry_points)):
        return
    raise HandlerError(
        f"{source.artifact.name} holds {source.reading.format}, and not the code that they belong to.",
        hint=f"Give a handler (-H) that has the class, and a function {needs}() that returns one of it.",
    )


def _names(findings: list[Finding]) -> str:
    names = sorted({finding.what for finding in findings})
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def index_of(options: Options, runtime: Runtime, host: Host) -> Index:
    """Where packages come from. What one runtime says of a distribution's index holds for the handlers of all."""
    links = tuple(dict.fromkeys((*options.find_links, *pip_settings.find_links(host.environment))))
    known = places(_indexes(runtime), links)
    return Index(options.index_url, options.extra_index_url, links, options.ca_file, places=known)


def pages_of(requirements: Iterable[str], runtime: Runtime) -> tuple[str, ...]:
    """The public pages of those among the requirements that are not on PyPI."""
    public = places(_indexes(runtime), ())
    return tuple(sorted({public[name] for name in placed(requirements, public)}))


def _indexes(runtime: Runtime) -> dict[str, str]:
    return dict(chain.from_iterable(item.index.items() for item in (*builtin_runtimes(), runtime)))


def prepared(source: Source, options: Options, host: Host) -> Source:
    """The source, its artifact converted where its runtime cannot run it as it is."""
    if not source.reading.prepare:
        return source
    index = index_of(options, source.runtime, host)
    artifact = prepare(source.runtime, source.artifact, source.reading, cache=host.cache, index=index)
    reading = read(source.runtime, artifact, pairs(options.runtime_option, "--runtime-option"))
    return replace(source, artifact=artifact, reading=_with_choices(source.runtime, reading, options))
