"""What is read of MLflow folders, written by hand as MLflow writes them: nothing of MLflow is here."""

from __future__ import annotations

import io
import json
import pickle
import shutil
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from builder.mlflow_folder import PYFUNC, SKLEARN, folder_of
from builder.samples import classifier, pickled
from builder.test_keras_reader import functional, layer, saved
from builder.test_pytorch_reader import MODULE, WEIGHTS, exported, program, script
from builder.test_pytorch_reader import saved as torch_saved
from builder.test_spacy_reader import pipeline
from builder.test_tensorflow_reader import ROWS, saved_model, signature
from builder.test_tensorflow_reader import folder as graph_folder
from builder.test_transformers_reader import CONFIG
from builder.test_transformers_reader import folder as hugging_face
from modelbuild.config import Options
from modelbuild.dependencies.python_version import choose_python
from modelbuild.errors import (
    ArtifactError,
    MbuildError,
    RequirementError,
    UnknownFormatError,
    UnsafeArtifactError,
    UnsupportedModelError,
)
from modelbuild.host import Host
from modelbuild.planning.trees import server_tree
from modelbuild.signature import TensorSpec
from modelbuild.source import Source, read_source, require_safe

ALIASES = "a0: &a0 [x]\n" + "".join(f"a{i + 1}: &a{i + 1} [{f'*a{i},' * 9}]\n" for i in range(12)) + "flavors: *a12\n"
"""Nine to the power of twelve items, if anybody counted them."""


def source(folder: Path, **options: Any) -> Source:
    return read_source(folder, Options(**options), Host(folder.parent / "cache", "3.12", {}))


def column(name: str, kind: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, **more}


def test_the_model_inside_has_its_own_runtime_and_mlflow_s_pins(tmp_path):
    pins = "mlflow==3.17.2\nscikit-learn==1.2.3\nscipy==1.17.1\nnumpy==2.4.6\n"
    found = source(folder_of(tmp_path, requirements__txt=pins))
    assert (found.runtime.name, found.runtime.package, found.runtime.pin) == ("mlflow", "scikit-learn", "==")
    assert found.reading.requirements == ("numpy>=2", "numpy==2.4.6")  # its version of scikit-learn is in the file
    assert found.reading.python == "==3.11.*"
    assert found.reading.options["runtime"] == "sklearn"
    assert found.reading.options["path"] == "model.pkl"
    assert found.reading.options["answer"] == "first"


def test_both_engines_go_into_the_image(tmp_path):
    runtime = source(folder_of(tmp_path)).runtime
    tree = server_tree(
        runtime.folder, name=runtime.name, python="3.11", cache=tmp_path / "cache", carries=runtime.carries
    )
    engines = {file.path.split("/")[5] for file in tree.files if "/engines/" in file.path and "__" not in file.path}
    assert engines == {"mlflow", "sklearn"}


def test_mlflow_itself_where_it_is_named(tmp_path):
    found = source(folder_of(tmp_path), runtime="mlflow")
    assert (found.reading.format, found.runtime.carries) == ("MLflow python_function", ())
    assert found.reading.requirements == ("mlflow-skinny==3.17.2",)


@pytest.mark.parametrize(
    "flavors",
    [
        PYFUNC.replace("predict_fn: predict", "predict_fn: decision_function") + SKLEARN,
        PYFUNC + SKLEARN.replace("code: null", "code: code"),
        PYFUNC.replace("python_function:", "python_function:\n    code: code") + SKLEARN,
        PYFUNC,
    ],
    ids=["another method", "code of its own", "code of the whole", "no other flavor"],
)
def test_what_only_mlflow_knows_is_left_to_it(tmp_path, flavors):
    assert source(folder_of(tmp_path, flavors)).reading.format == "MLflow python_function"


def test_times_are_left_to_it_too(tmp_path):
    inputs = [column("when", "datetime"), column("x", "double")]
    found = source(folder_of(tmp_path, inputs=inputs))
    assert found.reading.format == "MLflow python_function"
    assert [spec.datatype for spec in found.reading.signature.inputs] == ["BYTES", "FP64"]


def test_a_signature_of_columns(tmp_path):
    kinds = {"a": "long", "b": "double", "c": "integer", "d": "float", "e": "string", "f": "boolean"}
    inputs = [column(name, kind) for name, kind in kinds.items()]
    inputs[1]["required"] = False
    inputs[2]["optional"] = True  # as it was before 2.10
    signature = source(folder_of(tmp_path, inputs=inputs)).reading.signature
    assert [spec.datatype for spec in signature.inputs] == ["INT64", "FP64", "INT32", "FP32", "BYTES", "BOOL"]
    assert [spec.name for spec in signature.inputs if spec.optional] == ["b", "c"]
    assert signature.columns


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ([{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 3]}}], ("input", "FP32", (-1, 3))),
        ([{"type": "tensor", "name": "t", "tensor-spec": {"dtype": "str", "shape": [-1]}}], ("t", "BYTES", (-1,))),
        ([column("a", "array", items={"type": "double"})], ("a", "FP64", (-1, -1))),
        ([column("a", "object", properties={})], None),
        ([{"type": "double"}], None),
        ([{"type": "tensor", "tensor-spec": {"dtype": "complex64", "shape": [-1]}}], None),
        ([{"type": "tensor", "tensor-spec": "?"}], None),
        ({"a": 1}, None),
    ],
)
def test_other_signatures(tmp_path, inputs, expected):
    found = source(folder_of(tmp_path, inputs=inputs), runtime="mlflow").reading.signature.inputs
    assert found == (() if expected is None else (TensorSpec(*expected),))


def test_old_folders(tmp_path):
    """MLflow 1 wrote no dictionary of environments, and no requirements.txt."""
    pyfunc = "  python_function:\n    data: model.pkl\n    env: conda.yaml\n    loader_module: mlflow.sklearn\n"
    conda = (
        "channels: [defaults]\ndependencies:\n- python=3.9.1\n- scikit-learn=0.24.1\n- pip\n- pip:\n  - mlflow<2\n"
        "  - cloudpickle==1.6.0\nname: mlflow-env\n"
    )
    folder = folder_of(tmp_path, pyfunc, conda__yaml=conda)
    (folder / "requirements.txt").unlink()
    reading = source(folder).reading
    assert reading.requirements == ("scikit-learn==0.24.1", "mlflow-skinny<2", "cloudpickle==1.6.0")
    assert reading.python == "==3.9.*"


def test_the_python_follows_and_the_user_may_try_another(tmp_path):
    found = source(folder_of(tmp_path))
    python = {"requested": "", "host": "3.12"}
    assert choose_python(found.runtime, found.reading, None, **python) == "3.11"
    assert choose_python(found.runtime, found.reading, None, **{**python, "requested": "3.12"}) == "3.12"
    old = PYFUNC.replace("3.11.7", "3.7.9") + SKLEARN
    shutil.rmtree(tmp_path / "m")
    found = source(folder_of(tmp_path, old))
    with pytest.raises(RequirementError, match="what the model was saved with needs Python") as raised:
        choose_python(found.runtime, found.reading, None, **python)
    assert "--python" in raised.value.hint


def test_smaller_packages_with_the_same_modules(tmp_path):
    lines = "mlflow[extras]==3.1\nxgboost==3.2.0\ntensorflow>=2.20 ; python_version > '3'\nother==1 # why\ntorch==2.8.0+cu128\n-r more.txt\n"
    found = source(folder_of(tmp_path, requirements__txt=lines), runtime="mlflow").reading.requirements
    assert found == (
        "mlflow-skinny==3.1",
        "xgboost-cpu==3.2.0",
        'tensorflow-cpu>=2.20; python_version > "3"',
        "other==1",
        "torch==2.8.0",
    )


def test_a_network_in_a_folder_of_its_own(tmp_path):
    """As the tensorflow flavor saves Keras's models."""
    flavors = PYFUNC + "  tensorflow:\n    data: data\n    model_type: keras\n    save_format: keras\n"
    inputs = [{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 4]}}]
    folder = folder_of(tmp_path, flavors, inputs)
    (folder / "data").mkdir()
    saved(folder / "data", functional([["in", 0, 0]], layer("in", [None, 4])))
    (folder / "data" / "keras_module.txt").write_text("keras")
    found = source(folder)
    assert (found.runtime.package, found.reading.options["path"]) == ("keras", "data/model.keras")
    assert found.reading.options["answer"] == "all"


TORCH = PYFUNC + "  pytorch:\n    model_data: data\n    pytorch_version: 2.8.0\n    code: null\n"
UNNAMED = [{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 3]}}]


@pytest.mark.parametrize(
    "inputs, write, answer",
    [
        (UNNAMED, script, "all"),
        (UNNAMED, lambda folder: exported(folder, program()), "all"),
        ([column(name, "double") for name in "abc"], lambda folder: exported(folder, program()), "frame"),
        ([column(name, "string") for name in "abc"], lambda folder: exported(folder, program()), ""),
        (UNNAMED, lambda folder: (folder / "model.pth").write_bytes(torch_saved(MODULE)), "all"),
        ([column("a", "long")], lambda folder: (folder / "model.pth").write_bytes(torch_saved(MODULE)), "frame"),
        (UNNAMED, lambda folder: (folder / "model.pth").write_bytes(torch_saved(WEIGHTS)), ""),
    ],
    ids=["a script", "a program", "columns", "texts", "a pickled module", "a module and a column", "weights"],
)
def test_modules_and_programs_of_pytorch_have_its_runtime(tmp_path, inputs, write, answer):
    folder = folder_of(tmp_path, TORCH, inputs)
    (folder / "data").mkdir()
    write(folder / "data")
    found = source(folder)
    assert found.reading.options.get("answer", "") == answer
    assert found.reading.options.get("runtime", "") == ("pytorch" if answer else "")


def test_a_pickled_module_wants_the_python_that_wrote_it_and_the_user_s_word(tmp_path):
    folder = folder_of(tmp_path, TORCH, UNNAMED)
    (folder / "data").mkdir()
    (folder / "data" / "model.pth").write_bytes(torch_saved(MODULE))
    found = source(folder).reading
    assert found.python == "==3.11.*"
    with pytest.raises(UnsafeArtifactError, match="pickled module"):
        require_safe(found, allow_unsafe=False)


TEXTS = [{"type": "string"}]


def transformers_folder(tmp_path: Path, flavor: str = "", inputs: Any = TEXTS, pyfunc: str = "", **config: Any) -> Path:
    """As MLflow's flavor writes it: the model, and its tokenizer elsewhere."""
    told = "  transformers:\n    task: text-classification\n    model_binary: model\n    torch_dtype: torch.float32\n"
    folder = folder_of(tmp_path, PYFUNC + pyfunc + told + flavor, inputs, model__pkl=b"")
    hugging_face(folder / "model", {**CONFIG, **config}, tokenizer__json=None)
    (folder / "components" / "tokenizer").mkdir(parents=True)
    (folder / "components" / "tokenizer" / "tokenizer.json").write_text("{}")
    return folder


def test_a_pipeline_of_transformers_has_its_runtime(tmp_path):
    found = source(transformers_folder(tmp_path))
    assert (found.runtime.name, found.runtime.package) == ("mlflow", "transformers")
    assert found.reading.options["answer"] == "label_and_score"
    own = found.reading.options["options"]
    assert (own["task"], own["tokenizer"]) == ("text-classification", "../components/tokenizer")
    assert [spec.name for spec in found.reading.signature.inputs] == ["text"]


@pytest.mark.parametrize(
    "changes",
    [
        {"flavor": "    prompt_template: 'Say {prompt}'\n"},
        {"flavor": "    inference_task: llm/v1/chat\n"},
        {"pyfunc": "    config:\n      top_k: null\n"},
        {"flavor": "    torch_dtype: torch.bfloat16\n"},
        {"flavor": "    task: token-classification\n"},
        {"id2label": {"0": "grade"}},
        {"id2label": {"0": "entailment", "1": "neutral"}},
        {"architectures": ["WhisperForConditionalGeneration"]},
    ],
    ids=["prompt", "chat", "settings", "half floats", "another task", "one class", "pairs", "another architecture"],
)
def test_a_pipeline_whose_answer_would_be_another_is_left_to_mlflow(tmp_path, changes):
    found = source(transformers_folder(tmp_path, **changes))
    assert (found.reading.format, found.runtime.carries) == ("MLflow python_function", ())


def test_params_of_a_signature_are_mlflow_s(tmp_path):
    folder = folder_of(tmp_path)
    params = json.dumps([{"name": "n", "type": "long", "default": 1, "shape": None}])
    signature = f"signature:\n  inputs: null\n  outputs: null\n  params: '{params}'\n"
    (folder / "MLmodel").write_text((folder / "MLmodel").read_text() + signature)
    found = source(folder).reading
    assert (found.format, found.metadata["params"]) == ("MLflow python_function", "n")


def test_the_signature_that_the_flavor_names_is_served(tmp_path):
    both = {"a": signature({"x": ROWS}, {"y": ROWS}), "b": signature({"z": ROWS}, {"y": ROWS})}
    flavor = "  tensorflow:\n    saved_model_dir: tf\n    signature_def_key: b\n    meta_graph_tags: [serve]\n"
    folder = folder_of(tmp_path, PYFUNC + flavor)
    graph_folder(folder / "tf", saved_model(both))
    found = source(folder).reading
    assert (found.options["options"]["signature"], [spec.name for spec in found.signature.inputs]) == ("b", ["z"])
    chosen = source(folder, runtime_option=("signature=a",)).reading
    assert (chosen.options["options"]["signature"], chosen.signature.inputs[0].name) == ("a", "x")
    (folder / "MLmodel").write_text((folder / "MLmodel").read_text().replace("[serve]", "[serve, gpu]"))
    assert "runtime" not in source(folder).reading.options


def test_without_a_python_function_the_runtime_answers_as_it_would_alone(tmp_path):
    folder = folder_of(tmp_path, "  spacy:\n    data: model.spacy\n    spacy_version: 3.8.18\n", model__pkl=b"")
    pipeline(folder / "model.spacy", "ner")
    found = source(folder)
    assert (found.runtime.package, found.reading.options["answer"]) == ("spacy", "all")
    assert [spec.name for spec in found.reading.signature.inputs] == ["text"]


def test_a_registry_s_name_and_version(tmp_path):
    meta = "model_name: Rent\nmodel_version: '7'\n"
    reading = source(folder_of(tmp_path, registered_model_meta=meta)).reading
    assert (reading.name, reading.model_version) == ("Rent", "7")


class Harm:
    def __reduce__(self) -> Any:
        return eval, ("1",)


def test_pickles_are_read_wherever_they_are(tmp_path):
    harmful = pickle.dumps([classifier(), Harm()])
    with pytest.raises(UnsafeArtifactError, match="eval"):
        require_safe(source(folder_of(tmp_path, model__pkl=harmful)).reading, allow_unsafe=False)
    shutil.rmtree(tmp_path / "m")
    beside = source(folder_of(tmp_path, PYFUNC, extra__bin=harmful)).reading
    assert [item.where.partition(",")[0] for item in beside.findings if item.severity == "danger"] == ["extra.bin"]


def test_archives_with_pickles_are_judged_too(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("model/data.pkl", pickle.dumps(Harm(), 2))
        archive.writestr("model/version", "3")
    findings = source(folder_of(tmp_path, PYFUNC, model__pth=buffer.getvalue())).reading.findings
    assert {item.severity for item in findings if item.where.startswith("model.pth")} >= {"danger"}


@pytest.mark.parametrize(
    ("text", "error", "match"),
    [
        ("", ArtifactError, "is no mapping"),
        ("a: [", ArtifactError, "cannot be read"),
        ("[" * 5000, ArtifactError, "cannot be read"),
        ("flavors: none\n", ArtifactError, "lists no flavors"),
        ("flavors:\n  crate:\n    version: 1\n", UnsupportedModelError, "it has: crate"),
        ("flavors: {}\n", UnsupportedModelError, "it has: none"),
        (f"flavors:\n{PYFUNC}signature:\n  inputs: '[{{'\n", ArtifactError, "is no JSON"),
        (ALIASES, ArtifactError, "lists no flavors"),
    ],
)
def test_a_damaged_mlmodel_is_one_clear_error(tmp_path, text, error, match):
    folder = folder_of(tmp_path)
    (folder / "MLmodel").write_text(text)
    with pytest.raises(error, match=match) as raised:
        source(folder)
    assert raised.value.hint


def test_every_cut_of_mlmodel_is_an_error_or_a_reading(tmp_path):
    folder = folder_of(tmp_path, inputs=[column("a", "double")])
    whole = (folder / "MLmodel").read_bytes()
    for end in range(0, len(whole), 7):
        (folder / "MLmodel").write_bytes(whole[:end] or b" ")
        with suppress(MbuildError):
            source(folder)


def test_a_cut_model_is_its_own_runtime_s_error(tmp_path):
    folder = folder_of(tmp_path, model__pkl=pickled()[:-300])
    with pytest.raises(ArtifactError, match=r"model\.pkl cannot be read"):
        source(folder)


def test_a_path_out_of_the_folder_is_none(tmp_path):
    (tmp_path / "secret.pkl").write_bytes(pickled())
    flavors = PYFUNC + SKLEARN.replace("model.pkl", "../secret.pkl")
    assert source(folder_of(tmp_path, flavors)).reading.format == "MLflow python_function"


def test_a_requirement_that_no_image_can_have(tmp_path):
    with pytest.raises(ArtifactError, match=r"requires './mine.whl'"):
        source(folder_of(tmp_path, requirements__txt="./mine.whl\n"))


def test_the_file_alone_leads_to_its_folder(tmp_path):
    folder = folder_of(tmp_path)
    with pytest.raises(UnknownFormatError) as raised:
        source(folder / "MLmodel")
    assert "Give the folder" in raised.value.hint
