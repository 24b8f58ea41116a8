"""Where packages come from. Credentials stay with the tools on this machine: what is written down is redacted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from modelbuild.dependencies.places import Places
from modelbuild.errors import UsageError

_USER_IN_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://)[^/\s@]+@", re.IGNORECASE)

# What uv itself reads from the environment and what changes a resolution: part of a lock's key.
_UV_VARIABLES = (
    "UV_CONFIG_FILE",
    "UV_CONSTRAINT",
    "UV_DEFAULT_INDEX",
    "UV_EXCLUDE_NEWER",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
    "UV_INDEX",
    "UV_INDEX_STRATEGY",
    "UV_INDEX_URL",
    "UV_NO_INDEX",
    "UV_OVERRIDE",
    "UV_PRERELEASE",
    "UV_RESOLUTION",
    "UV_TORCH_BACKEND",
)

_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


@dataclass(frozen=True, slots=True)
class Index:
    """Package indexes, as the user named them. An empty ``index_url`` is PyPI, or what uv's configuration says.

    ``find_links`` are folders or pages of wheels. With ``offline`` nothing but them and uv's cache is asked. ``places``
    has the distributions that come from one place only.
    """

    index_url: str = ""
    extra_index_url: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    ca_file: Path | None = None
    offline: bool = False
    places: Places = field(default_factory=dict)


def redact(text: str) -> str:
    """The text without the credentials of the URLs in it."""
    return _USER_IN_URL.sub(r"\g<scheme>", text)


def has_credentials(url: str) -> bool:
    """Does this URL carry a user or a password?"""
    return "@" in urlsplit(url).netloc


def public_url(url: str) -> str:
    """The URL without user, password and query, which may hold a token."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def system_bundle(environment: Mapping[str, str]) -> Path | None:
    """The certificates that this machine trusts, in one file."""
    candidates = (environment.get("SSL_CERT_FILE", ""), *_BUNDLES)
    return next((Path(name) for name in candidates if name and Path(name).is_file()), None)


def trusted(index: Index, environment: Mapping[str, str]) -> str:
    """The index's own certificates and the machine's, as one PEM text; empty where nothing is to be added.

    Raises:
        UsageError: the file is missing, or holds no certificate.
    """
    if index.ca_file is None:
        return ""
    try:
        own = index.ca_file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"The CA file {index.ca_file} cannot be read: {error.strerror}.") from error
    if "-----BEGIN CERTIFICATE-----" not in own:
        raise UsageError(
            f"The CA file {index.ca_file} holds no certificate.", hint="It must be PEM: -----BEGIN CERTIFICATE-----."
        )
    bundle = system_bundle(environment)
    return own.rstrip() + "\n" + (bundle.read_text(encoding="utf-8", errors="replace") if bundle else "")


def uv_environment(index: Index, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment for uv. URLs go here and not on its command line, which every user of a machine can read."""
    result = {key: value for key, value in environment.items() if key not in {"VIRTUAL_ENV", "PYTHONPATH"}}
    result |= {"UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1", "NO_COLOR": "1"}
    if index.index_url:
        result["UV_DEFAULT_INDEX"] = index.index_url
        # The older names would win over, or add to, what was asked for.
        result.pop("UV_INDEX_URL", None)
    if index.extra_index_url:
        result["UV_INDEX"] = " ".join(index.extra_index_url)
        result.pop("UV_EXTRA_INDEX_URL", None)
    if not any(name in result for name in ("SSL_CERT_FILE", "UV_SYSTEM_CERTS", "UV_NATIVE_TLS")) and system_bundle({}):
        # A company's own authority is usually installed in the system: pip trusts it, and so do we.
        result["UV_SYSTEM_CERTS"] = "1"
    if index.offline:
        result["UV_OFFLINE"] = "1"
    return result


def identity(index: Index, environment: Mapping[str, str]) -> list[str]:
    """What of the index can change a resolution, without secrets: part of a lock's key."""
    settings = [f"{name}={redact(environment[name])}" for name in _UV_VARIABLES if name in environment]
    urls = [public_url(url) for url in (index.index_url, *index.extra_index_url)]
    own = [f"{name}={_links_identity(place)}" for name, place in sorted(index.places.items())]
    return [*urls, *(_links_identity(link) for link in index.find_links), *own, *settings]


def _links_identity(link: str) -> str:
    """A page is its URL; a folder is what lies in it, so that a new wheel is seen at once."""
    folder = Path(link)
    if "://" in link or not folder.is_dir():
        return public_url(link) if "://" in link else link
    entries = sorted((entry.name, entry.stat()) for entry in folder.iterdir() if entry.is_file())
    return repr([(name, status.st_size, status.st_mtime_ns) for name, status in entries])
