from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from modelbuild.artifact import read_artifact
from modelbuild.config import Options
from modelbuild.errors import ArtifactError, UnknownFormatError, UnsafeArtifactError, UnsupportedModelError
from modelbuild.formats.detect import detect
from modelbuild.host import Host
from modelbuild.runtime import Reading, builtin_runtimes, read
from modelbuild.signature import TensorSpec
from modelbuild.source import read_source, require_safe

MODELS = Path(__file__).parents[3] / "shared" / "models" / "tf_savedmodel"
others = pytest.mark.skipif(not MODELS.is_dir(), reason="the models of others are not here (../shared/models)")
RUNTIMES = builtin_runtimes()
TENSORFLOW = next(runtime for runtime in RUNTIMES if runtime.name == "tensorflow")

FLOAT, STRING, COMPLEX, BFLOAT16 = 1, 7, 8, 14
Port = tuple[int, Sequence[int] | None]
ROWS: Port = (FLOAT, (-1, 2))


def field(number: int, value: int | str | bytes) -> bytes:
    """One field of a protobuf message."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value & (2**64 - 1))
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def tensor_info(port: Port) -> bytes:
    kind, shape = port
    dims = b"".join(field(2, field(1, size)) for size in shape or ())
    return field(1, "node:0") + field(2, kind) + (field(3, dims) if shape is not None else b"")


def signature(inputs: Mapping[str, Port], outputs: Mapping[str, Port], method: str = "") -> bytes:
    maps = [(1, inputs), (2, outputs)]
    entries = [
        field(n, field(1, name) + field(2, tensor_info(port))) for n, ports in maps for name, port in ports.items()
    ]
    return b"".join(entries) + field(3, method)


def saved_model(
    signatures: Mapping[str, bytes],
    *,
    operators: Sequence[str] = ("Placeholder",),
    in_functions: Sequence[str] = (),
    version: str = "2.17.0",
    tags: Sequence[str] = ("serve",),
    assets: Sequence[str] = (),
) -> bytes:
    meta = b"".join(field(4, tag) for tag in tags) + field(5, version)
    functions = b"".join(field(3, field(1, "n") + field(2, name)) for name in in_functions)
    graph = b"".join(field(1, field(1, "n") + field(2, name)) for name in operators) + field(2, field(1, functions))
    found = [field(1, meta), field(2, graph)]
    found += [field(5, field(1, key) + field(2, value)) for key, value in signatures.items()]
    found += [field(6, field(2, name)) for name in assets]
    return field(1, 1) + field(2, b"".join(found))


SERVED = {"serving_default": signature({"x": ROWS}, {"y": ROWS})}


def folder(at: Path, data: bytes, *files: str) -> Path:
    at.mkdir(parents=True, exist_ok=True)
    (at / "saved_model.pb").write_bytes(data)
    for name in files:
        (at / name).parent.mkdir(exist_ok=True)
        (at / name).write_bytes(b"x")
    return at


def reading(path: Path) -> Reading:
    artifact = read_artifact(path, cache=path.parent / "cache")
    assert detect(artifact, RUNTIMES).name == "tensorflow"
    return read(TENSORFLOW, artifact)


def of(data: bytes, tmp_path: Path) -> Reading:
    return reading(folder(tmp_path / "m", data))


def test_what_it_says_of_itself(tmp_path):
    found = of(saved_model(SERVED, version="2.17.0-rc1"), tmp_path)
    assert found.signature.inputs == (TensorSpec("x", "FP32", (-1, 2)),)
    assert found.signature.outputs == (TensorSpec("y", "FP32", (-1, 2)),)
    assert found.version == "2.17.0"
    assert found.options == {"signature": "serving_default", "tags": ["serve"]}
    assert (found.folder, found.name, found.model_version) == ("", "", "")
    assert found.metadata["written by"] == "TensorFlow 2.17.0-rc1"


def test_names_in_order_and_types(tmp_path):
    inputs = {"b": (STRING, (-1,)), "a": (BFLOAT16, ()), "c": (23, (-1, -1, 3))}
    found = of(saved_model({"serving_default": signature(inputs, {"y": (19, (-1,))})}), tmp_path).signature
    assert found.inputs == (
        TensorSpec("a", "FP32", ()),
        TensorSpec("b", "BYTES", (-1,)),
        TensorSpec("c", "UINT64", (-1, -1, 3)),
    )
    assert found.outputs[0].datatype == "FP16"


def test_a_model_of_one_row_takes_more(tmp_path):
    one = {"serving_default": signature({"x": (FLOAT, (1, 3))}, {"y": (FLOAT, (1,))})}
    assert of(saved_model(one), tmp_path).signature.inputs == (TensorSpec("x", "FP32", (-1, 3)),)
    fixed = {"serving_default": signature({"x": (FLOAT, (1, 3))}, {"y": (FLOAT, (3,))})}
    assert of(saved_model(fixed), tmp_path).signature.inputs == (TensorSpec("x", "FP32", (1, 3)),)


def test_a_shape_that_is_not_told_is_left_to_the_server(tmp_path):
    found = of(saved_model({"serving_default": signature({"x": (FLOAT, None)}, {"y": ROWS})}), tmp_path).signature
    assert found.inputs == ()
    assert found.outputs == (TensorSpec("y", "FP32", (-1, 2)),)


@pytest.mark.parametrize("version", ["unknown", ""])
def test_a_version_that_says_nothing_pins_nothing(version, tmp_path):
    assert of(saved_model(SERVED, version=version), tmp_path).version == ""


PREDICT = "tensorflow/serving/predict"
CHOICES = {
    "the only one": ({"score": signature({"x": ROWS}, {"y": ROWS})}, "score"),
    "the default": ({"a": signature({"x": ROWS}, {"y": ROWS}), **SERVED}, "serving_default"),
    "the one for predictions": (
        {
            "c": signature({"x": ROWS}, {"y": ROWS}, "tensorflow/serving/classify"),
            "p": signature({"x": ROWS}, {"y": ROWS}, PREDICT),
        },
        "p",
    ),
    "not the private one": (
        {"__saved_model_init_op": signature({}, {"op": ROWS}), "s": signature({"x": ROWS}, {"y": ROWS})},
        "s",
    ),
}


@pytest.mark.parametrize("case", CHOICES)
def test_which_signature(case, tmp_path):
    signatures, chosen = CHOICES[case]
    assert of(saved_model(signatures), tmp_path).options["signature"] == chosen


def test_the_user_chooses_a_signature(tmp_path):
    both = {"a": signature({"x": ROWS}, {"y": ROWS}), "b": signature({"z": ROWS}, {"y": ROWS})}
    path = folder(tmp_path / "m", saved_model(both))
    options = Options(runtime_option=("signature=b", "threads=2"))
    found = read_source(path, options, Host(tmp_path / "cache", "3.11", {})).reading
    assert [spec.name for spec in found.signature.inputs] == ["z"]
    assert found.options == {"signature": "b", "tags": ["serve"], "threads": 2}
    with pytest.raises(UnsupportedModelError, match="no signature 'c'") as caught:
        read(TENSORFLOW, read_artifact(path, cache=tmp_path / "cache"), {"signature": "c"})
    assert caught.value.hint == "It has these: a, b."


def test_several_signatures_or_none(tmp_path):
    both = {key: signature({"x": ROWS}, {"y": ROWS}) for key in ("a", "b")}
    with pytest.raises(UnsupportedModelError, match="signatures a, b, and none is called 'serving_default'") as caught:
        of(saved_model(both), tmp_path)
    assert "--runtime-option signature=a" in caught.value.hint
    with pytest.raises(UnsupportedModelError, match="no signature") as caught:
        of(saved_model({}), tmp_path)
    assert "model.export" in caught.value.hint


def test_of_several_graphs_the_one_for_serving(tmp_path):
    data = saved_model({}, tags=("gpu", "serve")) + saved_model(SERVED)
    assert of(data, tmp_path).options["tags"] == ["serve"]
    with pytest.raises(UnsupportedModelError, match=r"tagged 'serve' alone \(it has: train; serve, tpu\)"):
        of(saved_model({}, tags=("train",)) + saved_model(SERVED, tags=("tpu", "serve")), tmp_path)


@pytest.mark.parametrize("port, what", [((COMPLEX, (-1,)), "complex64"), ((21, (-1,)), "variant")])
def test_what_cannot_be_sent(port, what, tmp_path):
    with pytest.raises(UnsupportedModelError, match=f"The input 'x' of m is {what}"):
        of(saved_model({"serving_default": signature({"x": port}, {"y": ROWS})}), tmp_path)


def test_python_functions_are_not_in_the_file(tmp_path):
    with pytest.raises(UnsupportedModelError, match=r"a Python function \(EagerPyFunc\)"):
        of(saved_model(SERVED, in_functions=("EagerPyFunc",)), tmp_path)


def test_a_graph_that_writes_files_is_refused(tmp_path):
    found = of(saved_model(SERVED, operators=("RestoreV2",), in_functions=("WriteFile",)), tmp_path)
    assert [(item.severity, item.what) for item in found.findings] == [("danger", "WriteFile")]
    with pytest.raises(UnsafeArtifactError, match="WriteFile"):
        require_safe(found, allow_unsafe=False)


def test_operators_of_other_packages_are_told(tmp_path):
    found = of(saved_model(SERVED, in_functions=("WordpieceTokenizeWithOffsets",)), tmp_path)
    assert [(item.severity, item.what) for item in found.findings] == [("review", "operators of tensorflow_text")]


@pytest.mark.parametrize(
    "files, missing",
    [
        ((), "variables/variables.data-00000-of-00001, variables/variables.index"),
        (("variables/variables.index",), "variables/variables.data-00000-of-00001"),
        (("variables/variables.index", "variables/variables.data-00001-of-00002"), "variables.data-00000-of-00002"),
    ],
)
def test_weights_that_are_missing(files, missing, tmp_path):
    path = folder(tmp_path / "m", saved_model(SERVED, operators=("VarHandleOp",)), *files)
    with pytest.raises(ArtifactError, match=f"lacks .*{missing}"):
        reading(path)


def test_assets_that_are_missing(tmp_path):
    with pytest.raises(ArtifactError, match=r"lacks assets/vocabulary\.txt"):
        of(saved_model(SERVED, assets=("vocabulary.txt",)), tmp_path)


def test_cut_off_anywhere(tmp_path):
    whole = saved_model(SERVED, assets=())
    for end in range(3, len(whole)):
        with pytest.raises((ArtifactError, UnsupportedModelError)):
            of(whole[:end], tmp_path)


def source(path: Path, tmp_path: Path) -> tuple[str, str, str, list[str]]:
    found = read_source(path, Options(), Host(tmp_path / "cache", "3.11", {}))
    return (
        found.reading.name,
        found.reading.model_version,
        found.artifact.name,
        [file.path for file in found.artifact.files],
    )


def test_a_folder_of_versions_is_its_newest(tmp_path):
    for version in ("00000009", "00000123", "notes"):
        folder(tmp_path / "half" / version, saved_model(SERVED))
    both = source(tmp_path / "half", tmp_path)
    assert both == ("half", "123", "00000123", ["saved_model.pb"])
    assert source(tmp_path / "half" / "00000123", tmp_path) == both
    assert source(tmp_path / "half" / "00000009", tmp_path)[1] == "9"
    assert source(tmp_path / "half" / "notes", tmp_path)[:2] == ("", "")


@others
@pytest.mark.parametrize("level", ["", "1"])
@pytest.mark.parametrize("case", ["half_plus_three", "half_plus_two_tf2_cpu", "matrix_half_plus_two"])
def test_models_of_tensorflow_serving(case, level, tmp_path):
    artifact = read_artifact(MODELS / case / level, cache=tmp_path)
    found = read(detect(artifact, RUNTIMES), artifact)
    assert (found.name, found.model_version, found.format) == (case, "1", "savedmodel")
    assert found.version in {"1.0.0", "1.2.0", "2.14.0"}


@others
@pytest.mark.parametrize("level", ["", "1"])
def test_a_session_bundle_is_refused(level, tmp_path):
    artifact = read_artifact(MODELS / "NEG_bad_half_plus_two" / level, cache=tmp_path)
    with pytest.raises(UnknownFormatError, match="is a TensorFlow 1 checkpoint") as caught:
        detect(artifact, RUNTIMES)
    assert "Export it as a SavedModel" in caught.value.hint
