from __future__ import annotations

import os

import pytest

from modelbuild.dependencies.pip_settings import find_links


@pytest.fixture
def home(tmp_path):
    for name in ("user", "shared", "late", "named"):
        (tmp_path / name).mkdir()
    write(tmp_path / "etc" / "pip" / "pip.conf", f"[global]\nfind-links = {tmp_path}/shared\n")
    return {"HOME": str(tmp_path), "XDG_CONFIG_DIRS": str(tmp_path / "etc"), "PIP_CONFIG_FILE": ""}


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_the_nearest_file_that_says_it_wins(home, tmp_path):
    assert find_links(home) == (f"{tmp_path}/shared",)
    ours = f"[global]\nfind-links =\n  {tmp_path}/user\n  https://page/\n  /missing\n"
    write(tmp_path / ".config" / "pip" / "pip.conf", ours)
    assert find_links(home) == (f"{tmp_path}/user", "https://page/")
    named = tmp_path / "named.conf"
    write(named, f"[install]\nfind-links = {tmp_path}/late\n[global]\nfind-links = {tmp_path}/user\n")
    assert find_links({**home, "PIP_CONFIG_FILE": str(named)}) == (f"{tmp_path}/late",)


def test_variables_win_over_files_and_uvs_are_added(home, tmp_path):
    links = {"PIP_FIND_LINKS": f"{tmp_path}/user /missing", "UV_FIND_LINKS": f"{tmp_path}/late,{tmp_path}/user"}
    assert find_links({**home, **links}) == (f"{tmp_path}/user", f"{tmp_path}/late")
    assert find_links({**home, "PIP_FIND_LINKS": ""}) == ()
    assert find_links({**home, "PIP_CONFIG_FILE": os.devnull}) == ()


def test_a_file_that_is_no_configuration_says_nothing(home, tmp_path):
    write(tmp_path / ".config" / "pip" / "pip.conf", "find-links\n\0")
    write(tmp_path / "named.conf", "[global]\nfind-links = https://page/\n")
    assert find_links({**home, "PIP_CONFIG_FILE": str(tmp_path / "named.conf")}) == ("https://page/",)
