"""The wheel, not the checkout: its literal list of files, and that it works where nothing else is."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import uv

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "goldens/wheel.txt"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([uv.find_uv_bin(), "build", "-q", "--wheel", "--out-dir", folder, ROOT], check=True)
    (path,) = folder.glob("*.whl")
    return path


def test_the_list_of_files(wheel, golden):
    with zipfile.ZipFile(wheel) as archive:
        names = sorted(name for name in archive.namelist() if ".dist-info/" not in name)
    golden(GOLDEN, "\n".join(names) + "\n")


def test_it_works_alone(wheel, tmp_path):
    python = tmp_path / "venv/bin/python"
    subprocess.run([uv.find_uv_bin(), "venv", "-q", "--python", sys.executable, tmp_path / "venv"], check=True)
    subprocess.run([uv.find_uv_bin(), "pip", "install", "-q", "--python", python, wheel], check=True)
    command = [tmp_path / "venv/bin/mbuild"]
    runtimes = subprocess.run(
        [*command, "runtimes", "--json"], check=True, capture_output=True, text=True, cwd=tmp_path
    )
    assert '"onnx"' in runtimes.stdout
    # The templates and the server travel inside: rendering needs both, and no engine.
    (tmp_path / "bad.onnx").write_bytes(b"")
    refused = subprocess.run(
        [*command, "inspect", "bad.onnx"], check=False, capture_output=True, text=True, cwd=tmp_path
    )
    assert refused.returncode == 10
    found = subprocess.run(
        [
            python,
            "-c",
            "from modelbuild.planning.dockerfile import templates_folder; print(*templates_folder().iterdir())",
        ],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert "Dockerfile.j2" in found.stdout
    assert str(ROOT) not in found.stdout
