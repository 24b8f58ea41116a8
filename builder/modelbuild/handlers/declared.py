"""What a handler declares that it needs: a PEP 723 block in it, or a requirements.txt beside it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from modelbuild.errors import HandlerError

FILE_NAME = "requirements.txt"
MAX_DEPTH = 5
# As PEP 723 gives it.
_BLOCK = re.compile(r"(?m)^# /// (?P<type>[a-zA-Z0-9-]+)$\s(?P<content>(^#(| .*)$\s)+)^# ///$")
_OPTION_HINTS = {
    "--index-url": "Name the index with mbuild's --index-url.",
    "-i": "Name the index with mbuild's --index-url.",
    "--extra-index-url": "Name the index with mbuild's --extra-index-url.",
    "--find-links": "Name the folder with mbuild's --find-links.",
    "-f": "Name the folder with mbuild's --find-links.",
    "-e": "Build a wheel of it and give its folder with --find-links, or put its modules beside the handler.",
    "--editable": "Build a wheel of it and give its folder with --find-links, or put its modules beside the handler.",
    "-c": "Put the constraints into the requirements themselves.",
    "--constraint": "Put the constraints into the requirements themselves.",
}
_IGNORED_OPTIONS = ("--prefer-binary", "--only-binary", "--no-binary", "--pre", "--trusted-host", "--require-hashes")


@dataclass(frozen=True, slots=True)
class Declared:
    """Requirements and the Python they want, empty where nothing is declared."""

    requirements: tuple[str, ...] = ()
    python: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the distributions."""
        return tuple(Requirement(item).name for item in self.requirements)


def declared(path: Path, text: str) -> Declared:
    """What the module at ``path`` declares in itself, else what the file beside it does.

    Raises:
        HandlerError: the block or the file is malformed, or asks for what an image cannot have.
    """
    block = _block(path, text)
    if block is not None:
        return block
    file = path.parent / FILE_NAME
    return Declared(tuple(_read_file(file, 0))) if file.is_file() else Declared()


def _block(path: Path, text: str) -> Declared | None:
    found = [match for match in _BLOCK.finditer(text.replace("\r\n", "\n")) if match["type"] == "script"]
    if not found:
        return None
    if len(found) > 1:
        raise HandlerError(f"{path} has {len(found)} PEP 723 blocks.", hint="Keep one '# /// script' block.")
    lines = found[0]["content"].splitlines()
    content = "\n".join(line[2:] if line.startswith("# ") else line[1:] for line in lines)
    try:
        table = tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise HandlerError(
            f"The PEP 723 block of {path} is no TOML: {error}.", hint='It holds dependencies = ["pandas>=2"].'
        ) from error
    items = table.get("dependencies", [])
    python = table.get("requires-python", "")
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise HandlerError(f"'dependencies' in the PEP 723 block of {path} must be a list of texts.")
    return Declared(tuple(_checked(item, f"the PEP 723 block of {path}") for item in items), _specifier(path, python))


def _specifier(path: Path, python: object) -> str:
    try:
        return str(SpecifierSet(str(python)))
    except InvalidSpecifier as error:
        raise HandlerError(
            f"'requires-python' in the PEP 723 block of {path} cannot be {python!r}.",
            hint='It is a version specifier, as ">=3.11".',
        ) from error


def _read_file(path: Path, depth: int) -> Iterator[str]:
    if depth > MAX_DEPTH:
        raise HandlerError(f"{path} includes itself.", hint="Remove the -r line that closes the circle.")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise HandlerError(f"{path} cannot be read: {error}.") from error
    # A backslash at a line's end joins it with the next; hashes are on such lines.
    for line in re.sub(r"\\\r?\n", " ", text).splitlines():
        item = re.sub(r"(^|\s)#.*$", "", line).strip()
        if item:
            yield from _line(path, item, depth)


def _line(path: Path, item: str, depth: int) -> Iterator[str]:
    option = re.split(r"[ =]", item)[0] if item.startswith("-") else ""
    if option in {"-r", "--requirement"} or item.startswith("-r"):
        yield from _read_file(
            path.parent / item.removeprefix("--requirement").removeprefix("-r").strip(" ="), depth + 1
        )
    elif option in _IGNORED_OPTIONS:
        return
    elif item.startswith("-"):
        hint = _OPTION_HINTS.get(option, "Keep to requirements: NAME, NAME==VERSION, NAME>=VERSION.")
        raise HandlerError(f"{path} has the option {option}, which is not read from there.", hint=hint)
    else:
        # Hashes pin the author's platform; mbuild locks its own.
        yield _checked(re.sub(r"\s--hash[= ]\S+", "", item).strip(), str(path))


def _checked(item: str, where: str) -> str:
    try:
        requirement = Requirement(item)
    except InvalidRequirement as error:
        hint = "It is NAME, NAME==VERSION or NAME>=VERSION."
        if re.match(r"[./~]|[a-z+]+://|.*\.(whl|tar\.gz|zip)$", item):
            hint = "Give a file's folder with --find-links and write its name and version here."
        raise HandlerError(f"{where} has {item!r}, which is no requirement.", hint=hint) from error
    if requirement.url and not re.match(r"https?://", requirement.url):
        raise HandlerError(
            f"{where} asks for {requirement.name} from {requirement.url}.",
            hint="Build a wheel of it, give its folder with --find-links, and write its name and version here.",
        )
    return str(requirement)
