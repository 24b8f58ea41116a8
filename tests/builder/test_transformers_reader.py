from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from modelbuild.artifact import read_artifact
from modelbuild.config import Options
from modelbuild.errors import ArtifactError, UnsafeArtifactError, UnsupportedModelError, UsageError
from modelbuild.formats.detect import detect
from modelbuild.host import Host
from modelbuild.runtime import Reading, builtin_runtimes, read
from modelbuild.signature import TensorSpec
from modelbuild.source import read_source, require_safe

RUNTIMES = builtin_runtimes()
TRANSFORMERS = next(runtime for runtime in RUNTIMES if runtime.name == "transformers")
CONFIG: Mapping[str, Any] = {
    "architectures": ["BertForSequenceClassification"],
    "model_type": "bert",
    "hidden_size": 32,
    "id2label": {"1": "good", "0": "bad"},
    "transformers_version": "4.41.0.dev0",
}
TEXT = TensorSpec("text", "BYTES", (-1,))


def weights() -> bytes:
    header = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    return struct.pack("<Q", len(header)) + header + b"\0" * 8


def pickled(value: object) -> bytes:
    """What torch.save writes, as far as anybody looks."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as opened:
        opened.writestr("archive/data.pkl", pickle.dumps(value))
    return data.getvalue()


class Evil:
    def __reduce__(self) -> Any:
        return eval, ("1",)


def folder(path: Path, config: Mapping[str, Any] = CONFIG, **files: bytes | str | None) -> Path:
    """A folder with further files; a name's dots are written as two underscores, None leaves a file out."""
    usual: dict[str, bytes | str | None] = {
        "config__json": json.dumps(dict(config)),
        "model__safetensors": weights(),
        "tokenizer__json": "{}",
    }
    for name, content in (usual | files).items():
        if content is not None:
            target = path / name.replace("__", ".").replace("_in_", "/")
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def reading(path: Path) -> Reading:
    artifact = read_artifact(path, cache=path / ".git")
    assert detect(artifact, RUNTIMES).name == "transformers"
    return read(TRANSFORMERS, artifact)


def test_what_a_folder_says(tmp_path: Path) -> None:
    found = reading(folder(tmp_path))

    assert (found.format, found.version, found.options) == ("transformers", "4.41.0", {"task": "text-classification"})
    assert found.signature.inputs == (TEXT,)
    assert found.signature.outputs == (
        TensorSpec("label", "BYTES", (-1,), labels=("bad", "good")),
        TensorSpec("score", "FP32", (-1,)),
        TensorSpec("probabilities", "FP32", (-1, 2), labels=("bad", "good")),
    )
    assert found.findings == ()
    assert found.requirements == ()


@pytest.mark.parametrize(
    ("changes", "task", "inputs", "outputs"),
    [
        ({"architectures": ["BertForTokenClassification"]}, "token-classification", "text", "entities"),
        ({"architectures": ["BertForQuestionAnswering"]}, "question-answering", "question context", "answer"),
        ({"architectures": ["BertForMaskedLM"]}, "fill-mask", "text", "token"),
        ({"architectures": ["BertModel"]}, "embedding", "text", "embedding"),
        ({"architectures": ["GPT2LMHeadModel"]}, "text-generation", "text", "generated_text"),
        ({"architectures": ["LlamaForCausalLM"]}, "text-generation", "text", "generated_text"),
        (
            {"architectures": ["MarianMTModel"], "model_type": "marian"},
            "text2text-generation",
            "text",
            "generated_text",
        ),
        (
            {"architectures": ["T5ForConditionalGeneration"], "model_type": "t5"},
            "text2text-generation",
            "text",
            "generated_text",
        ),
        ({"id2label": {"0": "entailment", "1": "no"}}, "text-classification", "text text_pair", "label"),
        ({"id2label": {"0": "score"}}, "text-classification", "text", "score"),
        ({"id2label": None}, "text-classification", "text", "label"),
    ],
)
def test_what_it_is_for(tmp_path: Path, changes: dict[str, Any], task: str, inputs: str, outputs: str) -> None:
    found = reading(folder(tmp_path, {**CONFIG, **changes}))

    assert found.options["task"] == task
    assert " ".join(spec.name for spec in found.signature.inputs) == inputs
    assert found.signature.outputs[0].name == outputs


def test_a_chat_template_wants_jinja(tmp_path: Path) -> None:
    writes = {**CONFIG, "architectures": ["GPT2LMHeadModel"]}
    told = json.dumps({"chat_template": "{{ messages }}"})
    assert reading(folder(tmp_path / "a", writes)).requirements == ()
    assert reading(folder(tmp_path / "b", writes, tokenizer_config__json=told)).requirements == ("jinja2",)
    assert reading(folder(tmp_path / "c", writes, chat_template__jinja="{{ messages }}")).requirements == ("jinja2",)
    assert reading(folder(tmp_path / "d", tokenizer_config__json=told)).requirements == ()


def test_images_want_pillow_and_a_processor(tmp_path: Path) -> None:
    config = {**CONFIG, "architectures": ["ViTForImageClassification"]}
    with pytest.raises(ArtifactError, match=r"no preprocessor_config\.json"):
        reading(folder(tmp_path, config))

    found = reading(folder(tmp_path, config, preprocessor_config__json="{}"))

    assert found.requirements == ("pillow",)
    assert found.signature.inputs == (TensorSpec("image", "BYTES", (-1,)),)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"architectures": ["WhisperForConditionalGeneration"], "model_type": "whisper"}, "is a WhisperForCond"),
        ({"architectures": ["DetrForObjectDetection"]}, "is a DetrForObjectDetection, which is none of what is served"),
        ({"architectures": ["CLIPModel"], "vision_config": {}}, "is a CLIPModel"),
        ({"architectures": ["T5Model"], "is_encoder_decoder": True}, "is a T5Model"),
        ({"architectures": None}, r"does not say its architecture in config\.json"),
        ({"quantization_config": {"quant_method": "gptq"}}, "quantized by gptq, for GPUs"),
    ],
)
def test_what_is_not_served(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UnsupportedModelError, match=words):
        reading(folder(tmp_path, {**CONFIG, **changes}))


# Sentence Transformers.


def sentence_transformer(path: Path, where: str = "", **files: str) -> Path:
    kinds = [("Transformer", where), ("Pooling", "1_Pooling"), ("Dense", "2_Dense"), ("Normalize", "3_Normalize")]
    modules = [{"path": place, "type": f"sentence_transformers.models.{kind}"} for kind, place in kinds]
    pooling = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": False}
    told = {"prompts": {"query": "query: "}, "default_prompt_name": "query"}
    inner = path / where
    inner.mkdir(exist_ok=True)
    folder(inner, {**CONFIG, "architectures": ["BertModel"]})
    (inner / "sentence_bert_config.json").write_text('{"max_seq_length": 128, "do_lower_case": false}')
    return folder(
        path,
        config__json=None if where else (path / "config.json").read_text(),
        model__safetensors=None if where else weights(),
        tokenizer__json=None if where else "{}",
        modules__json=json.dumps(modules),
        config_sentence_transformers__json=json.dumps(told),
        **{"1_Pooling_in_config__json": json.dumps(pooling), "2_Dense_in_config__json": '{"out_features": 7}', **files},
    )


@pytest.mark.parametrize("where", ["", "0_Transformer"])
def test_a_sentence_transformer(tmp_path: Path, where: str) -> None:
    found = reading(sentence_transformer(tmp_path, where))

    assert found.format == "sentence-transformers"
    assert found.options == {
        "task": "embedding",
        **({"folder": where} if where else {}),
        "pooling": ["cls", "mean"],
        "steps": [["Dense", "2_Dense"], ["Normalize", "3_Normalize"]],
        "max_length": 128,
        "too_long": "cut",
        "prompt": "query: ",
        "width": 7,
    }
    assert found.signature.outputs == (TensorSpec("embedding", "FP32", (-1, 7)),)
    assert found.findings == ()


def test_poolings_that_are_not_served(tmp_path: Path) -> None:
    path = sentence_transformer(tmp_path, **{"1_Pooling_in_config__json": '{"pooling_mode": "attention"}'})
    with pytest.raises(UnsupportedModelError, match="is attention, which is not served"):
        reading(path)


def test_modules_that_are_not_served(tmp_path: Path) -> None:
    path = sentence_transformer(tmp_path)
    (path / "modules.json").write_text('[{"path": "", "type": "sentence_transformers.models.CLIPModel"}]')
    with pytest.raises(UnsupportedModelError, match="a sentence transformer of CLIPModel"):
        reading(path)


def test_choices_that_there_are_not(tmp_path: Path) -> None:
    artifact = read_artifact(folder(tmp_path), cache=tmp_path / ".git")
    with pytest.raises(UsageError, match="too_long cannot be 'shrink'") as refused:
        read(TRANSFORMERS, artifact, {"too_long": "shrink"})
    assert refused.value.hint == "It can be: refuse, cut."


def test_a_bare_encoder_says_how_it_is_pooled(tmp_path: Path) -> None:
    (finding,) = reading(folder(tmp_path, {**CONFIG, "architectures": ["BertModel"]})).findings
    assert (finding.severity, finding.what) == ("info", "the embedding is the mean over the tokens")


# What is wrong with files.


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"config__json": '{"model_type": '}, "is no JSON"),
        ({"model__safetensors": weights()[:-1]}, "cut off"),
        ({"model__safetensors": b"\xff" * 40}, "cut off"),
        ({"model__safetensors": b"version https://git-lfs.github.com/spec/v1\noid ..."}, "is a Git LFS pointer"),
        ({"model__safetensors": None, "other__safetensors": weights()}, r"has neither model\.safetensors nor"),
        ({"tokenizer__json": None}, "has no tokenizer"),
        ({"tokenizer_config__json": "[]"}, r"tokenizer_config\.json in .* is no JSON object"),
        (
            {
                "model__safetensors": None,
                "model__safetensors__index__json": '{"weight_map": {"a": "model-1.safetensors"}}',
                "x__safetensors": weights(),
            },
            r"lacks model-1\.safetensors, which model\.safetensors\.index\.json refers to",
        ),
    ],
)
def test_damage_is_told(tmp_path: Path, files: dict[str, Any], words: str) -> None:
    artifact = read_artifact(folder(tmp_path, **files), cache=tmp_path / ".git")
    with pytest.raises(ArtifactError, match=words):
        read(TRANSFORMERS, artifact)


def test_an_adapter_is_refused_by_its_name(tmp_path: Path) -> None:
    path = folder(
        tmp_path,
        config__json=None,
        model__safetensors=None,
        adapter_config__json="{}",
        adapter_model__safetensors=weights(),
    )
    with pytest.raises(UnsupportedModelError, match="is an adapter without the model") as refused:
        reading(path)
    assert "merge_and_unload" in refused.value.hint


# Safety.


def test_code_in_the_folder_is_dangerous(tmp_path: Path) -> None:
    config = {**CONFIG, "auto_map": {"AutoConfig": "own.Config", "AutoModel": "author/hub--far.Model"}}
    assert reading(folder(tmp_path, config)).findings == ()  # it names code that is not here, and is never fetched

    found = reading(folder(tmp_path, config, own__py="raise ValueError"))

    assert [(item.severity, item.what) for item in found.findings] == [("danger", "own.Config")]
    assert found.options["trust_remote_code"] is True
    with pytest.raises(UnsafeArtifactError, match=r"own\.Config"):
        require_safe(found, allow_unsafe=False)


@pytest.mark.parametrize(("value", "severities"), [({"w": 1}, []), ({"w": Evil()}, ["danger"])])
def test_pickled_weights_are_looked_at(tmp_path: Path, value: object, severities: list[str]) -> None:
    found = reading(folder(tmp_path, model__safetensors=None, pytorch_model__bin=pickled(value)))
    assert [item.severity for item in found.findings] == severities
    assert found.unused == ()


# What stays out of the image.


def test_weights_for_others_stay_out(tmp_path: Path) -> None:
    path = folder(
        tmp_path,
        pytorch_model__bin=pickled({"w": Evil()}),  # not loaded: the safe one is
        tf_model__h5="x",
        onnx_in_model__onnx="x",
        vocab__txt="x",
    )

    source = read_source(path, Options(), Host(tmp_path / ".git", "3.11", {}))

    assert [file.path for file in source.artifact.files] == [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "vocab.txt",
    ]
    assert source.reading.findings == ()


def test_pieces_of_sentences_want_their_library(tmp_path: Path) -> None:
    assert reading(folder(tmp_path, tokenizer__json=None, spiece__model="x")).requirements == ("sentencepiece",)
