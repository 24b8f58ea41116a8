"""What a base holds: only what is named here, and the libraries that it needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from modelbuild.base.libraries import is_library
from modelbuild.base.options import Recipe
from modelbuild.base.rootfs import LINK, Entry, Root, file, folder, link

PACKAGES = ("base-files", "ca-certificates", "libatomic1", "libc-bin", "libgomp1", "libstdc++6", "netbase", "tzdata")
PIP_PACKAGES = ("coreutils", "dash", "findutils", "grep", "python3-pip-whl", "sed")
# The Python of bookworm still has distutils; Debian keeps it in a package of its own.
SUITE_PACKAGES = {"bookworm": ("python3-distutils",)}

FILES = (
    "etc/debian_version",
    "etc/gai.conf",
    "etc/host.conf",
    "etc/mime.types",
    "etc/protocols",
    "etc/services",
    "etc/ssl/openssl.cnf",
    "usr/lib/os-release",
    "usr/lib/locale/C.utf8/*",
    "usr/lib/ssl/cert.pem",
    "usr/lib/ssl/certs",
    "usr/lib/ssl/openssl.cnf",
    "usr/share/ca-certificates/mozilla/*.crt",
    "usr/share/common-licenses/*",
    "usr/share/doc/*",
    "usr/share/zoneinfo/*",
)
WHEEL = "usr/share/python-wheels/pip-*.whl"
PIP_FILES = ("usr/bin/*", WHEEL)
UNWANTED = ("usr/share/zoneinfo/posix/*", "usr/share/zoneinfo/right/*")

# Of the standard library: tests, desktop programs, installers, and what needs a terminal or a database library.
STDLIB_UNWANTED = (
    "EXTERNALLY-MANAGED",
    "config-*",
    "curses",
    "ensurepip",
    "idlelib",
    "lib2to3",
    "pydoc_data",
    "site-packages",
    "sitecustomize.py",
    "test",
    "tests",
    "tkinter",
    "turtle.py",
    "turtledemo",
    "__pycache__",
    "_curses*.so",
    "_ctypes_test*.so",
    "_dbm*.so",
    "_gdbm*.so",
    "_test*.so",
    "_tkinter*.so",
    "_xxtestfuzz*.so",
    "nis*.so",
    "ossaudiodev*.so",
    "readline*.so",
    "xxlimited*.so",
)


def package_names(recipe: Recipe) -> tuple[str, ...]:
    """The packages to ask Debian for; apt adds what they depend on."""
    python = (f"python{recipe.debian_python}", *SUITE_PACKAGES.get(recipe.suite, ()))
    return tuple(sorted({*PACKAGES, *python, *(PIP_PACKAGES if recipe.with_pip else ())}))


def wanted_stdlib(relative: str) -> bool:
    """Whether a file of the standard library, by its path in it, belongs in a base."""
    return not any(fnmatchcase(part, pattern) for part in relative.split("/") for pattern in STDLIB_UNWANTED)


def wanted_file(path: str, *, stdlib: str, programs: bool) -> bool:
    """Whether a file of a package is read at all. ``stdlib`` is the folder of Debian's own Python, empty if that
    stays out; ``programs`` says whether the package is there for its programs.
    """
    if any(fnmatchcase(path, pattern) for pattern in UNWANTED):
        return False
    if stdlib and path.startswith(f"{stdlib}/"):
        return wanted_stdlib(path.removeprefix(f"{stdlib}/"))
    patterns = FILES + (PIP_FILES if programs else ())
    return (
        path == stdlib.replace("/lib/", "/bin/")
        or is_library(path)
        or any(fnmatchcase(path, item) for item in patterns)
    )


def bundle_certificates(root: Root, further: bytes) -> dict[str, Entry]:
    """One file of all certificates, as Debian's maintainer script would write it."""
    pems = {path: entry.content for path, entry in root.items() if path.startswith("usr/share/ca-certificates/")}
    rest = {path: entry for path, entry in root.items() if path not in pems}
    bundle = b"".join(pem.rstrip() + b"\n" for _, pem in sorted(pems.items())) + further
    return {**rest, "etc/ssl/certs/ca-certificates.crt": file(bundle)}


def fixed_files(interpreter: str) -> dict[str, Entry]:
    """Files that maintainer scripts or an installer would make. ``interpreter`` is the path of python3.X."""
    return {
        "bin": link("usr/bin"),
        "sbin": link("usr/sbin"),
        "lib": link("usr/lib"),
        "lib64": link("usr/lib64"),
        "usr/lib64": folder(),
        "usr/sbin": folder(),
        "usr/local/bin/python": link("python3"),
        "usr/local/bin/python3": link("/" + interpreter),
        "usr/bin/python3": link("/" + interpreter),
        "etc/passwd": file(_USERS),
        "etc/group": file(_GROUPS),
        "etc/nsswitch.conf": file("passwd: files\ngroup: files\nhosts: files dns\n"),
        "etc/os-release": link("../usr/lib/os-release"),
        "etc/localtime": link("/usr/share/zoneinfo/Etc/UTC"),
        "home/nonroot": folder(0o700, owner=65532),
        "root": folder(0o700),
        "tmp": folder(0o1777),
        "var/tmp": folder(0o1777),
        **{path: folder() for path in ("dev", "opt", "proc", "run", "sys", "var/cache", "var/lib", "var/log")},
    }


_USERS = """\
root:x:0:0:root:/root:/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin
nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin
"""
_GROUPS = """\
root:x:0:
tty:x:5:
staff:x:50:
nogroup:x:65534:
nonroot:x:65532:
"""


def package_records(root: Root, controls: Mapping[str, str]) -> dict[str, Entry]:
    """Each package that left a file: its control stanza, where scanners look in an image without dpkg, and its
    licence; the licences of others go.
    """
    used = {entry.package for path, entry in root.items() if not path.startswith("usr/share/doc/")} - {""}
    kept = {path: entry for path, entry in root.items() if not path.startswith("usr/share/doc/")}
    kept |= _licences(root, used)
    return kept | {f"var/lib/dpkg/status.d/{name}": file(controls[name]) for name in sorted(used)}


def _licences(root: Root, packages: Iterable[str]) -> dict[str, Entry]:
    result = {}
    for package in packages:
        place = f"usr/share/doc/{package}"
        # A package may point to the licence of another one built from the same source.
        if place in root and root[place].kind == LINK:
            result[place] = root[place]
            place = resolve_folder(root, place)
        if f"{place}/copyright" in root:
            result[f"{place}/copyright"] = root[f"{place}/copyright"]
    return result


def resolve_folder(root: Root, path: str) -> str:
    """Where a link among the folders of ``usr/share/doc`` points."""
    return f"usr/share/doc/{root[path].target.rstrip('/').rpartition('/')[2]}"
