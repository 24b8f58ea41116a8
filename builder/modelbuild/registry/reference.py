"""Image references, by the grammar of the OCI distribution project: [registry[:port]/]path[:tag][@digest]."""

from __future__ import annotations

import re
from dataclasses import dataclass

from modelbuild.errors import UsageError

DEFAULT_REGISTRY = "docker.io"
DEFAULT_TAG = "latest"

_PART = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
_REGISTRY = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_NAME_LIMIT = 255


@dataclass(frozen=True, slots=True)
class Reference:
    """``registry`` is always named ("docker.io" when the user named none); ``tag`` or ``digest`` may be empty."""

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        """Without tag and digest, as people and engines write it: "python", "localhost:5000/team/fraud"."""
        if self.registry != DEFAULT_REGISTRY:
            return f"{self.registry}/{self.repository}"
        return self.repository.removeprefix("library/")

    @property
    def is_loopback(self) -> bool:
        """Whether the registry is on this machine, which is when engines accept plain HTTP."""
        host = self.registry.rsplit(":", 1)[0] if not self.registry.endswith("]") else self.registry
        return host in {"localhost", "[::1]"} or host.startswith("127.")

    def __str__(self) -> str:
        return self.name + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def parse(text: str) -> Reference:
    """Read a reference. Without tag and digest the tag is "latest".

    Raises:
        UsageError: it breaks a rule, which the message names.
    """
    if "://" in text:
        raise _refuse(text, "has a scheme", f"Write it without: {text.split('://', 1)[1]}")
    if not text or text != text.strip() or " " in text:
        raise _refuse(text, "is empty or has a space in it")
    rest, at, digest = text.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        raise _refuse(text, f"has the digest {digest!r}", "A digest is sha256: and 64 hexadecimal digits.")
    name, tag = _split_tag(rest)
    if tag is not None and not _TAG.fullmatch(tag):
        raise _refuse(
            text,
            f"has the tag {tag!r}",
            "A tag is up to 128 letters, digits, '_', '.' and '-', beginning with none of . -",
        )
    registry, repository = _split_registry(name)
    _check_name(text, registry, repository)
    if registry == DEFAULT_REGISTRY and "/" not in repository:
        repository = f"library/{repository}"
    return Reference(registry, repository, tag or ("" if digest else DEFAULT_TAG), digest)


def _split_tag(text: str) -> tuple[str, str | None]:
    """A colon after the last slash begins the tag; one before it belongs to the registry's port."""
    head, slash, last = text.rpartition("/")
    name, colon, tag = last.partition(":")
    return f"{head}{slash}{name}", tag if colon else None


def _split_registry(name: str) -> tuple[str, str]:
    """The first part is a registry if it looks like a host; that is the rule of every engine."""
    first, slash, rest = name.partition("/")
    if slash and (set(first) & set(".:[") or first == "localhost" or first != first.lower()):
        return ("docker.io" if first == "index.docker.io" else first), rest
    return DEFAULT_REGISTRY, name


def _check_name(text: str, registry: str, repository: str) -> None:
    if not _REGISTRY.fullmatch(registry):
        raise _refuse(text, f"has the registry {registry!r}", "A registry is a host name, with a port if need be.")
    for part in repository.split("/"):
        if _PART.fullmatch(part):
            continue
        if part != part.lower():
            raise _refuse(
                text, f"has capitals in {part!r}", f"Names are in lower case: {text.replace(part, part.lower())}"
            )
        raise _refuse(
            text,
            f"has {part!r} in its name" if part else "has an empty part in its name",
            "Each part is lower-case letters and digits, with single '.', '_' or '-' between them.",
        )
    if len(registry) + 1 + len(repository) > _NAME_LIMIT:
        raise _refuse(text, f"has a name of more than {_NAME_LIMIT} characters")


def _refuse(text: str, what: str, hint: str = "It looks like registry/team/name:version.") -> UsageError:
    return UsageError(f"{text!r} is no image reference: it {what}.", hint=hint)
