"""What is said of an artifact that no runtime takes, or that several take."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from builder import samples
from modelbuild.artifact import Artifact, read_artifact
from modelbuild.declaration import Runtime
from modelbuild.errors import UnknownFormatError
from modelbuild.formats.detect import detect
from modelbuild.formats.rules import parse_rules
from modelbuild.runtime import builtin_runtimes

RUNTIMES = builtin_runtimes()


def look(path: Path, tmp_path: Path) -> Artifact:
    return read_artifact(path, cache=tmp_path / "cache")


def test_a_pickle_of_the_training_scripts_own_class_says_who_loads_it(tmp_path):
    (tmp_path / "m.pkl").write_bytes(b"c__main__\nModel\n.")
    with pytest.raises(UnknownFormatError, match="what the script that trained it defined") as caught:
        detect(look(tmp_path / "m.pkl", tmp_path), RUNTIMES)
    assert "--runtime sklearn" in caught.value.hint
    assert "--handler" in caught.value.hint


def test_other_pickles_say_what_they_refer_to(tmp_path):
    (tmp_path / "m.pkl").write_bytes(pickle.dumps({"a": complex(1, 2)}))
    with pytest.raises(UnknownFormatError, match="a pickle that refers to builtins"):
        detect(look(tmp_path / "m.pkl", tmp_path), RUNTIMES)


def test_a_refusal_says_what_to_do_and_what_is_here(tmp_path):
    (tmp_path / "model.engine").write_bytes(b"ftrt1234")
    with pytest.raises(UnknownFormatError, match="is a TensorRT engine, which no runtime here takes") as caught:
        detect(look(tmp_path / "model.engine", tmp_path), RUNTIMES)
    assert "one GPU and one version only" in caught.value.hint
    assert "onnx, " in caught.value.hint
    assert len(caught.value.hint) < 400  # a page of text hides the half line that helps


def test_the_unknown_is_described_by_its_first_bytes(tmp_path):
    (tmp_path / "m").write_bytes(b"\x01\x02hello")
    with pytest.raises(UnknownFormatError, match="its first bytes are 01 02 68 65") as caught:
        detect(look(tmp_path / "m", tmp_path), RUNTIMES)
    assert "--runtime" in caught.value.hint


def test_a_folder_around_a_single_model_leads_to_it(tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "readme.md").write_text("hello")
    (tmp_path / "m" / "model.onnx").write_bytes(samples.onnx_classifier())
    with pytest.raises(UnknownFormatError, match=r"takes the file model\.onnx in it") as caught:
        detect(look(tmp_path / "m", tmp_path), RUNTIMES)
    assert str(tmp_path / "m" / "model.onnx") in caught.value.hint


def test_a_folder_around_a_model_that_no_runtime_takes_names_it(tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "readme.md").write_text("hello")
    (tmp_path / "m" / "model.engine").write_bytes(b"ftrt1234")
    with pytest.raises(UnknownFormatError, match=r"m is a folder with model\.engine, a TensorRT engine, which no"):
        detect(look(tmp_path / "m", tmp_path), RUNTIMES)


def test_two_runtimes_that_match_are_both_named(tmp_path):
    (tmp_path / "m.x").write_text("x")
    rules = parse_rules([{"glob": "*.x"}], "test")
    runtimes = [Runtime(name=name, title=name, summary="", rules=rules) for name in ("one", "two")]
    with pytest.raises(UnknownFormatError, match="2 runtimes: one, two") as caught:
        detect(look(tmp_path / "m.x", tmp_path), runtimes)
    assert "--runtime one or --runtime two" in caught.value.hint
