"""From the user's model and options to a plan with all its trees: everything but the build itself."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from modelbuild.config import Options, environment, pairs
from modelbuild.dependencies.fetch import fetch
from modelbuild.dependencies.lock import Lock, lock, wheel_platform
from modelbuild.dependencies.overridden import overridden
from modelbuild.dependencies.python_version import choose_python
from modelbuild.dependencies.requirements import less_required, requirements_for, server_requirements
from modelbuild.engines import BuildEngine
from modelbuild.errors import BaseImageError, UsageError
from modelbuild.host import Host
from modelbuild.optimisation import Optimisation
from modelbuild.optimise import Trial, optimised, require_possible
from modelbuild.planning.context import Context
from modelbuild.planning.dockerfile import render, render_portable
from modelbuild.planning.labels import make_labels, optimised_labels
from modelbuild.planning.make import make_plan
from modelbuild.planning.manifest import Example, make_manifest
from modelbuild.planning.plan import BaseImage, Plan, Tree, in_layer_order
from modelbuild.planning.trees import handler_tree, manifest_tree, model_trees, server_tree
from modelbuild.progress import Progress
from modelbuild.registry.reference import parse
from modelbuild.source import Source, index_of, pages_of, prepared, read_source, require_code, require_safe
from modelbuild.verification.examples import find_examples

# Names that would hide routes of the server's protocols.
RESERVED_NAMES = frozenset(
    {"v1", "v2", "models", "model", "transform", "predict", "predictions", "ping", "invocations", "health", "metrics"}
    | {"services", "info", "score", "admin"}
)


@dataclass(frozen=True, slots=True)
class Draft:
    """A plan, and the bytes behind it."""

    source: Source
    plan: Plan
    lock: Lock
    trees: tuple[Tree, ...]
    examples: tuple[Example, ...]
    optimisation: Optimisation | None = None

    @property
    def context(self) -> Context:
        """What is sent to a build engine."""
        return Context(self.plan, render(self.plan), self.trees, self.lock)

    @property
    def portable_context(self) -> Context:
        """The same, with a Dockerfile that installs the requirements by itself."""
        trees = tuple(tree for tree in self.trees if tree.name != "dependencies")
        pages = pages_of(self.lock.requirements, self.source.runtime)
        return Context(self.plan, render_portable(self.plan, self.lock, pages), trees, self.lock)


def make_draft(model: Path, options: Options, host: Host, progress: Progress, engine: BuildEngine | None) -> Draft:
    """Read, choose, resolve, fetch and plan. ``engine`` looks at the base image; without one it stays unpinned."""
    wheel_platform(options.platform)  # before a registry is asked for a base of a platform that cannot be
    progress.step("Reading", model.name or str(model))
    source = read_source(model, options, host)
    require_safe(source.reading, allow_unsafe=options.allow_unsafe)
    require_code(source)
    if source.reading.prepare:
        progress.step("Converting", source.reading.prepare)
        source = prepared(source, options, host)
    name = model_name(options, source.reading.name or source.artifact.name)
    model_version = options.model_version or source.reading.model_version or "1"
    examples = find_examples(model, options.handler, options.example)
    if options.optimize:
        require_possible(source, options, len(examples))
    base = find_base(source, options, host, progress, engine)
    optimisation = None
    if options.optimize:
        progress.step("Optimising", f"{source.artifact.name} is loaded here, converted, compared and measured")
        trial = Trial(source, _manifest(source, (name, model_version), examples), base.python)
        source, optimisation = optimised(trial, options, host)
    locked = _lock(source, options, host, base, progress)
    source = source.with_findings(overridden(source.runtime, source.reading, locked.requirements))
    progress.step("Fetching", f"{len(locked.requirements)} packages")
    trees = in_layer_order(_trees(source, options, host, (name, model_version), examples, locked))
    labels = make_labels(
        name=name,
        version=parse(options.tag).tag if options.tag else model_version,
        base=base,
        runtime=source.runtime,
        reading=source.reading,
        artifact=source.artifact,
        requirements=locked.requirements,
    )
    plan = make_plan(
        base=base,
        runtime=source.runtime,
        lock=locked,
        trees=trees,
        labels={**labels, **optimised_labels(optimisation), **pairs(options.label, "--label")},
        environment=environment(options),
    )
    return Draft(source, plan, locked, trees, examples, optimisation)


def model_name(options: Options, default: str) -> str:
    """The model's name in its URLs: as given, or from the tag, or from the file or folder called ``default``.

    Raises:
        UsageError: the name given cannot be part of a URL, or hides a route of the server.
    """
    if options.name:
        if options.name in RESERVED_NAMES or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", options.name):
            raise UsageError(
                f"The model cannot be named {options.name!r}.",
                hint="Letters, digits, dots and dashes; not a word that is a route of the server.",
            )
        return options.name
    text = parse(options.tag).repository.rpartition("/")[2] if options.tag else Path(default).stem
    name = re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._") or "default"
    return "default" if name in RESERVED_NAMES else name


def find_base(
    source: Source, options: Options, host: Host, progress: Progress, engine: BuildEngine | None
) -> BaseImage:
    """The base image that the user named, or the default of the Python that everyone agrees on.

    Raises:
        BaseImageError: it is not there, or has another Python than was asked for.
    """
    given = None
    if options.base and engine:
        progress.step("Checking", options.base)
        given = engine.base(options.base, options.platform, pull=options.pull, progress=progress)
    python = choose_python(
        source.runtime,
        source.reading,
        source.handler,
        requested=options.python,
        host=host.python,
        base=given.python if given else "",
        requirements=options.requirement,
    )
    if given is None:
        reference = options.base or f"python:{python}-slim"
        if engine is None:
            return BaseImage(reference, "", "", options.platform, python, "")
        progress.step("Checking", reference)
        given = engine.base(reference, options.platform, pull=options.pull, progress=progress)
    if given.python != python:
        raise BaseImageError(
            f"The base image {given.reference} has Python {given.python}, and Python {python} was asked for.",
            hint=f"Choose a --base with Python {python}, or leave out --python.",
        )
    return given


def _lock(source: Source, options: Options, host: Host, base: BaseImage, progress: Progress) -> Lock:
    wanted = requirements_for(
        source.runtime,
        source.reading,
        source.handler,
        server_requirements(),
        options.requirement,
    )
    progress.step("Resolving", f"{len(wanted)} requirements for Python {base.python}")
    return lock(
        wanted,
        python=base.python,
        platform=options.platform,
        index=index_of(options, source.runtime, host),
        cache=host.cache,
        refresh=options.refresh,
        libc=base.libc,
        requires=less_required(source.runtime, source.handler),
    )


def _trees(
    source: Source,
    options: Options,
    host: Host,
    called: tuple[str, str],
    examples: tuple[Example, ...],
    locked: Lock,
) -> Iterable[Tree]:
    """``called`` is the model's name, and its version."""
    runtime = source.runtime
    index = index_of(options, runtime, host)
    yield fetch(locked, cache=host.cache, index=index, without=runtime.unneeded)
    yield server_tree(
        runtime.folder, name=runtime.name, python=locked.python, cache=host.cache, carries=runtime.carries
    )
    yield from model_trees(source.artifact)
    if source.handler:
        yield handler_tree(source.handler)
    yield manifest_tree(_manifest(source, called, examples), cache=host.cache)


def _manifest(source: Source, called: tuple[str, str], examples: tuple[Example, ...]) -> bytes:
    name, version = called
    return make_manifest(
        name=name,
        version=version,
        artifact=source.artifact,
        runtime=source.runtime.name,
        framework_version=source.reading.version,
        options=source.reading.options,
        signature=source.reading.signature,
        handler=source.handler,
        examples=examples,
    )
