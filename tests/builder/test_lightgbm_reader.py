from __future__ import annotations

from pathlib import Path

import pytest

from modelbuild.artifact import read_artifact
from modelbuild.errors import ArtifactError
from modelbuild.formats.detect import detect
from modelbuild.runtime import Reading, builtin_runtimes, read
from modelbuild.signature import TensorSpec

RUNTIMES = builtin_runtimes()
LIGHTGBM = next(runtime for runtime in RUNTIMES if runtime.name == "lightgbm")
TREE = "Tree=0\nnum_leaves=1\n\n\n"


def model(
    names="age city zone",
    infos="[1:9] -1:0:1 0:1",
    objective="objective=regression\n",
    version="version=v4\n",
    tail="pandas_categorical:null\n",
    classes=1,
    parameters="",
):
    count = len(names.split(" "))
    return (
        f"tree\n{version}num_class={classes}\nmax_feature_idx={count - 1}\n{objective}feature_names={names}\n"
        f"feature_infos={infos}\ntree_sizes={len(TREE)}\n\n{TREE}end of trees\n\n{parameters}end of parameters\n\n{tail}"
    )


def reading(text: str, folder: Path) -> Reading:
    (folder / "model").write_bytes(text.encode())
    artifact = read_artifact(folder / "model", cache=folder / "cache")
    assert detect(artifact, RUNTIMES).name == "lightgbm"
    return read(LIGHTGBM, artifact)


def test_an_array_of_numbers(tmp_path):
    found = reading(model(names="Column_0 Column_1", infos="[1:2] none"), tmp_path)
    assert found.signature.inputs == (TensorSpec("X", "FP64", (-1, 2)),)
    assert found.signature.outputs == (TensorSpec("prediction", "FP64", (-1,)),)
    assert (found.options, found.findings) == ({}, ())
    assert found.metadata == {"objective": "regression", "features": "2", "trees": "1", "format version": "v4"}


@pytest.mark.parametrize("objective", ["binary sigmoid:1", "multiclass num_class:3"])
def test_names_of_classes_are_said_to_be_lost(objective, tmp_path):
    found = reading(model(objective=f"objective={objective}\n", classes=3), tmp_path)
    assert [(item.severity, item.what) for item in found.findings] == [("info", "classes are answered by number")]


@pytest.mark.parametrize("parameters", ["", "[categorical_feature: 1,2]\n"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_columns_of_a_frame_with_their_categories(parameters, line_end, tmp_path):
    tail = 'pandas_categorical:[["Lyon", "\\u00c9ze"], [10, 20]]\n'
    found = reading(model(tail=tail, parameters=parameters).replace("\n", line_end), tmp_path)
    assert found.signature.columns
    assert found.signature.inputs == (
        TensorSpec("age", "FP64", (-1,)),
        TensorSpec("city", "BYTES", (-1,), optional=True, labels=("Lyon", "Éze")),
        TensorSpec("zone", "INT64", (-1,), optional=True, labels=("10", "20")),
    )
    assert found.options == {"categories": {"city": ["Lyon", "Éze"], "zone": [10, 20]}}


def test_a_column_of_one_value_counts_among_the_categories(tmp_path):
    tail = 'pandas_categorical:[["Lyon"], [10, 20]]\n'
    found = reading(model(infos="[1:9] none 0:1", tail=tail, parameters="[categorical_feature: 1,2]\n"), tmp_path)
    assert found.options["categories"] == {"city": ["Lyon"], "zone": [10, 20]}


@pytest.mark.parametrize("tail", ['pandas_categorical:[["a"]]\n', "pandas_categorical:[[\n"])
def test_values_that_belong_to_nobody_are_not_guessed(tail, tmp_path):
    found = reading(model(tail=tail), tmp_path)
    assert [spec.datatype for spec in found.signature.inputs] == ["FP64"] * 3
    assert found.findings[0].severity == "review"


@pytest.mark.parametrize(
    ("objective", "classes", "expected"),
    [
        ("objective=binary sigmoid:1\n", 1, [("label", (-1,)), ("probabilities", (-1, 2))]),
        ("objective=multiclass num_class:3\n", 3, [("label", (-1,)), ("probabilities", (-1, 3))]),
        ("objective=lambdarank\n", 1, [("score", (-1,))]),
        ("objective=cross_entropy\n", 1, [("prediction", (-1,))]),
        ("", 3, [("prediction", (-1, 3))]),
    ],
)
def test_what_comes_out(objective, classes, expected, tmp_path):
    found = reading(model(objective=objective, classes=classes), tmp_path)
    assert [(spec.name, spec.shape) for spec in found.signature.outputs] == expected


def test_formats_of_before_and_after(tmp_path):
    assert reading(model(version=""), tmp_path).findings == ()
    assert reading(model(version="version=v5\n"), tmp_path).findings[0].severity == "review"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tree\nversion=v4\n", "has no whole header"),
        (model().replace("tree_sizes", "sizes"), "has no whole header"),
        (model().replace("max_feature_idx=2", "max_feature_idx=3"), "has no whole header"),
        (model().replace(f"tree_sizes={len(TREE)}", "tree_sizes=5 900"), "is cut off: its 2 trees are longer"),
    ],
)
def test_what_is_damaged(text, message, tmp_path):
    with pytest.raises(ArtifactError, match=message) as caught:
        reading(text, tmp_path)
    assert "save_model" in caught.value.hint
