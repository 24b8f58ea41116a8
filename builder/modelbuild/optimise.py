"""``--optimize``: the model in a quicker form, where that answers the same and is quicker; otherwise as it is.

A runtime's ``optimise.py`` offers such forms. They are made, compared with the original and measured by the server
itself, on the examples, in a process and an environment of their own: the model's and those of the converter together.
"""

from __future__ import annotations

import hashlib
import json
import platform
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from modelbuild.artifact import read_artifact
from modelbuild.config import Options
from modelbuild.converter import run_converter
from modelbuild.declaration import Runtime
from modelbuild.dependencies.fetch import fetch
from modelbuild.dependencies.interpreter import find_interpreter
from modelbuild.dependencies.lock import lock
from modelbuild.dependencies.requirements import requirements_for, server_requirements
from modelbuild.errors import RequirementError, UnsupportedModelError, UsageError
from modelbuild.handlers.style import FOREIGN
from modelbuild.hashing import sha256_of
from modelbuild.host import Host
from modelbuild.optimisation import Optimisation
from modelbuild.planning.plan import Tree
from modelbuild.planning.tree_cache import TreeCache
from modelbuild.planning.trees import handler_tree, lay_out, manifest_tree, model_trees, server_source
from modelbuild.runtime import SERVER_PACKAGE, builtin_runtimes, read
from modelbuild.signature import Signature
from modelbuild.source import Source, index_of

_FORMAT = 1
_MODEL = "model.onnx"
_REPORT = "report.json"
_ARCHITECTURES = {"x86_64": "linux/amd64", "aarch64": "linux/arm64"}
_OWN_MODEL = frozenset({"predict", "explain"})
_INHERITED = ("PATH", "HOME", "LANG")


@dataclass(frozen=True, slots=True)
class Trial:
    """What is tried: the manifest that would serve the original, and where its Python is."""

    source: Source
    manifest: bytes
    python: str


def require_possible(source: Source, options: Options, examples: int) -> None:
    """Refuse before anything is spent what cannot be tried.

    Raises:
        UsageError: there are no examples, no converter, or a handler that needs the framework's own model.
    """
    runtime, handler = source.runtime, source.handler
    if not (runtime.folder / "optimise.py").is_file():
        raise UsageError(
            f"The runtime {runtime.name!r} knows no quicker form of its models.", hint="Leave out --optimize."
        )
    own = sorted(_OWN_MODEL & set(handler.entry_points)) if handler else []
    if handler and (own or handler.style in FOREIGN):
        what = f"function {own[0]} gets" if own else "functions get"
        raise UsageError(
            f"The handler's {what} the model of {runtime.title} itself, and --optimize would replace it.",
            hint="Leave out --optimize, or let preprocess and postprocess do the handler's work.",
        )
    if not examples:
        raise UsageError(
            "--optimize compares and measures on examples, and there is none.",
            hint="Give requests with --example request.json: a body of POST /predict, some rows as clients send them.",
        )
    if sys.platform != "linux" or options.platform != _ARCHITECTURES.get(platform.machine()):
        raise UsageError(
            f"--optimize measures on this machine, which is no {options.platform}.",
            hint="Package the model on a machine of the image's kind, or leave out --optimize.",
        )


def optimised(trial: Trial, options: Options, host: Host) -> tuple[Source, Optimisation]:
    """The source with the form that was kept, and the report. An equal question gets the same answer, from the cache.

    Raises:
        RequirementError: the converter, or the Python that the model needs, is not to be had here.
        UnsupportedModelError: the original itself cannot be loaded here, or refuses an example.
    """
    source, target = trial.source, _target(trial.source.runtime)
    interpreter = find_interpreter(trial.python)
    if interpreter is None:
        raise RequirementError(
            f"--optimize loads the model with Python {trial.python}, and this machine has none.",
            hint=f"Install it (uv python install {trial.python}), or leave out --optimize.",
        )
    dependencies = _dependencies(trial, target, options, host)
    trees = [dependencies, *model_trees(source.artifact), manifest_tree(trial.manifest, cache=host.cache)]
    trees += [handler_tree(source.handler)] if source.handler else []
    inputs = [_FORMAT, *(tree.digest for tree in trees), _code(source.runtime), options.tolerance, trial.python]

    def hold(root: Path) -> tuple[str, ...]:
        with tempfile.TemporaryDirectory(prefix="mbuild-optimise-") as folder:
            manifest = lay_out(Path(folder), trees)
            _lay_out_server(Path(folder, "server"), source.runtime)
            Path(folder, "tmp").mkdir()
            environment = _environment(Path(folder), target, source.runtime, host)
            _run(interpreter, [manifest, root, target.name, options.tolerance], environment, source)
        return ()

    files = {file.path: file.source for file in TreeCache(host.cache).get("optimised", inputs, hold).files}
    report = json.loads(files[_REPORT].read_bytes())
    outcome = Optimisation(source.artifact.digest, source.reading.format, options.tolerance, report)
    return (_replaced(source, target, files[_MODEL], report, host) if outcome.kept else source), outcome


def _target(runtime: Runtime) -> Runtime:
    """The runtime that runs the quicker form."""
    for found in builtin_runtimes():
        if found.name == runtime.optimise.runtime:
            return found
    raise UsageError(
        f"{runtime.folder / 'runtime.toml'}: [optimise] names no runtime, or one that there is not.",
        hint='It says what runs the quicker form: runtime = "onnx".',
    )


def _replaced(source: Source, target: Runtime, path: Path, report: Mapping[str, Any], host: Host) -> Source:
    """The quicker form in the original's place; clients see the original's contract."""
    artifact = read_artifact(path, cache=host.cache)
    found, before = read(target, artifact), source.reading
    reading = replace(
        found,
        signature=Signature.from_json(report["signature"]),
        options={**found.options, **report["runtime"]["options"]},
        name=before.name or source.artifact.name,
        model_version=before.model_version,
        findings=before.findings,
        metadata={**before.metadata, **found.metadata},
    )
    # A handler that only has the code of the original model would bring its framework.
    code = source.handler and before.needs and set(source.handler.entry_points) <= {before.needs}
    handler = None if code else source.handler
    return replace(source, artifact=artifact, runtime=target, reading=reading, handler=handler)


def _dependencies(trial: Trial, target: Runtime, options: Options, host: Host) -> Tree:
    """All that the original needs, and the quicker form, and the way from one to the other."""
    source = trial.source
    further = (*target.requirements, *source.runtime.optimise.requirements)
    wanted = requirements_for(
        source.runtime, source.reading, source.handler, (*server_requirements(), *further), options.requirement
    )
    index = index_of(options, source.runtime, host)
    locked = lock(
        wanted,
        python=trial.python,
        platform=options.platform,
        index=index,
        cache=host.cache,
        refresh=options.refresh,
    )
    return fetch(locked, cache=host.cache, index=index)


def _code(runtime: Runtime) -> str:
    """A digest of all code that takes part."""
    digest = hashlib.sha256()
    for folder in (server_source(), runtime.folder):
        for path in sorted(folder.rglob("*.py")):
            digest.update(f"{path.relative_to(folder)} {sha256_of(path)[1]}\n".encode())
    return digest.hexdigest()


def _lay_out_server(folder: Path, runtime: Runtime) -> None:
    """The server's package with all engines, a third party's among them, as links."""
    package = server_source()
    engines = folder / SERVER_PACKAGE / "engines"
    engines.mkdir(parents=True)
    for source, place in (*_entries(package, folder / SERVER_PACKAGE), *_entries(package / "engines", engines)):
        if place != engines and place.name != runtime.name:
            place.symlink_to(source)
    (engines / runtime.name).symlink_to(runtime.folder.resolve())


def _entries(folder: Path, target: Path) -> Iterator[tuple[Path, Path]]:
    return ((path.resolve(), target / path.name) for path in sorted(folder.iterdir()) if path.name != "__pycache__")


def _environment(folder: Path, target: Runtime, runtime: Runtime, host: Host) -> dict[str, str]:
    return {
        **{name: host.environment[name] for name in _INHERITED if name in host.environment},
        **runtime.environment,
        **target.environment,
        "PYTHONPATH": f"{folder / 'opt/mbuild/deps'}:{folder / 'server'}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONSAFEPATH": "1",
        # What converters leave behind goes with the rest.
        "TMPDIR": str(folder / "tmp"),
    }


def _run(interpreter: Path, arguments: list[Any], environment: Mapping[str, str], source: Source) -> None:
    # Without site: what is installed for mbuild is not for the model.
    command = [str(interpreter), "-S", "-s", "-m", f"{SERVER_PACKAGE}.optimising", *map(str, arguments)]
    process = run_converter(command, f"Optimising {source.artifact.name}", environment)
    if process.returncode:
        lines = [line for line in process.stderr.strip().splitlines() if line.strip()]
        told = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
        reason = (told or lines or [f"exit status {process.returncode}"])[-1]
        raise UnsupportedModelError(
            f"{source.artifact.name} cannot be optimised: {reason}",
            hint="Leave out --optimize: without it the model is packaged as it is.",
            details=process.stderr.strip(),
        )
