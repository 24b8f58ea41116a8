"""The trees of an image beside its dependencies: server, model, handler, manifest. Each is root-shaped."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from modelbuild.artifact import Artifact, File
from modelbuild.dependencies.bytecode import compile_bytecode
from modelbuild.dependencies.interpreter import find_interpreter
from modelbuild.errors import UsageError
from modelbuild.handlers.handler import Handler
from modelbuild.hashing import sha256_of
from modelbuild.planning.plan import Tree
from modelbuild.planning.tree_cache import TreeCache, tree_digest
from modelbuild.runtime import SERVER_PACKAGE

ROOT = "opt/mbuild"
# A file of this size has a layer of its own: pushed, pulled and kept apart from its neighbours.
LARGE = 64 << 20
# Engines stop at about 127 layers, the base's among them.
MAX_LARGE_LAYERS = 48
# Files of the server's package that only the builder and the tests read.
_BUILDER_ONLY = (
    *("reader.py", "prepare.py", "optimise*.py", "sample.py", "runtime.toml"),
    *("*.md", "golden*", "test_*", "tests"),
)
# Part of the server's package that runs where images are built, with the engines of two runtimes.
_TRIAL = "optimising"
_NEVER_SHIPPED = ("__pycache__", "*.pyc", "*.pyi", "py.typed", "requirements.txt", ".*")


def server_source() -> Path:
    """The folder of the server's package. It is found, never imported."""
    found = importlib.util.find_spec(SERVER_PACKAGE)
    assert found is not None, "the server travels in the same wheel"
    assert found.origin is not None, "a package with an __init__.py"
    return Path(found.origin).parent


def server_tree(engine: Path, *, name: str, python: str, cache: Path, carries: Iterable[tuple[str, Path]] = ()) -> Tree:
    """The server with one engine: the folder ``engine`` becomes ``modelbuild_runtime.engines.<name>``; those that it
    ``carries`` likewise.

    Raises:
        UsageError: the name cannot be a module's.
    """
    if not name.isidentifier():
        raise UsageError(
            f"A runtime cannot be called {name!r}.", hint="It becomes a module: letters, digits and _ only."
        )
    sources = dict(_server_files(server_source(), ((name, engine), *carries)))
    inputs = [
        [(path, sha256_of(source)[1]) for path, source in sorted(sources.items())],
        python,
        find_interpreter(python) is not None,
    ]

    def build(root: Path) -> tuple[str, ...]:
        for path, source in sources.items():
            target = root / ROOT / "server" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        # Notes on bytecode are the dependencies' to give.
        compile_bytecode(root, python)
        return ()

    return TreeCache(cache).get("server", inputs, build)


def _server_files(package: Path, engines: Iterable[tuple[str, Path]]) -> Iterator[tuple[str, Path]]:
    for path, source in _files(package, _NEVER_SHIPPED):
        parts = PurePosixPath(path).parts
        if parts[0] != _TRIAL and (parts[0] != "engines" or len(parts) == 2):
            yield f"{SERVER_PACKAGE}/{path}", source
    for name, engine in engines:
        for path, source in _files(engine, (*_NEVER_SHIPPED, *_BUILDER_ONLY)):
            yield f"{SERVER_PACKAGE}/engines/{name}/{path}", source


def _files(folder: Path, skip: Iterable[str]) -> Iterator[tuple[str, Path]]:
    for source in sorted(folder.rglob("*")):
        path = source.relative_to(folder)
        if source.is_file() and not any(fnmatch(part, pattern) for part in path.parts for pattern in skip):
            yield path.as_posix(), source


def model_trees(artifact: Artifact) -> tuple[Tree, ...]:
    """The artifact: one tree, and one for each further large file, "model", "model-2" ..."""
    folder = f"{ROOT}/model/{artifact.name}" if artifact.is_folder else f"{ROOT}/model"
    files = sorted((_moved(file, folder) for file in artifact.files), key=lambda file: file.path)
    small = tuple(file for file in files if file.size < LARGE)
    large = [file for file in files if file.size >= LARGE]
    groups = [group for group in (small, *_dealt(large)) if group]
    names = ["model", *(f"model-{number}" for number in range(2, len(groups) + 1))]
    return tuple(_tree(name, group) for name, group in zip(names, groups, strict=True))


def _dealt(files: list[File]) -> list[tuple[File, ...]]:
    """One group a file; neighbours together where there would be more layers than an image may have."""
    step = -(-len(files) // MAX_LARGE_LAYERS) or 1
    return [tuple(files[start : start + step]) for start in range(0, len(files), step)]


def model_path(artifact: Artifact) -> str:
    """Where the artifact lies, relative to the manifest."""
    return f"model/{artifact.name}"


def handler_tree(handler: Handler) -> Tree:
    """The user's module and what belongs to it."""
    return _tree("handler", tuple(_moved(file, f"{ROOT}/handler") for file in handler.files))


def manifest_tree(manifest: bytes, *, cache: Path) -> Tree:
    """The manifest, whose bytes are kept in the cache."""

    def build(root: Path) -> tuple[str, ...]:
        path = root / ROOT / "manifest.json"
        path.parent.mkdir(parents=True)
        path.write_bytes(manifest)
        return ()

    return TreeCache(cache).get("manifest", [manifest.decode()], build)


def lay_out(folder: Path, trees: Iterable[Tree]) -> Path:
    """Link the trees into ``folder`` as they would lie in the image; returns the manifest's path."""
    for tree in trees:
        for file in tree.files:
            target = folder / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(file.source.resolve())
    return folder / ROOT / "manifest.json"


def _moved(file: File, folder: str) -> File:
    return replace(file, path=f"{folder}/{file.path}")


def _tree(name: str, files: tuple[File, ...]) -> Tree:
    return Tree(name, files, tree_digest(files))
