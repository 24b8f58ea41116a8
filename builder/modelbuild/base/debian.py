"""Packages from a Debian mirror: mmdebstrap lets apt resolve, fetch and check them; none of their scripts runs."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from modelbuild.base.options import Recipe
from modelbuild.base.rootfs import FILE, FOLDER, LINK, Entry, merged
from modelbuild.errors import BaseImageError
from modelbuild.progress import Progress

PROBE_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Package:
    """One package as fetched: its name, its control stanza for scanners, and its archive."""

    name: str
    control: str
    archive: Path


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What mmdebstrap left: the packages, and all their files in a folder from which Python can be run."""

    folder: Path
    packages: tuple[Package, ...]


def unpack(recipe: Recipe, names: tuple[str, ...], folder: Path, progress: Progress) -> Unpacked:
    """Fetch the packages and all that they depend on, and unpack them into ``folder``, which must not exist.

    Needs no privileges: the variant "extract" runs nothing of what it unpacks.

    Raises:
        BaseImageError: mmdebstrap is missing or fails, or the mirror cannot be reached.
    """
    if shutil.which("mmdebstrap") is None:
        hint = "apt-get install mmdebstrap; or give --base an image that this machine can pull."
        raise BaseImageError("mmdebstrap is not installed; it fetches the packages of a base.", hint=hint)
    command = [
        "mmdebstrap",
        "--mode=chrootless",
        "--variant=extract",
        "--format=directory",
        "--skip=cleanup/apt",  # the archives are read again, for who brought which file
        '--aptopt=Apt::Install-Recommends "false"',
        f"--include={','.join(names)}",
        recipe.suite,
        str(folder),
        *sources(recipe, _answers),
    ]
    _run(command, progress)
    archives = sorted((folder / "var/cache/apt/archives").glob("*.deb"))
    return Unpacked(folder, tuple(_package(archive) for archive in archives))


def sources(recipe: Recipe, answers: Callable[[str], str]) -> list[str]:
    """Lines for apt: the release, and its updates and security updates where the mirror has them.

    ``answers`` says why a URL cannot be had, or nothing.
    """
    suite, mirror = recipe.suite, recipe.mirror
    problem = answers(f"{mirror}/dists/{suite}/InRelease")
    if problem:
        hint = "Check the network and the proxy (http_proxy), or give another mirror: --mirror URL."
        raise BaseImageError(f"The Debian mirror {mirror} has no {suite}: {problem}.", hint=hint)
    further = [(mirror, f"{suite}-updates"), (f"{mirror}-security", f"{suite}-security")]
    lines = [f"deb {mirror} {suite} main"]
    lines += [f"deb {url} {name} main" for url, name in further if not answers(f"{url}/dists/{name}/InRelease")]
    return lines


def _answers(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=PROBE_SECONDS) as response:  # noqa: S310  # the user's own mirror
            response.read(1)
    except urllib.error.HTTPError as error:
        return f"{url} answers {error.code} {error.reason}"
    except (OSError, ValueError) as error:
        return str(getattr(error, "reason", error))
    return ""


def _run(command: list[str], progress: Progress) -> None:
    tail: deque[str] = deque(maxlen=20)
    environment = {**os.environ, "LC_ALL": "C", "SOURCE_DATE_EPOCH": "0"}
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace", env=environment
    ) as process:
        for line in process.stderr or ():
            tail.append(line.rstrip())
            progress.log(line.rstrip())
    if process.returncode:
        hint = "apt-get install debian-archive-keyring, if a signature could not be checked."
        raise BaseImageError("mmdebstrap could not fetch the packages.", hint=hint, details="\n".join(tail))


def _package(archive: Path) -> Package:
    control = subprocess.run(["dpkg-deb", "--field", archive], capture_output=True, text=True, check=True).stdout
    name = next(line.partition(":")[2].strip() for line in control.splitlines() if line.startswith("Package:"))
    return Package(name, control, archive)


def read_files(package: Package, wanted: Callable[[str], bool]) -> Iterator[tuple[str, Entry]]:
    """The files of a package whose merged path is wanted, with their own modes whoever unpacked them."""
    unpacked = subprocess.run(["dpkg-deb", "--fsys-tarfile", package.archive], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(unpacked)) as archive:
        for member in archive:
            path = merged(member.name)
            if wanted(path):
                yield path, _entry(archive, member, package.name)


def _entry(archive: tarfile.TarFile, member: tarfile.TarInfo, package: str) -> Entry:
    if member.issym():
        return Entry(LINK, 0o777, target=member.linkname, package=package)
    if member.isdir():
        return Entry(FOLDER, member.mode & 0o777, package=package)
    stream = archive.extractfile(member)
    # Without set-user-id and set-group-id bits: nothing in a base needs them.
    return Entry(FILE, member.mode & 0o777, stream.read() if stream else b"", package=package)
