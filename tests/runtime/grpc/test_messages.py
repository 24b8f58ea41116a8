"""Message classes of our own files, held to the generated ones of Triton's client."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool

from modelbuild_runtime.grpc import messages
from modelbuild_runtime.grpc.proto_text import parse, resolve

PROTOS = Path(messages.__file__).parent / "protos"
NAMES = sorted(path.stem for path in PROTOS.glob("*.proto"))
SCALARS = descriptor_pb2.FieldDescriptorProto.Type
OURS_ALONE = {("RepositoryModelLoadResponse", "model_name"), ("RepositoryModelLoadResponse", "isLoaded")} | {
    ("RepositoryModelUnloadResponse", "model_name"),
    ("RepositoryModelUnloadResponse", "isUnloaded"),
}


def generated(module: str) -> descriptor_pb2.FileDescriptorProto:
    """The descriptor in a generated module, which is not imported: that would need grpcio."""
    package = importlib.util.find_spec("tritonclient")
    assert package is not None
    path = Path(package.submodule_search_locations[0]) / "grpc" / f"{module}.py"
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "AddSerializedFile":
            return descriptor_pb2.FileDescriptorProto.FromString(ast.literal_eval(node.args[0]))
    raise AssertionError(f"{path} registers no file")


def flat(messages_: Any, prefix: str = "") -> dict[tuple[str, str], tuple[Any, ...]]:
    """Every field of every message, nested ones included."""
    found = {}
    for message in messages_:
        name = prefix + message.name
        for field in message.field:
            oneof = message.oneof_decl[field.oneof_index].name if field.HasField("oneof_index") else ""
            found[name, field.name] = (field.number, field.label, SCALARS.Name(field.type), field.type_name, oneof)
        found.update(flat(message.nested_type, f"{name}."))
    return found


def enums(file: Any) -> dict[str, dict[str, int]]:
    every = [*file.enum_type, *(enum for message in file.message_type for enum in message.enum_type)]
    return {enum.name: {value.name: value.number for value in enum.value} for enum in every}


for file_name in NAMES:
    messages.load(file_name)


def described(name: str) -> descriptor_pb2.FileDescriptorProto:
    return descriptor_pb2.FileDescriptorProto.FromString(messages.described().with_imports(f"{name}.proto")[0])


def test_the_service_is_triton_s_to_the_last_field():
    ours, theirs = described("open_inference"), generated("service_pb2")
    mine = flat(ours.message_type)
    assert set(mine) - set(flat(theirs.message_type)) == OURS_ALONE
    assert {key: value for key, value in mine.items() if key not in OURS_ALONE} == flat(theirs.message_type)
    assert [message.name for message in ours.message_type] == [message.name for message in theirs.message_type]
    methods = {method.name: method for method in theirs.service[0].method}
    assert {method.name for method in ours.service[0].method} == set(methods)
    for method in ours.service[0].method:
        expected = methods[method.name]
        assert (method.input_type, method.output_type) == (expected.input_type, expected.output_type)
        assert (method.client_streaming, method.server_streaming) == (
            expected.client_streaming,
            expected.server_streaming,
        )


def test_the_configuration_is_a_part_of_triton_s():
    ours, theirs = described("triton_model_config"), generated("model_config_pb2")
    assert flat(ours.message_type).items() <= flat(theirs.message_type).items()
    assert enums(ours)["DataType"] == enums(theirs)["DataType"]
    assert enums(ours)["Kind"].items() <= {"KIND_AUTO": 0, "KIND_GPU": 1, "KIND_CPU": 2, "KIND_MODEL": 3}.items()


@pytest.mark.parametrize("name", NAMES)
def test_every_file_makes_classes_that_can_be_used(name):
    loaded = messages.load(name)
    file = described(name)
    for message in file.message_type:
        made = getattr(loaded, message.name)()
        assert made.SerializeToString() == b""
        assert type(made).DESCRIPTOR.full_name == f"{file.package}.{message.name}"
    with pytest.raises(AttributeError, match=f"{name}.proto defines no Nothing"):
        _ = loaded.Nothing


def test_messages_round_trip_with_maps_oneofs_enums_and_imports():
    inference, config = messages.load("open_inference"), messages.load("triton_model_config")
    request = inference.ModelInferRequest(model_name="m", raw_input_contents=[b"1"])
    request.parameters["a"].double_param = 0.5
    request.inputs.add(name="x", shape=[1, -1]).contents.int_contents.extend([1, -2])
    assert inference.ModelInferRequest.FromString(request.SerializeToString()) == request
    assert request.parameters["a"].WhichOneof("parameter_choice") == "double_param"
    answer = inference.ModelConfigResponse(config=config.ModelConfig(name="m"))
    assert answer.config.name == "m"
    assert config.DataType.Value("TYPE_STRING") == 13


def test_nothing_is_registered_where_generated_modules_register():
    messages.prepare()
    with pytest.raises(KeyError):
        descriptor_pool.Default().FindMessageTypeByName("inference.ModelInferRequest")
    generated_file = generated("model_config_pb2")
    descriptor_pool.Default().AddSerializedFile(generated_file.SerializeToString())  # as tritonclient does


def test_protobuf_is_not_imported_before_a_message_is_needed():
    code = (
        "import sys; from modelbuild_runtime.grpc import messages; messages.load('open_inference')\n"
        "assert 'google.protobuf' not in sys.modules\n"
        "messages.load('open_inference').ModelInferRequest()\n"
        "assert 'google.protobuf' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


def test_messages_that_come_with_protobuf_can_be_imported():
    file = parse("x.proto", 'package p; import "google/protobuf/any.proto"; message M { google.protobuf.Any a = 1; }')
    imported = descriptor_pb2.FileDescriptorProto.FromString(any_pb2.DESCRIPTOR.serialized_pb)
    resolve(file, resolve(imported, {}))
    assert file.message_type[0].field[0].type_name == ".google.protobuf.Any"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("message M { optional int32 a = 1; }", "'a' is not understood"),
        ("message M { int32 a = 1 [packed = true]; }", "is not understood"),
        ("message M { Missing a = 1; }", "Missing is not defined"),
        ("message M { int32 a = 1;", "ends early"),
        ("extend M {}", "'extend' is not understood"),
        ("service S { stream X; }", "'stream' is not understood"),
    ],
)
def test_what_is_not_read_is_refused(text, word):
    with pytest.raises(ValueError, match=word):
        resolve(parse("x.proto", text), {})


def test_names_are_looked_for_from_the_inside_out():
    text = "package p; message A { message B {} B near = 1; A.B far = 2; repeated C c = 3; } message B {} enum C { Z = 0; }"
    file = parse("x.proto", text)
    resolve(file, {})
    assert [field.type_name for field in file.message_type[0].field] == [".p.A.B", ".p.A.B", ".p.C"]
    assert file.message_type[0].field[2].type == SCALARS.Value("TYPE_ENUM")
