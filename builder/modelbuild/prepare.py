"""Conversion at build time: what a runtime cannot run as it is, made into what it can.

A runtime's ``prepare.py`` is a script: ``prepare.py SOURCE TARGET`` reads the artifact and writes the converted one,
checks it against the original, and says on its last line of stderr what went wrong. It runs by itself, with the
requirements that its ``runtime.toml`` names and nothing of mbuild's.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path, PurePosixPath

from modelbuild.artifact import Artifact, read_artifact
from modelbuild.converter import run_converter
from modelbuild.declaration import Runtime
from modelbuild.dependencies.index import Index
from modelbuild.dependencies.places import placed
from modelbuild.dependencies.resolver import PLACED, failure, run_uv
from modelbuild.errors import UnsupportedModelError, UsageError
from modelbuild.planning.plan import Tree
from modelbuild.planning.tree_cache import TreeCache
from modelbuild.runtime import Reading

_FORMAT = 1
# The script sees the packages made for it and the standard library: no site-packages, no user's modules, no PYTHON*.
_RUN = """
import runpy, sys
sys.path.insert(0, sys.argv[1])
del sys.argv[:2]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def prepare(
    runtime: Runtime, artifact: Artifact, reading: Reading, *, cache: Path, index: Index | None = None
) -> Artifact:
    """The artifact as the runtime can run it: itself, where its reading asks for nothing.

    Raises:
        UnsupportedModelError: it cannot be converted, or the converted model answers otherwise.
        RequirementError: what the conversion needs cannot be installed.
    """
    if not reading.prepare:
        return artifact
    script = runtime.folder / "prepare.py"
    if not script.is_file():
        raise UnsupportedModelError(
            f"{artifact.name} would have to be converted ({reading.prepare}), and the runtime {runtime.name!r} "
            f"has no prepare.py.",
            hint="Export the model again with current tools.",
        )
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    inputs = [_FORMAT, artifact.digest, _sha256(script), list(runtime.prepare_requirements), python]
    trees = TreeCache(cache)

    def convert(root: Path) -> tuple[str, ...]:
        packages = _packages(runtime, trees, python, index or Index())
        _run(script, packages, artifact, root / artifact.name, reading)
        return ()

    tree = trees.get("prepared", inputs, convert)
    return read_artifact(_inside(tree, artifact.name), cache=cache)


def _inside(tree: Tree, name: str) -> Path:
    """The file or folder at the top of a tree."""
    file = tree.files[0]
    return file.source.parents[len(PurePosixPath(file.path).parts) - 1] / name


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _packages(runtime: Runtime, trees: TreeCache, python: str, index: Index) -> Path | None:
    """A folder with what the conversion needs, installed once."""
    if not runtime.prepare_requirements:
        return None
    key = [_FORMAT, python, sys.platform, sorted(runtime.prepare_requirements)]
    tree = trees.get("tools", key, lambda root: _install(runtime, root / "site", index))
    return _inside(tree, "site")


def _install(runtime: Runtime, site: Path, index: Index) -> tuple[str, ...]:
    arguments = ["pip", "install", "--python", sys.executable, "--target", str(site), "--only-binary", ":all:"]
    names = placed(runtime.prepare_requirements, index.places)
    arguments += ["--link-mode", "copy", *(["-r", PLACED] if names else []), *runtime.prepare_requirements]
    outcome = run_uv(arguments, index, placed=names)
    if outcome.status:
        raise failure(outcome.errors, f"the conversion for {runtime.title} on this machine")
    return ()


def _run(script: Path, packages: Path | None, artifact: Artifact, target: Path, reading: Reading) -> None:
    command = [sys.executable, "-I", "-S", "-c", _RUN, str(packages or target.parent), str(script)]
    process = run_converter([*command, artifact.source, target], f"The conversion of {artifact.name}")
    if process.returncode == 0 and target.exists():
        return
    if process.returncode == 0:
        raise UsageError(f"{script} ended well and wrote nothing to its target.")
    reason = (process.stderr.strip().splitlines() or [f"exit status {process.returncode}"])[-1]
    raise UnsupportedModelError(
        f"{artifact.name} has to be converted ({reading.prepare}), and cannot be: {reason}",
        hint="Export the model again with current tools.",
        details=process.stderr.strip(),
    )
