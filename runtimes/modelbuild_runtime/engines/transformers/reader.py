"""What a Hugging Face folder says of itself: its JSON files and the heads of its weights, read without a framework."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

from modelbuild.artifact import Artifact, File, folder_in
from modelbuild.errors import ArtifactError, UnsupportedModelError, UsageError
from modelbuild.formats import archive
from modelbuild.formats.hugging_face import adapter, file_of, has, refuse_pointers, table_of, weights_of
from modelbuild.formats.sentence_transformers import CONFIG, MODULES, POOLINGS, read_modules
from modelbuild.pickles.machine import OUTSIDE
from modelbuild.pickles.scan import judge, scan_bytes
from modelbuild.runtime import Finding, Reading, load_runtime
from modelbuild.signature import Signature, TensorSpec

MAX_PICKLE = 1 << 26
FOREIGN = (
    *("*.onnx", "*.onnx_data", "onnx/*", "openvino/*", "openvino_model.*", "coreml/*", "*.gguf", "*.tflite"),
    *("tf_model*.h5", "flax_model*.msgpack", "rust_model.ot", "optimizer.pt", "training_args.bin"),
)
"""The same weights for other frameworks, and what training leaves behind: the hub's folders hold them all."""
TOKENIZERS = ("tokenizer.json", "vocab.txt", "vocab.json", "tokenizer_config.json", "*.model", "*.spm")

TASKS = {
    "ForSequenceClassification": "text-classification",
    "ForTokenClassification": "token-classification",
    "ForQuestionAnswering": "question-answering",
    "ForMaskedLM": "fill-mask",
    "ForCausalLM": "text-generation",
    "LMHeadModel": "text-generation",
    "ForImageClassification": "image-classification",
    "ForConditionalGeneration": "text2text-generation",
    "MTModel": "text2text-generation",
    "Model": "embedding",
}
"""What the end of an architecture's name is for; the first that fits."""
TEXT_TO_TEXT = frozenset(
    {"bart", "bigbird_pegasus", "blenderbot", "blenderbot-small", "fsmt", "led", "longt5", "m2m_100", "marian", "mbart"}
    | {"mt5", "mvp", "nllb-moe", "pegasus", "pegasus_x", "plbart", "prophetnet", "switch_transformers", "t5", "umt5"}
)
"""Types of models whose ``ForConditionalGeneration`` takes text: others take sounds and images."""
CHOICES = {"too_long": ("refuse", "cut"), "pooling": tuple(POOLINGS.values())}
"""What --runtime-option may say, where the folder does not decide."""

Table = Mapping[str, Any]


def read(artifact: Artifact, chosen: Mapping[str, Any]) -> Reading:
    """Read a folder of Transformers, or of Sentence Transformers. ``chosen`` may say how it is pooled.

    Raises:
        ArtifactError: a file is missing, cut off or corrupt.
        UnsupportedModelError: what this kind of model does cannot be served.
        UsageError: there is no such choice.
    """
    for name, known in CHOICES.items():
        if chosen.get(name, known[0]) not in known:
            raise UsageError(f"{name} cannot be {chosen[name]!r}.", hint=f"It can be: {', '.join(known)}.")
    if not artifact.is_folder:
        raise UnsupportedModelError(f"{artifact.name} is a file.", hint=f"Give the folder that {CONFIG} is in.")
    refuse_pointers(artifact)
    paths = {file.path for file in artifact.files}
    if CONFIG not in paths and "adapter_config.json" in paths:
        raise adapter(artifact)
    options = read_modules(artifact) if MODULES in paths else {}
    model = folder_in(artifact, options["folder"]) if options.get("folder") else artifact
    config = table_of(model, CONFIG)
    options = {"task": _task(model, config), **options}
    _check_config(model, config)
    weights = weights_of(model)
    tokenizer = table_of(model, "tokenizer_config.json", required=False)
    task = options["task"]
    if task == "image-classification":
        table_of(model, "preprocessor_config.json")
    elif not any(has(model, pattern) for pattern in TOKENIZERS):
        raise ArtifactError(
            f"{model.name} has no tokenizer.", hint="Add it: tokenizer.save_pretrained(FOLDER), beside the model."
        )
    code = tuple(_code(model, config, tokenizer))
    options |= {"trust_remote_code": True} if code else {}
    return Reading(
        "sentence-transformers" if MODULES in paths else "transformers",
        _signature(task, config, options),
        _version(config),
        requirements=tuple(_requirements(task, model, tokenizer)),
        findings=(*code, *_pickled(weights), *_remarks(task, {**options, **chosen})),
        options=options,
        unused=tuple(sorted(_unused(artifact, weights))),
        metadata=_metadata(task, config, weights),
    )


def _task(model: Artifact, config: Table) -> str:
    architecture = _architecture(config)
    for end, task in TASKS.items():
        if architecture.endswith(end):
            speaks = task != "text2text-generation" or config.get("model_type") in TEXT_TO_TEXT
            encodes = "vision_config" not in config and config.get("is_encoder_decoder") is not True
            if speaks and (task != "embedding" or encodes):
                return task
            break
    served = ", ".join(sorted(set(TASKS.values())))
    what = f"is a {architecture}" if architecture else f"does not say its architecture in {CONFIG}"
    raise UnsupportedModelError(
        f"{model.name} {what}, which is none of what is served: {served}.",
        hint="Export it to ONNX with optimum-cli, or save the model for one of these tasks.",
    )


def _architecture(config: Table) -> str:
    found = config.get("architectures")
    return found[0] if isinstance(found, list) and found and isinstance(found[0], str) else ""


def _check_config(model: Artifact, config: Table) -> None:
    quantization = config.get("quantization_config")
    if isinstance(quantization, dict):
        method = quantization.get("quant_method", "some method")
        raise UnsupportedModelError(
            f"The weights of {model.name} are quantized by {method}, for GPUs.",
            hint="Package the model that it was made from, or an ONNX export that is quantized for CPUs.",
        )


# What of it the image needs.


def _unused(artifact: Artifact, weights: tuple[File, ...]) -> Iterator[str]:
    """Files that the engine does not read: pickled weights, too, where there are safe ones."""
    safe = all(file.path.endswith(".safetensors") for file in weights)
    for file in artifact.files:
        patterns = (*FOREIGN, "pytorch_model*.bin", "pytorch_model.bin.index.json") if safe else FOREIGN
        if any(fnmatchcase(file.path, pattern) for pattern in patterns):
            yield file.path


# Safety.


def _code(model: Artifact, config: Table, tokenizer: Table) -> Iterator[Finding]:
    """Code in the folder. What a configuration names that is not in it is never fetched."""
    for where, table in ((CONFIG, config), ("tokenizer_config.json", tokenizer)):
        named = table.get("auto_map")
        texts = sorted(set(_texts(named)))
        for text in texts:
            module = text.rpartition(".")[0]
            if file_of(model, f"{module}.py"):
                yield Finding("danger", text, f"{module}.py in the folder, which {where} names in auto_map")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)


def _pickled(weights: tuple[File, ...]) -> Iterator[Finding]:
    """What the pickles among the weights refer to. PyTorch loads them with weights_only, which calls none of it."""
    policy = load_runtime(Path(__file__).parent).pickle
    for file in weights:
        if file.path.endswith(".safetensors"):
            continue
        with file.source.open("rb") as stream:
            is_zip = stream.read(4) == archive.MAGIC
        if not is_zip:
            yield Finding("review", file.path, "weights in PyTorch's format from before 1.6; save them as safetensors")
            continue
        with archive.open_zip(file.source) as opened:
            for name in opened.namelist():
                if fnmatchcase(name, "*/data.pkl"):
                    found = scan_bytes(archive.read_member(opened, name, MAX_PICKLE))
                    # The tensors are the objects from outside.
                    plain = replace(found, oddities=tuple(item for item in found.oddities if item[1] != OUTSIDE))
                    for item in judge(plain, policy):
                        yield Finding(item.severity, item.what, f"{item.where} of {file.path}")


def _remarks(task: str, options: Table) -> Iterator[Finding]:
    if task == "embedding" and "pooling" not in options:
        what = "the embedding is the mean over the tokens"
        yield Finding("info", what, f"there is no {MODULES} that says how; choose with --runtime-option pooling=...")


# What else the image needs.


def _requirements(task: str, model: Artifact, tokenizer: Table) -> Iterator[str]:
    if task == "text-generation" and (tokenizer.get("chat_template") or has(model, "chat_template.jinja")):
        yield "jinja2"
    if task == "image-classification":
        yield "pillow"
    elif not has(model, "tokenizer.json") and (has(model, "*.model") or has(model, "*.spm")):
        yield "sentencepiece"


def _version(config: Table) -> str:
    """The release that wrote it. A development version counts as what it became."""
    try:
        return Version(str(config.get("transformers_version", ""))).base_version
    except InvalidVersion:
        return ""


# The signature. The engine tells the same.


def _signature(task: str, config: Table, options: dict[str, Any]) -> Signature:
    text = TensorSpec("text", "BYTES", (-1,))
    labels = _labels(config)
    if task == "text-classification":
        return Signature(_texts_in(config, labels), _class_outputs(config, labels))
    if task == "image-classification":
        return Signature((TensorSpec("image", "BYTES", (-1,)),), _class_outputs(config, labels))
    if task == "embedding":
        pooled = len(options.get("pooling", "1"))
        width = options.get("width") or (_width(config) * pooled if _width(config) > 0 else -1)
        return Signature((text,), (TensorSpec("embedding", "FP32", (-1, width)),))
    if task == "token-classification":
        return Signature((text,), (TensorSpec("entities", "BYTES", (-1,)),))
    if task == "question-answering":
        inputs = (TensorSpec("question", "BYTES", (-1,)), TensorSpec("context", "BYTES", (-1,)))
        return Signature(inputs, ANSWER)
    if task == "fill-mask":
        return Signature((text,), FILLED)
    return Signature((text,), (TensorSpec("generated_text", "BYTES", (-1,)),))


ANSWER = (
    TensorSpec("answer", "BYTES", (-1,)),
    TensorSpec("score", "FP32", (-1,)),
    TensorSpec("start", "INT64", (-1,)),
    TensorSpec("end", "INT64", (-1,)),
)
FILLED = (
    TensorSpec("token", "BYTES", (-1, 5)),
    TensorSpec("score", "FP32", (-1, 5)),
    TensorSpec("sequence", "BYTES", (-1, 5)),
)


def _labels(config: Table) -> tuple[str, ...]:
    """The names of the classes by their numbers; two without names where the configuration is silent."""
    table = config.get("id2label")
    if isinstance(table, dict) and table and all(str(key).isdecimal() for key in table):
        return tuple(str(table[key]) for key in sorted(table, key=int))
    count = config.get("num_labels", 2)
    return tuple(f"LABEL_{number}" for number in range(count if type(count) is int and 0 < count < 10_000 else 2))


def _texts_in(config: Table, labels: tuple[str, ...]) -> tuple[TensorSpec, ...]:
    """One text; two where the classes are about a pair of them."""
    pair = "entailment" in {label.lower() for label in labels} or "sentence_transformers" in config
    text, other = TensorSpec("text", "BYTES", (-1,)), TensorSpec("text_pair", "BYTES", (-1,))
    return (text, other) if pair else (text,)


def _class_outputs(config: Table, labels: tuple[str, ...]) -> tuple[TensorSpec, ...]:
    if config.get("problem_type") == "regression" or len(labels) == 1:
        return (TensorSpec("score", "FP32", (-1,) if len(labels) == 1 else (-1, len(labels)), labels=()),)
    return (
        TensorSpec("label", "BYTES", (-1,), labels=labels),
        TensorSpec("score", "FP32", (-1,)),
        TensorSpec("probabilities", "FP32", (-1, len(labels)), labels=labels),
    )


def _width(config: Table) -> int:
    found = (config.get(name) for name in ("hidden_size", "d_model", "n_embd", "dim"))
    return next((size for size in found if type(size) is int and size > 0), -1)


def _metadata(task: str, config: Table, weights: tuple[File, ...]) -> dict[str, str]:
    labels = _labels(config) if task.endswith("-classification") else ()
    facts = {
        "task": task,
        "architecture": _architecture(config),
        "model type": str(config.get("model_type", "")),
        "weights": ", ".join(file.path for file in weights[:3]) + (", ..." if len(weights) > 3 else ""),
        "labels": ", ".join(labels[:30]) + (", ..." if len(labels) > 30 else ""),
    }
    return {name: value for name, value in facts.items() if value}
