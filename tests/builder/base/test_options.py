"""modelbuild.base.options: what was asked for, settled; and where the packages come from."""

from pathlib import Path

import pytest

from modelbuild.base import BaseOptions
from modelbuild.base.contents import package_names
from modelbuild.base.debian import sources
from modelbuild.base.options import Recipe, settle
from modelbuild.errors import BaseImageError


def nowhere(_: str) -> Path | None:
    return None


def settled(**given) -> Recipe:
    return settle(BaseOptions(**given), nowhere)


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    return make_prefix(tmp_path / "prefix", "3.9")


def make_prefix(folder: Path, *pythons: str) -> Path:
    for python in pythons:
        library = folder / "lib" / f"python{python}"
        library.mkdir(parents=True)
        (library / "os.py").touch()
        (folder / "bin").mkdir(exist_ok=True)
        (folder / "bin" / f"python{python}").touch()
    return folder


@pytest.mark.parametrize(
    ("given", "python", "suite", "tag"),
    [
        ({}, "3.11", "bookworm", "python:3.11-slim"),
        ({"python": "3.13"}, "3.13", "trixie", "python:3.13-slim"),
        ({"suite": "trixie"}, "3.13", "trixie", "python:3.13-slim"),
        ({"with_pip": True}, "3.11", "bookworm", "python:3.11"),
        ({"tag": "our/base:1"}, "3.11", "bookworm", "our/base:1"),
    ],
)
def test_defaults_follow_from_what_was_said(given: dict[str, str], python: str, suite: str, tag: str) -> None:
    recipe = settled(**given)

    assert (recipe.python, recipe.suite, recipe.tag) == (python, suite, tag)


def test_a_prefix_names_its_own_python_and_keeps_the_oldest_libc(prefix: Path) -> None:
    recipe = settled(prefix=prefix)

    assert (recipe.python, recipe.suite, recipe.tag) == ("3.9", "bookworm", "python:3.9-slim")
    assert recipe.debian_python == "3.11"  # whose libraries the interpreter will use


@pytest.mark.parametrize(
    ("given", "message", "hint"),
    [
        ({"python": "3.9"}, "carries Python 3.9", "--prefix DIR"),
        ({"python": "3.13", "suite": "bookworm"}, "bookworm carries Python 3.11, not 3.13", "--suite trixie"),
        ({"suite": "bullseye"}, "'bullseye' is unknown", "bookworm (Python 3.11)"),
        ({"python": "3.11.2"}, "'3.11.2' is no version", "3.11"),
        ({"ca_file": Path("/nonexistent.pem")}, "/nonexistent.pem cannot be read", ""),
    ],
)
def test_contradictions_are_named(given: dict[str, str], message: str, hint: str) -> None:
    with pytest.raises(BaseImageError) as raised:
        settled(**given)

    assert message in raised.value.message
    assert hint in raised.value.hint


def test_the_hint_names_an_interpreter_of_this_machine(prefix: Path) -> None:
    with pytest.raises(BaseImageError) as raised:
        settle(BaseOptions(python="3.9"), lambda _: prefix / "bin/python3.9")

    assert raised.value.hint == f"This machine has one: mbuild base --python 3.9 --prefix {prefix}"


def test_prefixes_that_are_none(tmp_path: Path) -> None:
    environment = make_prefix(tmp_path / "venv", "3.11")
    (environment / "pyvenv.cfg").touch()
    both = make_prefix(tmp_path / "both", "3.9", "3.12")

    with pytest.raises(BaseImageError, match="is a virtual environment"):
        settled(prefix=environment)
    with pytest.raises(BaseImageError, match="holds no Python"):
        settled(prefix=tmp_path)
    with pytest.raises(BaseImageError, match=r"holds Python 3\.12 and 3\.9"):
        settled(prefix=both)
    assert settled(prefix=both, python="3.12").python == "3.12"


def test_a_file_without_certificates_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_text("nothing")

    with pytest.raises(BaseImageError, match="holds no certificate"):
        settled(ca_file=path)


def test_everything_that_changes_the_base_changes_its_name_in_the_cache(tmp_path: Path, prefix: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_text("-----BEGIN CERTIFICATE-----")
    asked = [
        {},
        {"suite": "trixie"},
        {"mirror": "http://mirror/debian"},
        {"prefix": prefix},
        {"with_pip": True},
        {"with_pip": True, "tag": "python:3.11-slim"},
        {"ca_file": path},
        {"tag": "a:1"},
    ]

    keys = {settled(**given).key("2026-W47") for given in asked}

    assert len(keys) == len(asked)
    assert settled().key("2026-W47") != settled().key("2026-W48")
    assert settled().key("2026-W47").startswith("python-3.11-bookworm-2026-W47-")


def test_packages_follow_the_recipe() -> None:
    assert {"python3.11", "python3-distutils", "libgomp1"} <= set(package_names(settled()))
    assert "python3-distutils" not in package_names(settled(suite="trixie"))
    assert "dash" not in package_names(settled())
    assert {"dash", "python3-pip-whl"} <= set(package_names(settled(with_pip=True)))


def test_sources_leave_out_what_a_mirror_lacks() -> None:
    def answers(url: str) -> str:
        return "404" if "security" in url else ""

    assert sources(settled(mirror="http://mirror/debian/"), answers) == [
        "deb http://mirror/debian bookworm main",
        "deb http://mirror/debian bookworm-updates main",
    ]


def test_sources_include_security_updates() -> None:
    last = sources(settled(), lambda _: "")[-1]

    assert last == "deb http://deb.debian.org/debian-security bookworm-security main"


def test_a_mirror_that_does_not_answer_is_named_with_its_reason() -> None:
    with pytest.raises(BaseImageError) as raised:
        sources(settled(mirror="http://mirror/debian"), lambda _: "Connection refused")

    assert raised.value.message == "The Debian mirror http://mirror/debian has no bookworm: Connection refused."
    assert "--mirror URL" in raised.value.hint
