"""pip and a shell, for the Dockerfiles that install requirements by themselves. An image with a model needs neither."""

from __future__ import annotations

import io
import zipfile
from fnmatch import fnmatchcase
from pathlib import Path

from modelbuild.base.contents import WHEEL
from modelbuild.base.options import Recipe
from modelbuild.base.rootfs import Entry, Root, file, link
from modelbuild.errors import BaseImageError

_SCRIPT = """\
#!/usr/local/bin/python3
import sys
from pip._internal.cli.main import main
sys.exit(main())
"""


def with_pip(root: Root, recipe: Recipe) -> dict[str, Entry]:
    """Unpack pip's wheel where the interpreter looks for packages, and give the shell its name."""
    wheels = {path: entry for path, entry in root.items() if fnmatchcase(path, WHEEL)}
    result = {path: entry for path, entry in root.items() if path not in wheels}
    wheel = _bundled(recipe) or next((entry.content for entry in wheels.values()), b"")
    if not wheel:
        raise BaseImageError(f"Debian {recipe.suite} has no wheel of pip.")
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        result |= {f"{packages_folder(recipe)}/{name}": file(archive.read(name)) for name in names}
    script = file(_SCRIPT, 0o755)
    return result | {"usr/local/bin/pip": script, "usr/local/bin/pip3": script, "usr/bin/sh": link("dash")}


def packages_folder(recipe: Recipe) -> str:
    """Where the interpreter looks for packages: Debian's has a folder of its own for what Debian did not package."""
    name = "site-packages" if recipe.prefix else "dist-packages"
    return f"usr/local/lib/python{recipe.python}/{name}"


def _bundled(recipe: Recipe) -> bytes:
    """The pip that fits an interpreter from a prefix is the one that it would install itself."""
    if recipe.prefix is None:
        return b""
    bundled: Path = recipe.prefix / "lib" / f"python{recipe.python}" / "ensurepip" / "_bundled"
    return next((path.read_bytes() for path in sorted(bundled.glob("pip-*.whl"))), b"")
