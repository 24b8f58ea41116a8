from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from builder import samples
from modelbuild.artifact import read_artifact, with_companions
from modelbuild.errors import ArtifactError, UnsupportedModelError
from modelbuild.runtime import Reading, builtin_runtimes, read
from modelbuild.signature import TensorSpec

MODELS = Path(__file__).parents[3] / "shared" / "models"
ONNX = next(runtime for runtime in builtin_runtimes() if runtime.name == "onnx")

Value = onnx.ValueInfoProto


def tensor(name: str, kind: int = TensorProto.FLOAT, shape: Any = ("n", 2)) -> Value:
    return helper.make_tensor_value_info(name, kind, shape)


def model(
    nodes: Any = None,
    inputs: Any = None,
    outputs: Any = None,
    weights: Any = (),
    opsets: Any = (("", 17),),
    ir_version: int = 8,
    **more: Any,
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes or [helper.make_node("Identity", ["x"], ["y"])],
        "graph",
        inputs or [tensor("x")],
        outputs or [tensor("y")],
        list(weights),
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid(*item) for item in opsets], ir_version=ir_version, **more
    )


def reading(made: onnx.ModelProto | bytes, folder: Path) -> Reading:
    path = folder / "model.onnx"
    path.write_bytes(made if isinstance(made, bytes) else made.SerializeToString())
    return read(ONNX, read_artifact(path, cache=folder / "cache"))


DATATYPES = {
    TensorProto.FLOAT: "FP32",
    TensorProto.DOUBLE: "FP64",
    TensorProto.FLOAT16: "FP16",
    TensorProto.BFLOAT16: "FP32",
    TensorProto.BOOL: "BOOL",
    TensorProto.STRING: "BYTES",
    TensorProto.INT8: "INT8",
    TensorProto.INT16: "INT16",
    TensorProto.INT32: "INT32",
    TensorProto.INT64: "INT64",
    TensorProto.UINT8: "UINT8",
    TensorProto.UINT16: "UINT16",
    TensorProto.UINT32: "UINT32",
    TensorProto.UINT64: "UINT64",
}


@pytest.mark.parametrize("kind", DATATYPES)
def test_every_datatype(kind, tmp_path):
    found = reading(model(inputs=[tensor("x", kind)], outputs=[tensor("y", kind)]), tmp_path).signature
    assert found.inputs == (TensorSpec("x", DATATYPES[kind], (-1, 2)),)
    assert found.outputs == (TensorSpec("y", DATATYPES[kind], (-1, 2)),)


def test_shapes(tmp_path):
    for shape, expected in [([], ()), ([3], (3,)), (["batch", None, 4], (-1, -1, 4)), (None, ())]:
        found = reading(model(inputs=[tensor("x", shape=shape)]), tmp_path)
        assert found.signature.inputs[0].shape == expected


def test_weights_are_no_inputs(tmp_path):
    weight = numpy_helper.from_array(np.ones((2, 2), np.float32), "w")
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    listed = [tensor("x"), tensor("w", shape=(2, 2))]
    old = reading(model(nodes, inputs=listed, weights=[weight], ir_version=3), tmp_path)
    assert [(spec.name, spec.optional) for spec in old.signature.inputs] == [("x", False)]
    replaceable = reading(model(nodes, inputs=listed, weights=[weight], ir_version=8), tmp_path)
    assert [(spec.name, spec.optional) for spec in replaceable.signature.inputs] == [("x", False), ("w", True)]


def test_optional_inputs(tmp_path):
    kind = helper.make_optional_type_proto(helper.make_tensor_type_proto(TensorProto.FLOAT, ["n", 2]))
    found = reading(model(inputs=[helper.make_value_info("x", kind)]), tmp_path)
    assert found.signature.inputs == (TensorSpec("x", "FP32", (-1, 2), optional=True),)


def test_maps_become_columns_with_labels(tmp_path):
    found = reading(samples.onnx_classifier(), tmp_path).signature
    assert [(spec.name, spec.datatype, spec.shape, spec.labels) for spec in found.outputs] == [
        ("output_label", "BYTES", (-1,), ("no", "yes")),
        ("output_probability", "FP32", (-1, 2), ("no", "yes")),
    ]


def test_labels_without_a_map(tmp_path):
    found = reading(samples.onnx_classifier(zipmap=False), tmp_path).signature
    assert [spec.labels for spec in found.outputs] == [("no", "yes"), ("no", "yes")]


@pytest.mark.parametrize("labels", [np.array([3, 5, 8]), np.array([3, 5], np.int32), np.array(["b", "a"])])
def test_labels_picked_from_a_tensor(labels, tmp_path):
    kind = helper.np_dtype_to_tensor_dtype(labels.dtype) if labels.dtype.kind == "i" else TensorProto.STRING
    made = helper.make_tensor(
        "classes", kind, [len(labels)], [str(x).encode() for x in labels] if kind == 8 else labels
    )
    nodes = [
        helper.make_node("ArgMax", ["x"], ["best"], axis=1),
        helper.make_node("ArrayFeatureExtractor", ["classes", "best"], ["picked"], domain="ai.onnx.ml"),
        helper.make_node("Reshape", ["picked", "flat"], ["y"]),
    ]
    flat = numpy_helper.from_array(np.array([-1]), "flat")
    found = reading(
        model(nodes, outputs=[tensor("y", kind, ["n"])], weights=[made, flat], opsets=[("", 17), ("ai.onnx.ml", 3)]),
        tmp_path,
    )
    assert found.signature.outputs[0].labels == tuple(map(str, labels))


def test_labels_that_do_not_fit_the_last_axis_are_left_out(tmp_path):
    node = helper.make_node(
        "LinearClassifier",
        ["x"],
        ["label", "y"],
        domain="ai.onnx.ml",
        classlabels_ints=[0, 1, 2],
        coefficients=[1.0] * 6,
    )
    found = reading(model([node], opsets=[("", 17), ("ai.onnx.ml", 3)]), tmp_path)
    assert found.signature.outputs[0].labels == ()


def test_sequences_become_rows(tmp_path):
    kind = helper.make_sequence_type_proto(helper.make_tensor_type_proto(TensorProto.INT64, [2]))
    found = reading(model(outputs=[helper.make_value_info("y", kind)]), tmp_path)
    assert found.signature.outputs == (TensorSpec("y", "INT64", (-1,)),)


@pytest.mark.parametrize("zipmap", [True, False])
def test_the_engine_agrees(zipmap, tmp_path):
    from modelbuild_runtime.engines import EngineOptions
    from modelbuild_runtime.engines.onnx.engine import load

    found = reading(samples.onnx_classifier(zipmap=zipmap), tmp_path).signature
    served = load(tmp_path / "model.onnx", EngineOptions()).signature()
    assert [(i.name, i.datatype, i.shape) for i in found.inputs] == [
        (i.name, i.datatype, i.shape) for i in served.inputs
    ]
    assert [(o.name, o.datatype) for o in found.outputs] == [(o.name, o.datatype) for o in served.outputs]


def test_who_wrote_it(tmp_path):
    made = model(producer_name="trainer", producer_version="1.2", opsets=[("", 17), ("ai.onnx.ml", 3)])
    helper.set_model_props(made, {"author": "me", "long": "x" * 5000})
    found = reading(made, tmp_path).metadata
    assert found["producer"] == "trainer 1.2"
    assert found["operator sets"] == "17, ai.onnx.ml 3"
    assert found["author"] == "me"
    assert len(found["long"]) == 2000


@pytest.mark.parametrize(
    "opset, ir_version, expected",
    [(17, 8, ()), (19, 9, ("onnxruntime>=1.15",)), (22, 10, ("onnxruntime>=1.21",)), (99, 99, ("onnxruntime>=1.24",))],
)
def test_new_files_need_a_new_onnxruntime(opset, ir_version, expected, tmp_path):
    assert reading(model(opsets=[("", opset)], ir_version=ir_version), tmp_path).requirements == expected


@pytest.mark.parametrize("opset, old", [(1, True), (6, True), (7, False), (21, False)])
def test_old_operator_sets_are_to_be_upgraded(opset, old, tmp_path):
    reason = reading(model(opsets=[("", opset)]), tmp_path).prepare
    assert bool(reason) is old
    assert not old or f"operator set {opset}" in reason


def branch(inner: onnx.NodeProto) -> onnx.ModelProto:
    """A node inside a branch of an If."""
    body = helper.make_graph([inner], "branch", [], [tensor("b")])
    node = helper.make_node("If", ["c"], ["y"], then_branch=body, else_branch=body)
    return model([node], inputs=[tensor("c", TensorProto.BOOL, [])])


CUSTOM = helper.make_node("Secret", ["x"], ["y"], domain="acme.ops")


@pytest.mark.parametrize(
    "made, message, hint",
    [
        (model([CUSTOM]), "custom operator acme.ops.Secret (it makes 'y')", "handler"),
        (branch(helper.make_node("Secret", [], ["b"], domain="acme.ops")), "acme.ops.Secret", "handler"),
        (model([helper.make_node("X", ["x"], ["y"], domain="ai.onnx.contrib")]), "ai.onnx.contrib.X", "extensions"),
        (
            model([helper.make_node("Adam", ["x"], ["y"], domain="ai.onnx.preview.training")]),
            "training operator ai.onnx.preview.training.Adam",
            "inference",
        ),
        (model(inputs=[tensor("x", TensorProto.COMPLEX64)]), "input 'x' of model.onnx is a complex64", "numbers"),
        (model(outputs=[tensor("y", TensorProto.COMPLEX64)]), "output 'y' of model.onnx is a complex64", "Cast"),
        (
            model(
                inputs=[
                    helper.make_value_info("x", helper.make_sequence_type_proto(helper.make_tensor_type_proto(1, [2])))
                ]
            ),
            "input 'x' of model.onnx is a sequence",
            "tensors",
        ),
    ],
)
def test_what_cannot_be_served(made, message, hint, tmp_path):
    with pytest.raises(UnsupportedModelError) as caught:
        reading(made, tmp_path)
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.exit_code == 13


def test_an_unused_domain_is_no_custom_operator(tmp_path):
    assert reading(model(opsets=[("", 17), ("acme.ops", 1), ("ai.onnx.preview.training", 1)]), tmp_path).signature


def test_functions_of_the_models_own_are_no_custom_operators(tmp_path):
    body = [helper.make_node("Relu", ["a"], ["b"])]
    function = helper.make_function("acme.ops", "Secret", ["a"], ["b"], body, [helper.make_opsetid("", 17)])
    made = model([CUSTOM], opsets=[("", 17), ("acme.ops", 1)], functions=[function])
    assert reading(made, tmp_path).signature.inputs


def external(folder: Path, location: str, size: int = 16, offset: int = 0) -> onnx.ModelProto:
    """A model whose weight lies in another file."""
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2, 2], data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", str(offset)), ("length", str(size))):
        weight.external_data.add(key=key, value=value)
    return model([helper.make_node("MatMul", ["x", "w"], ["y"])], weights=[weight])


def test_external_data_are_companions(tmp_path):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "w.bin").write_bytes(bytes(16))
    found = reading(external(tmp_path, "weights/w.bin"), tmp_path)
    assert found.companions == ("weights/w.bin",)
    whole = with_companions(read_artifact(tmp_path / "model.onnx", cache=tmp_path / "c"), found.companions)
    assert [file.path for file in whole.files] == ["model.onnx", "weights/w.bin"]


@pytest.mark.parametrize("location", ["../w.bin", "/etc/passwd", "", "a/../../w.bin"])
def test_external_data_that_leave_the_folder(location, tmp_path):
    with pytest.raises(ArtifactError, match="not a plain path"):
        reading(external(tmp_path, location), tmp_path)


def test_external_data_that_are_missing_or_short(tmp_path):
    with pytest.raises(ArtifactError, match=r"keeps data in 'w\.bin', and there is no such file"):
        reading(external(tmp_path, "w.bin"), tmp_path)
    (tmp_path / "w.bin").write_bytes(bytes(16))
    with pytest.raises(ArtifactError, match="has 16 bytes of 20"):
        reading(external(tmp_path, "w.bin", offset=4), tmp_path)


def test_external_data_at_an_absurd_place(tmp_path):
    made = external(tmp_path, "w.bin")
    made.graph.initializer[0].external_data[1].value = "-1"
    with pytest.raises(ArtifactError, match="the place of external data is '-1'"):
        reading(made, tmp_path)


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9, 0.999])
def test_cut_off(keep, tmp_path):
    data = model(weights=[numpy_helper.from_array(np.ones((20, 20), np.float32), "w")]).SerializeToString()
    with pytest.raises(ArtifactError, match="corrupt or truncated") as caught:
        reading(data[: int(len(data) * keep)], tmp_path)
    assert caught.value.hint


def test_cut_off_right_behind_the_graph(tmp_path):
    data = model().SerializeToString()
    with pytest.raises(ArtifactError, match="ends before its operator sets"):
        reading(data[: data.rindex(b"\x42\x04")], tmp_path)


def test_two_graphs(tmp_path):
    data = model().SerializeToString()
    with pytest.raises(ArtifactError, match="a second graph"):
        reading(data + data, tmp_path)


def field(number: int, contents: bytes) -> bytes:
    """A length-delimited field."""
    size, encoded = len(contents), b""
    while size > 127:
        encoded += bytes([size & 127 | 128])
        size >>= 7
    return bytes([number << 3 | 2]) + encoded + bytes([size]) + contents


def test_subgraphs_without_end(tmp_path):
    graph = b""
    for _ in range(200):
        graph = field(1, field(4, b"If") + field(5, field(6, graph)))
    with pytest.raises(ArtifactError, match="nested too deeply"):
        reading(b"\x08\x08" + field(7, graph) + field(8, b"\x10\x11"), tmp_path)


def test_no_outputs(tmp_path):
    made = model()
    del made.graph.output[:]
    with pytest.raises(UnsupportedModelError, match="has no outputs"):
        reading(made, tmp_path)


def test_a_folder_is_refused(tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "model.onnx").write_bytes(b"x")
    with pytest.raises(UnsupportedModelError, match="is a folder"):
        read(ONNX, read_artifact(tmp_path / "m", cache=tmp_path))


@pytest.mark.skipif(not MODELS.is_dir(), reason="the models of others are not here (../shared/models)")
@pytest.mark.parametrize(
    "case", ["light_squeezenet", "ort_examples_mnist", "triton_simple_addsub", "triton_simple_string"]
)
def test_models_of_others_as_onnx_itself_reads_them(case, tmp_path):
    path = MODELS / "onnx" / case / "model.onnx"
    found = read(ONNX, read_artifact(path, cache=tmp_path)).signature
    graph = onnx.load(path).graph
    weights = {item.name for item in graph.initializer}
    assert [spec.name for spec in found.inputs] == [item.name for item in graph.input if item.name not in weights]
    assert [spec.name for spec in found.outputs] == [item.name for item in graph.output]
    for spec, value in zip(found.outputs, graph.output, strict=True):
        sizes = [size.dim_value if size.HasField("dim_value") else -1 for size in value.type.tensor_type.shape.dim]
        assert list(spec.shape) == sizes
        assert spec.datatype == DATATYPES[value.type.tensor_type.elem_type]
