"""Megabytes of the server in the image, and of the packages that it needs beyond numpy and the framework's own."""

import json
import re
import sys
from importlib.metadata import distributions
from pathlib import Path

SERVER = Path("/opt/mbuild/server")
BYTES = 1e6


def plain(name):
    return name.lower().replace("_", "-")


installed = {plain(found.metadata["Name"]): found for found in distributions()}


def needed(name):
    """A distribution and all that it requires, of what is there."""
    found, waiting = set(), [name]
    while waiting:
        one = plain(waiting.pop())
        if one in installed and one not in found:
            found.add(one)
            lines = [line for line in installed[one].requires or () if "extra ==" not in line]
            waiting += [re.match(r"[\w.-]+", line).group() for line in lines]
    return found


def size(name):
    """Bytes of what its RECORD names, and of the bytecode beside it."""
    files = {path.locate() for path in installed[name].files or () if path.suffix != ".pyc"}
    compiled = {
        found
        for file in files
        if file.suffix == ".py"
        for found in (file.parent / "__pycache__").glob(f"{file.stem}.*.pyc")
    }
    return sum(path.stat().st_size for path in files | compiled if path.exists())


beyond = sorted(set(installed) - needed("numpy") - needed(sys.argv[1]))
packages = {name: size(name) / BYTES for name in beyond}
server = sum(path.stat().st_size for path in SERVER.rglob("*") if path.is_file())
told = {"packages": packages, "packages_mb": sum(packages.values()), "server_mb": server / BYTES}
print(json.dumps(told))
