from __future__ import annotations

import io
import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest

from builder.opcodes import call, name, text, whole
from environments import make_sample
from modelbuild.artifact import read_artifact
from modelbuild.config import make_options
from modelbuild.errors import ArtifactError, HandlerError, UnsafeArtifactError, UnsupportedModelError
from modelbuild.formats.detect import detect
from modelbuild.host import this_host
from modelbuild.runtime import Reading, builtin_runtimes, read
from modelbuild.signature import TensorSpec
from modelbuild.source import read_source, require_code, require_safe

RUNTIMES = builtin_runtimes()
PYTORCH = next(runtime for runtime in RUNTIMES if runtime.name == "pytorch")
EVIL = call(name("posix", "system"), text("true"))
STORAGE = b"(" + text("storage") + name("torch", "FloatStorage") + text("0") + text("cpu") + b"K\x06tQ"
TENSOR = call(
    name("torch._utils", "_rebuild_tensor_v2"), STORAGE, b"K\0", b"K\x02K\x03\x86", b"K\x03K\x01\x86", b"\x89"
)
WEIGHTS = whole(b"}(" + text("w") + TENSOR + b"u", 2)
MODULE = whole(name("__main__", "Net") + b"\x81" + b"}" + text("w") + TENSOR + b"sb", 2).replace(b"\x81", b")\x81", 1)


def zipped(path: Path, members: dict[str, bytes | str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for inner, data in members.items():
            archive.writestr(f"m/{inner}", data)
    return path


def saved(data: bytes) -> bytes:
    """As torch.save writes it."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("archive/data.pkl", data)
        archive.writestr("archive/version", "3")
    return stream.getvalue()


def reading(path: Path) -> Reading:
    artifact = read_artifact(path, cache=path.parent / "cache")
    assert detect(artifact, RUNTIMES).name == "pytorch"
    return read(PYTORCH, artifact)


def script(folder: Path, code: str = "def forward(self, x: Tensor) -> Tensor:\n", **more: bytes) -> Path:
    members: dict[str, bytes | str] = {"data.pkl": WEIGHTS, "constants.pkl": b"\x80\x02)."}
    return zipped(folder / "m.pt", {**members, "code/__torch__.py": code, "version": "3\n", **more})


def tensor(dtype: int, *sizes: int | str) -> dict[str, Any]:
    shape = [{"as_int": size} if isinstance(size, int) else {"as_expr": {"expr_str": size}} for size in sizes]
    return {"dtype": dtype, "sizes": shape}


def user(kind: str, argument: str) -> dict[str, Any]:
    return {f"user_{kind}": {"arg": {"as_tensor": {"name": argument}}}}


def program(outputs: str = "", target: str = "torch.ops.aten.linear.default", dtype: int = 13) -> dict[str, Any]:
    leaf = {"type": None, "context": None, "children_spec": []}
    spec = {"type": "builtins.dict", "context": '["scores"]', "children_spec": [leaf]}
    entry = {"forward_arg_names": ["features"], "out_spec": outputs or json.dumps([1, spec])}
    weight = {"parameter": {"arg": {"name": "w"}, "parameter_name": "w"}}
    return {
        "torch_version": "2.8.0a0+git1234",
        "graph_module": {
            "graph": {
                "nodes": [{"target": target}],
                "tensor_values": {"w": tensor(7, 2, 3), "arg_1": tensor(7, "s0", 3), "linear": tensor(dtype, "s0", 2)},
            },
            "signature": {"input_specs": [weight, user("input", "arg_1")], "output_specs": [user("output", "linear")]},
            "module_call_graph": [{"fqn": "", "signature": entry}],
        },
    }


def exported(folder: Path, document: Any, **more: bytes | str) -> Path:
    return zipped(folder / "m.pt2", {"models/model.json": json.dumps(document), "archive_format": "pt2", **more})


def dangers(found: Reading) -> list[str]:
    return [finding.what for finding in found.findings if finding.severity == "danger"]


def test_what_pytorch_itself_exported(tmp_path):
    found = reading(make_sample("pytorch", tmp_path).path)
    assert found.format == "torch.export"
    assert found.findings == ()
    assert found.signature.inputs == (TensorSpec("features", "FP32", (-1, 3)), TensorSpec("channel", "INT64", (-1,)))
    assert found.signature.outputs == (
        TensorSpec("label", "INT64", (-1,)),
        TensorSpec("probabilities", "FP32", (-1, 2)),
    )
    assert found.version.count(".") == 2


def test_a_program_of_torch_export(tmp_path):
    found = reading(exported(tmp_path, program()))
    assert (found.version, found.requirements) == ("2.8.0", ("filelock", "networkx", "sympy"))
    assert found.signature.inputs == (TensorSpec("features", "FP32", (-1, 3)),)
    assert found.signature.outputs == (TensorSpec("scores", "FP32", (-1, 2)),)  # bfloat16


def test_a_program_says_no_more_than_it_must(tmp_path):
    document = program()
    del document["graph_module"]["module_call_graph"][0]["signature"]
    (tmp_path / "old.pt2").write_bytes(b"")
    with zipfile.ZipFile(tmp_path / "old.pt2", "w") as archive:
        archive.writestr("serialized_exported_program.json", json.dumps(document))
        archive.writestr("serialized_state_dict.pt", saved(WEIGHTS))
    found = reading(tmp_path / "old.pt2")
    assert [spec.name for spec in (*found.signature.inputs, *found.signature.outputs)] == ["arg_1", "output"]
    assert found.findings == ()


def test_pickles_inside_a_program_are_looked_into(tmp_path):
    """PyTorch loads example inputs, and weights that say so, without a guard."""
    config = json.dumps({"config": {"w": {"path_name": "weight_0", "use_pickle": True}}})
    for members in (
        {"data/sample_inputs/model.pt": saved(whole(EVIL, 2))},
        {"data/weights/model_weights_config.json": config, "data/weights/weight_0": saved(whole(EVIL, 2))},
        {"data/constants/model.pt": whole(EVIL, 2)},
    ):
        found = reading(exported(tmp_path, program(), **members))
        assert dangers(found) == ["posix.system"], members
    with pytest.raises(UnsafeArtifactError, match=r"would execute posix\.system"):
        require_safe(found, allow_unsafe=False)
    assert reading(exported(tmp_path, program(), **{"data/sample_inputs/model.pt": saved(WEIGHTS)})).findings == ()


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (lambda folder: exported(folder, []), "is no program"),
        (lambda folder: exported(folder, {**program(), "graph_module": None}), "is no program"),
        (lambda folder: exported(folder, program(outputs='[1, {"type": "my.Output"}]')), "returns a my.Output"),
        (lambda folder: zipped(folder / "m.pt2", {"models/model.json": "{"}), "is no JSON"),
        (lambda folder: zipped(folder / "m.pt", {"constants.pkl": "", "code/x.py": ""}), r"without its data\.pkl"),
        (lambda folder: zipped(folder / "m.pt", {"data.pkl": WEIGHTS[:-9]}), "ends too early"),
    ],
)
def test_damaged_files(path, message, tmp_path):
    with pytest.raises(ArtifactError, match=message):
        reading(path(tmp_path))


def test_what_cannot_be_served(tmp_path):
    with pytest.raises(UnsupportedModelError, match=r"'scores' of m\.pt2 is of a type that no protocol can carry"):
        reading(exported(tmp_path, program(dtype=10)))
    with pytest.raises(UnsupportedModelError, match="2 programs"):
        reading(exported(tmp_path, program(), **{"models/other.json": "{}"}))


def test_torchscript_that_touches_files_or_needs_other_operators(tmp_path):
    found = reading(script(tmp_path))
    assert (found.format, found.findings, found.metadata["kind"]) == ("torchscript", (), "scripted")
    assert reading(script(tmp_path, **{"traced_inputs.pkl": b"x"})).metadata["kind"] == "traced"
    code = '  torch.save(x, "/tmp/x")\n  y = torch.from_file("/etc/passwd")\n  return ops.torchvision.nms(x, y, 0.5)\n'
    found = reading(script(tmp_path, code + "  _0 = ops.prim.data(x)\n"))
    assert sorted(dangers(found)) == ["torch.from_file", "torch.save"]
    assert [item.what for item in found.findings if item.severity == "review"] == ["operators of torchvision"]
    foreign = reading(exported(tmp_path, program(target="torch.ops.torchvision.nms.default")))
    assert [item.what for item in foreign.findings] == ["operators of torchvision"]


def old(data: bytes) -> bytes:
    """As torch.save wrote it before 1.6."""
    magic = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e")
    return (
        magic
        + pickle.dumps(1001, 2)
        + pickle.dumps({"little_endian": True}, 2)
        + data
        + pickle.dumps(["0"], 2)
        + bytes(32)
    )


@pytest.mark.parametrize("wrap", [saved, old])
def test_weights_and_whole_modules_are_told_apart(wrap, tmp_path):
    path = tmp_path / "m.pt"
    path.write_bytes(wrap(WEIGHTS))
    found = reading(path)
    assert found.format.startswith("weights (torch.save")
    assert (dangers(found), found.options) == ([], {})
    assert found.needs == "build_model"
    path.write_bytes(wrap(MODULE))
    found = reading(path)
    assert found.format.startswith("pickled module (torch.save")
    assert (dangers(found), found.options) == (["whatever its pickle says"], {"pickled": True})
    assert ("review", "__main__.Net") in [(item.severity, item.what) for item in found.findings]
    path.write_bytes(wrap(whole(EVIL, 2)))
    assert dangers(reading(path)) == ["whatever its pickle says", "posix.system"]
    with pytest.raises(UnsafeArtifactError, match=r"would execute posix\.system, whatever"):
        require_safe(reading(path), allow_unsafe=False)


HANDLERS = {
    "def build_model():\n    pass\n": True,
    "def load(context):\n    pass\n\n\ndef predict(model, inputs):\n    pass\n": True,
    "def handle(data, context):\n    pass\n": True,
    "def preprocess(inputs):\n    pass\n": False,
    "": False,
}


@pytest.mark.parametrize("code", HANDLERS)
def test_weights_need_a_handler_that_has_their_code(code, tmp_path):
    (tmp_path / "m.pt").write_bytes(saved(WEIGHTS))
    (tmp_path / "h.py").write_text(code)
    handler = {"handler": tmp_path / "h.py"} if code else {}
    source = read_source(tmp_path / "m.pt", make_options(handler), this_host({"MBUILD_CACHE": str(tmp_path / "cache")}))
    if HANDLERS[code]:
        require_code(source)
        return
    with pytest.raises(HandlerError, match=r"m\.pt holds weights .*, and not the code") as caught:
        require_code(source)
    assert "build_model()" in caught.value.hint


def safetensors(folder: Path, header: Any, size: int = 24) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":")).encode()
    path = folder / "model.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(size))
    return path


def test_safetensors(tmp_path):
    header = {"__metadata__": {"format": "pt"}, "w": {"dtype": "BF16", "shape": [2, 6], "data_offsets": [0, 24]}}
    found = reading(safetensors(tmp_path, header))
    assert (found.format, found.requirements) == ("weights (safetensors)", ("safetensors",))
    assert found.metadata == {"tensors": "1", "datatypes": "BF16"}
    with pytest.raises(ArtifactError, match="the last 4 bytes of its tensors are missing"):
        reading(safetensors(tmp_path, header, 20))
    for damaged in (b'{"w": 1}', b'{"w": {"dtype": "F32"}}', b'{"w":', b'{"w": []}'):
        with pytest.raises(ArtifactError, match=r"header of model\.safetensors"):
            reading(safetensors(tmp_path, damaged))
    path = safetensors(tmp_path, header)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(ArtifactError, match="is cut off"):
        reading(path)
