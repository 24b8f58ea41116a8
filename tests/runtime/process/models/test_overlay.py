from __future__ import annotations

import logging
from pathlib import Path

import pytest

from modelbuild_runtime.errors import LoadError
from modelbuild_runtime.manifest import Manifest, Model, Runtime
from modelbuild_runtime.process.models.overlay import overlaid


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "image"
    (folder / "model" / "saved").mkdir(parents=True)
    (folder / "model" / "model.pkl").write_text("packaged")
    for name in ("weights.bin", "config.json"):
        (folder / "model" / "saved" / name).write_text("packaged")
    return folder


def served(root: Path, mounted: Path, path: str = "model/model.pkl") -> Path:
    manifest = Manifest(Model("m", "1", path), Runtime("echo"))
    return root / overlaid(manifest, root, {"SM_MODEL_DIR": str(mounted)}).model.path


def mounted(tmp_path: Path, *names: str) -> Path:
    folder = tmp_path / "mounted"
    folder.mkdir()
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("mounted")
    return folder


@pytest.mark.parametrize("names", [(), ("code/inference.py",), (".hidden",)])
def test_where_no_model_is_mounted_the_packaged_one_is_served(tmp_path, root, names):
    assert served(root, mounted(tmp_path, *names)) == root / "model" / "model.pkl"
    assert served(root, tmp_path / "missing") == root / "model" / "model.pkl"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("model.pkl", "other.pkl"), "model.pkl"),
        (("retrained.pkl", "notes.txt"), "retrained.pkl"),
        (("retrained.pkl", "code/inference.py", "code/more.pkl"), "retrained.pkl"),
    ],
)
def test_a_file_of_the_same_name_or_the_only_one_of_its_kind(tmp_path, root, names, expected):
    folder = mounted(tmp_path, *names)
    assert served(root, folder) == folder / expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("weights.bin", "config.json", "more.txt"), "."),
        (("saved/weights.bin", "saved/config.json"), "saved"),
        (("1/weights.bin", "1/config.json"), "1"),
    ],
)
def test_a_folder_with_all_that_the_packaged_one_has(tmp_path, root, names, expected):
    folder = mounted(tmp_path, *names)
    assert served(root, folder, "model/saved") == folder / expected


@pytest.mark.parametrize(
    ("names", "path", "wanted"),
    [
        (("model.onnx",), "model/model.pkl", "a file model.pkl, or just one that ends in .pkl"),
        (("a.pkl", "b.pkl"), "model/model.pkl", "a file model.pkl"),
        (("weights.bin",), "model/saved", "a folder with config.json, weights.bin, as the packaged saved has"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_would(tmp_path, root, names, path, wanted):
    with pytest.raises(LoadError) as caught:
        served(root, mounted(tmp_path, *names), path)
    assert wanted in caught.value.message
    assert names[0] in caught.value.message


def test_the_log_says_which_one_is_served(tmp_path, root, caplog):
    with caplog.at_level(logging.WARNING):
        served(root, mounted(tmp_path, "retrained.pkl", "code/inference.py"))
    assert "retrained.pkl, which the platform mounted, in place of the packaged model.pkl" in caplog.text
    assert "the handler is the one in the image" in caplog.text
