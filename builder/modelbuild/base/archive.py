"""The image of a base as one file: an OCI layout that `docker load` of any age and `podman load` take as well."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelbuild.base.rootfs import FILE, FOLDER, LINK, Entry, Root, with_parents
from modelbuild.errors import BaseImageError

PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
LABEL = "mbuild.base"

_LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
_CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
_MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
_INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
_CREATED = "1970-01-01T00:00:00Z"  # no clock: equal contents are the same image
_TYPES = {FILE: tarfile.REGTYPE, LINK: tarfile.SYMTYPE, FOLDER: tarfile.DIRTYPE}


@dataclass(frozen=True, slots=True)
class BaseTar:
    """A base as written. ``id`` is the image's configuration digest; ``python`` is the full version."""

    path: Path
    reference: str
    id: str
    python: str
    suite: str
    platform: str
    size: int
    cached: bool = False


@dataclass(frozen=True, slots=True)
class Identity:
    """What the configuration of the image says of it."""

    reference: str
    python: str
    suite: str
    architecture: str


def layer_tar(root: Root) -> bytes:
    """The file system as an archive that depends on nothing but its contents: sorted, all times zero, owners by
    number.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, entry in with_parents(root).items():
            archive.addfile(_member(path, entry), io.BytesIO(entry.content))
    return buffer.getvalue()


def _member(path: str, entry: Entry) -> tarfile.TarInfo:
    member = tarfile.TarInfo(path)
    member.type, member.mode, member.linkname = _TYPES[entry.kind], entry.mode, entry.target
    member.uid = member.gid = entry.owner
    member.size = len(entry.content)
    return member


def image_config(identity: Identity, diff_id: str) -> dict[str, Any]:
    """The image's configuration. PYTHON_VERSION tells which Python is in it without running it."""
    environment = {"PATH": PATH, "LANG": "C.UTF-8", "PYTHON_VERSION": identity.python}
    history = {"created": _CREATED, "created_by": f"mbuild base: Debian {identity.suite}, Python {identity.python}"}
    return {
        "architecture": identity.architecture,
        "os": "linux",
        "created": _CREATED,
        "config": {
            "Env": [f"{name}={value}" for name, value in environment.items()],
            "Cmd": ["python3"],
            "Labels": {LABEL: identity.suite},
        },
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        "history": [history],
    }


def write_image(path: Path, layer: bytes, identity: Identity) -> None:
    """Write the image under ``path``."""
    config = _json(image_config(identity, _digest(layer)))
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST_TYPE,
            "config": _descriptor(_CONFIG_TYPE, config),
            "layers": [_descriptor(_LAYER_TYPE, layer)],
        }
    )
    with tarfile.open(path, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in _members(layer, config, manifest, identity.reference):
            archive.addfile(_member(name, Entry(FILE, 0o644, content)), io.BytesIO(content))


def _members(layer: bytes, config: bytes, manifest: bytes, reference: str) -> Iterator[tuple[str, bytes]]:
    names = {"io.containerd.image.name": full_name(reference), "org.opencontainers.image.ref.name": _tag(reference)}
    index = {
        "schemaVersion": 2,
        "mediaType": _INDEX_TYPE,
        "manifests": [{**_descriptor(_MANIFEST_TYPE, manifest), "annotations": names}],
    }
    # Docker before 25 knows no OCI layout: it reads manifest.json, which may point into the same blobs.
    docker = [{"Config": _blob(config), "RepoTags": [reference], "Layers": [_blob(layer)]}]
    yield "oci-layout", _json({"imageLayoutVersion": "1.0.0"})
    yield "index.json", _json(index)
    yield "manifest.json", _json(docker)
    for content in (config, manifest, layer):
        yield _blob(content), content


def full_name(reference: str) -> str:
    """The name as containerd wants it, with its registry."""
    first, slash, _ = reference.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return reference
    return f"docker.io/{reference}" if slash else f"docker.io/library/{reference}"


def _tag(reference: str) -> str:
    return reference.rpartition("/")[2].partition(":")[2] or "latest"


def _descriptor(kind: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": kind, "digest": _digest(content), "size": len(content)}


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _blob(content: bytes) -> str:
    return f"blobs/sha256/{hashlib.sha256(content).hexdigest()}"


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def read_image(path: Path) -> BaseTar:
    """What an image written here is.

    Raises:
        BaseImageError: it is none, or not whole.
    """
    try:
        with tarfile.open(path) as archive:
            docker = json.loads(_content(archive, "manifest.json"))[0]
            config = json.loads(_content(archive, docker["Config"]))
            size = sum(archive.getmember(layer).size for layer in docker["Layers"])
    except (OSError, EOFError, KeyError, IndexError, ValueError, tarfile.TarError, gzip.BadGzipFile) as error:
        raise BaseImageError(f"{path} is no image of a base: {error}.") from error
    environment: Mapping[str, str] = dict(item.split("=", 1) for item in config["config"]["Env"])
    return BaseTar(
        path=path,
        reference=docker["RepoTags"][0],
        id="sha256:" + docker["Config"].rpartition("/")[2],
        python=environment.get("PYTHON_VERSION", ""),
        suite=config["config"]["Labels"].get(LABEL, ""),
        platform=f"linux/{config['architecture']}",
        size=size,
    )


def _content(archive: tarfile.TarFile, name: str) -> bytes:
    stream = archive.extractfile(name)
    return stream.read() if stream else b""
