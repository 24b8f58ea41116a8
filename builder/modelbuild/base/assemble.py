"""Recipe and packages -> the base's file system."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

from modelbuild.base.bytecode import Interpreter, compile_modules, debian_interpreter, prefix_interpreter
from modelbuild.base.contents import (
    PIP_PACKAGES,
    bundle_certificates,
    fixed_files,
    package_records,
    wanted_file,
)
from modelbuild.base.debian import Package, Unpacked, read_files
from modelbuild.base.elf import read_elf
from modelbuild.base.interpreter import copy_prefix, missing_libraries
from modelbuild.base.libraries import is_library, sweep_libraries
from modelbuild.base.options import Recipe
from modelbuild.base.pip import with_pip
from modelbuild.base.rootfs import Entry, Root
from modelbuild.errors import BaseImageError


def assemble(recipe: Recipe, unpacked: Unpacked, interpreter: Interpreter, scratch: Path) -> dict[str, Entry]:
    """The file system of the base; ``scratch`` is an empty folder."""
    root = _debian_files(recipe, unpacked.packages)
    if recipe.prefix:
        root = _with_prefix(root, recipe, recipe.prefix)
    root = bundle_certificates(sweep_libraries(root), recipe.certificates)
    root = package_records(root, {package.name: package.control for package in unpacked.packages})
    root |= fixed_files(interpreter_path(recipe))
    if recipe.with_pip:
        root = with_pip(root, recipe)
    modules = {path: entry.content for path, entry in root.items() if path.endswith(".py")}
    return root | compile_modules(interpreter, modules, scratch)


def interpreter_path(recipe: Recipe) -> str:
    """Where python3.X lies in the base."""
    return f"usr/{'local/' if recipe.prefix else ''}bin/python{recipe.python}"


def choose_interpreter(recipe: Recipe, unpacked: Unpacked) -> Interpreter:
    """How to run the base's interpreter here."""
    if recipe.prefix:
        return prefix_interpreter(recipe.prefix, recipe.python)
    return debian_interpreter(unpacked.folder, recipe.python)


def architecture(root: Root, recipe: Recipe) -> str:
    """The architecture of the base: that of its interpreter."""
    elf = read_elf(root[interpreter_path(recipe)].content)
    if elf is None:
        raise BaseImageError(f"/{interpreter_path(recipe)} is no 64-bit program of Linux.")
    return elf.architecture


def _debian_files(recipe: Recipe, packages: Iterable[Package]) -> dict[str, Entry]:
    # Debian's own interpreter is unpacked beside one from a prefix too, for the libraries that it brings; it stays out.
    stdlib = "" if recipe.prefix else f"usr/lib/python{recipe.python}"
    files: dict[str, Entry] = {}
    for package in packages:
        wanted = partial(wanted_file, stdlib=stdlib, programs=recipe.with_pip and package.name in PIP_PACKAGES)
        files.update(read_files(package, wanted))
    return files


def _with_prefix(root: Root, recipe: Recipe, prefix: Path) -> dict[str, Entry]:
    copied = copy_prefix(prefix, recipe.python)
    available = frozenset(path.rpartition("/")[2] for path in root if is_library(path))
    return {**root, **copied, **missing_libraries(copied, prefix, available)}
