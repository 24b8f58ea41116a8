from __future__ import annotations

import pytest

from builder.values import make_artifact, make_handler
from modelbuild.errors import ArtifactError
from modelbuild.planning.manifest import Example, canonical_json, make_manifest
from modelbuild.signature import Signature, TensorSpec


@pytest.fixture
def artifact(tmp_path):
    return make_artifact(tmp_path, {"m.onnx": b"x"}, name="m.onnx", is_folder=False)


SIGNATURE = Signature(
    (TensorSpec("âge", "FP32", (-1, 1), optional=True),),
    (TensorSpec("label", "BYTES", (-1,), labels=("no", "yes")),),
    columns=True,
)


def test_the_server_reads_what_the_builder_writes(artifact, tmp_path):
    reader = pytest.importorskip("modelbuild_runtime.manifest")
    path = tmp_path / "manifest.json"
    examples = (Example({"âge": 1}, {"label": "yes"}, "first"), Example([[1.5]]))
    path.write_bytes(
        make_manifest(
            name="fraud",
            version="3",
            artifact=artifact,
            runtime="forest",
            framework_version="1.5",
            options={"depth": [1, {"a": None}]},
            signature=SIGNATURE,
            handler=make_handler(style="torchserve"),
            examples=examples,
        )
    )
    found = reader.read_manifest(path)
    assert (found.model.name, found.model.version, found.model.path) == ("fraud", "3", "model/m.onnx")
    assert (found.runtime.name, found.runtime.version) == ("forest", "1.5")
    assert found.runtime.options == {"depth": [1, {"a": None}]}
    assert found.signature.columns
    (spec,) = found.signature.inputs
    assert (spec.name, spec.datatype, spec.shape, spec.optional) == ("âge", "FP32", (-1, 1), True)
    assert found.signature.outputs[0].labels == ("no", "yes")
    assert (found.handler.module, found.handler.path, found.handler.style) == ("features", "handler", "torchserve")
    assert [(item.request, item.expected, item.name) for item in found.examples] == [
        ({"âge": 1}, {"label": "yes"}, "first"),
        ([[1.5]], None, ""),
    ]


def test_the_least_manifest(artifact, tmp_path):
    reader = pytest.importorskip("modelbuild_runtime.manifest")
    path = tmp_path / "manifest.json"
    path.write_bytes(make_manifest(name="m", version="1", artifact=artifact, runtime="forest"))
    found = reader.read_manifest(path)
    assert found.handler is None
    assert found.examples == ()
    assert found.signature.inputs == ()


def test_equal_contents_give_equal_bytes(artifact):
    one = make_manifest(name="m", version="1", artifact=artifact, runtime="r", options={"a": 1, "b": 2})
    two = make_manifest(name="m", version="1", artifact=artifact, runtime="r", options={"b": 2, "a": 1})
    assert one == two


@pytest.mark.parametrize("value", [float("nan"), b"bytes", {1, 2}])
def test_what_is_no_json_is_refused(value):
    with pytest.raises(ArtifactError, match="cannot be written as JSON"):
        canonical_json({"options": value})


def test_fields_of_an_example_keep_their_order(artifact):
    example = Example({"qty": 1, "code": 2}, {"y": 1, "a": 2})
    text = make_manifest(name="a", version="1", artifact=artifact, runtime="x", examples=[example]).decode()
    assert '"request":{"qty":1,"code":2},"expected":{"y":1,"a":2}' in text
