"""Options -> recipe -> packages -> file system -> image: a Python base without a hub."""

from __future__ import annotations

import errno
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from modelbuild.base.archive import BaseTar, Identity, layer_tar, read_image, write_image
from modelbuild.base.assemble import architecture, assemble, choose_interpreter
from modelbuild.base.contents import package_names
from modelbuild.base.debian import unpack
from modelbuild.base.options import BaseOptions, Recipe, settle
from modelbuild.dependencies.interpreter import find_interpreter
from modelbuild.errors import BaseImageError, NoSpaceError
from modelbuild.progress import Progress


def build_base(options: BaseOptions, *, cache: Path, progress: Progress) -> BaseTar:
    """Build the base, or take this week's from the cache; write it to ``options.output`` too if that is given.

    Raises:
        BaseImageError: the options contradict each other, a tool is missing, the mirror cannot be reached, or the
            interpreter does not fit.
        NoSpaceError: the disk is full.
    """
    recipe = settle(options, find_interpreter)
    path = cache / "base" / f"{recipe.key(options.week)}.tar"
    try:
        base = (None if options.refresh else _cached(path)) or _build(recipe, path, progress)
        if options.output:
            shutil.copyfile(path, options.output)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise NoSpaceError(f"There is no space left for {path}.", hint="A base takes 500 MB to build.") from error
        raise BaseImageError(f"The base could not be written: {error}.") from error
    return replace(base, path=options.output or path)


def _cached(path: Path) -> BaseTar | None:
    try:
        return replace(read_image(path), cached=True) if path.is_file() else None
    except BaseImageError:
        return None  # a damaged file in the cache is as good as none


def _build(recipe: Recipe, path: Path, progress: Progress) -> BaseTar:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix="build-") as name:
        scratch, modules = Path(name), Path(name) / "modules"
        modules.mkdir()
        progress.step("packages", f"Debian {recipe.suite} from {recipe.mirror}")
        unpacked = unpack(recipe, package_names(recipe), scratch / "root", progress)
        progress.step("base", f"Python {recipe.python}" + (f" from {recipe.prefix}" if recipe.prefix else ""))
        interpreter = choose_interpreter(recipe, unpacked)
        root = assemble(recipe, unpacked, interpreter, modules)
        identity = Identity(recipe.tag, interpreter.version(), recipe.suite, architecture(root, recipe))
        write_image(scratch / "image.tar", layer_tar(root), identity)
        (scratch / "image.tar").replace(path)
    return read_image(path)
