"""Transformers: each task answered as the pipeline of Transformers does, in batches as row by row, and its refusals."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from modelbuild_runtime.engines import EngineOptions
from modelbuild_runtime.errors import InvalidInput, LoadError
from modelbuild_runtime.manifest import Manifest, Model, Runtime
from modelbuild_runtime.process.models.model import load_model
from modelbuild_runtime.process.models.replay import Replayer
from modelbuild_runtime.settings import Settings

transformers = pytest.importorskip("transformers", reason="tested in an environment of its own")
torch = pytest.importorskip("torch", reason="tested in an environment of its own")

from modelbuild_runtime.engines.transformers.engine import load  # noqa: E402
from modelbuild_runtime.engines.transformers.sample import MARKS, write_tokenizer  # noqa: E402
from modelbuild_runtime.engines.transformers.texts import Texts, Tokens  # noqa: E402

WORDS = (
    *MARKS,
    *[
        "the",
        "film",
        "was",
        "great",
        "dull",
        "anna",
        "lives",
        "in",
        "paris",
        "london",
        "who",
        "where",
        "##s",
        "?",
        ".",
        ",",
        "1",
        "not",
        "very",
    ],
)
TEXTS = ["The film was great.", "dull", "Anna lives in London, not in Paris. The film was very very dull."]
SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "initializer_range": 0.5,
}
NAMES = {0: "O", 1: "B-PER", 2: "I-PER", 3: "B-LOC", 4: "I-LOC"}


def column(*values: Any) -> np.ndarray:
    array = np.empty(len(values), object)
    array[:] = values
    return array


def bert(folder: Path, kind: str, **settings: Any) -> Path:
    torch.manual_seed(3)
    config = transformers.BertConfig(vocab_size=len(WORDS), max_position_embeddings=48, **SMALL, **settings)
    getattr(transformers, kind)(config).save_pretrained(folder)
    write_tokenizer(folder, WORDS)
    return folder


def opened(folder: Path, task: str, **options: Any) -> Any:
    return load(folder, EngineOptions(options={"task": task, **options}))


def pipeline(task: str, folder: Path, **settings: Any) -> Any:
    return transformers.pipeline(task, str(folder), device="cpu", **settings)


def rows(answer: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    return [
        dict(zip(answer, values, strict=True))
        for values in zip(*(array.tolist() for array in answer.values()), strict=False)
    ]


# Classes.


@pytest.mark.parametrize("kind", ["single_label_classification", "multi_label_classification"])
def test_classes_of_texts(tmp_path: Path, kind: str) -> None:
    labels = {0: "bad", 1: "so-so", 2: "good"}
    folder = bert(tmp_path, "BertForSequenceClassification", id2label=labels, problem_type=kind)
    engine = opened(folder, "text-classification")

    answer = rows(engine.predict({"text": column(*TEXTS)}))

    for row, known in zip(answer, pipeline("text-classification", folder, top_k=None)(TEXTS), strict=True):
        scores = {item["label"]: item["score"] for item in known}
        assert row["label"] == known[0]["label"]
        assert row["score"] == pytest.approx(known[0]["score"], abs=1e-5)
        assert dict(zip(labels.values(), row["probabilities"], strict=True)) == pytest.approx(scores, abs=1e-5)


@pytest.mark.parametrize("kind", ["regression", None])
def test_one_number(tmp_path: Path, kind: str | None) -> None:
    folder = bert(tmp_path, "BertForSequenceClassification", num_labels=1, problem_type=kind)
    engine = opened(folder, "text-classification")

    known = [item["score"] for item in pipeline("text-classification", folder)(TEXTS)]

    assert engine.predict({"text": column(*TEXTS)})["score"].tolist() == pytest.approx(known, abs=1e-5)


def test_pairs_of_texts(tmp_path: Path) -> None:
    folder = bert(tmp_path, "BertForSequenceClassification", id2label={0: "ENTAILMENT", 1: "other"})
    engine = opened(folder, "text-classification")
    assert [spec.name for spec in engine.signature().inputs] == ["text", "text_pair"]

    answer = engine.predict({"text": column(*TEXTS), "text_pair": column(*TEXTS[::-1])})

    pairs = [{"text": one, "text_pair": other} for one, other in zip(TEXTS, TEXTS[::-1], strict=True)]
    known = pipeline("text-classification", folder)(pairs)
    assert answer["label"].tolist() == [item["label"] for item in known]
    assert answer["score"].tolist() == pytest.approx([item["score"] for item in known], abs=1e-5)


def test_a_decoder_without_padding_takes_rows_of_any_length(tmp_path: Path) -> None:
    config = transformers.GPT2Config(
        vocab_size=len(WORDS), n_embd=32, n_layer=2, n_head=4, n_positions=48, num_labels=3
    )
    transformers.GPT2ForSequenceClassification(config).save_pretrained(tmp_path)
    write_tokenizer(tmp_path, WORDS)
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text())
    del settings["pad_token"]
    settings["model_input_names"] = ["input_ids", "attention_mask"]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    engine = opened(tmp_path, "text-classification")

    together = engine.predict({"text": column(*TEXTS)})["probabilities"]

    alone = [engine.predict({"text": column(text)})["probabilities"][0] for text in TEXTS]
    assert np.allclose(together, alone, atol=1e-5)


def test_classes_of_images(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image", reason="only images of this kind of model need Pillow")
    config = transformers.ViTConfig(image_size=32, patch_size=8, id2label={0: "cat", 1: "dog"}, **SMALL)
    transformers.ViTForImageClassification(config).save_pretrained(tmp_path)
    transformers.ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(tmp_path)
    engine = opened(tmp_path, "image-classification")
    pixels = np.random.default_rng(0).integers(0, 255, (50, 40, 3), dtype=np.uint8)
    file = io.BytesIO()
    image.fromarray(pixels).save(file, "PNG")

    answer = engine.predict({"image": column(file.getvalue(), engine.example["image"])})

    (first, *_) = pipeline("image-classification", tmp_path)(image.fromarray(pixels))
    assert answer["label"][0] == first["label"]
    assert answer["score"][0] == pytest.approx(first["score"], abs=1e-5)
    for wrong in ("text", b"no image", file.getvalue()[:100]):
        with pytest.raises(InvalidInput) as refused:
            engine.predict({"image": column(wrong)})
        assert refused.value.field == "image"


# Tokens.


def test_names_in_texts(tmp_path: Path) -> None:
    folder = bert(tmp_path, "BertForTokenClassification", id2label=NAMES)
    engine = opened(folder, "token-classification")

    answer = engine.predict({"text": column(*TEXTS)})

    known = pipeline("token-classification", folder, aggregation_strategy="simple")(TEXTS)
    assert sum(map(len, known)) > 2
    for row, entities in zip(answer, known, strict=True):
        assert [{**item, "score": 0} for item in row["entities"]] == [{**item, "score": 0} for item in entities]
        assert [item["score"] for item in row["entities"]] == pytest.approx([item["score"] for item in entities])
    json.dumps(answer)


def test_masks(tmp_path: Path) -> None:
    folder = bert(tmp_path, "BertForMaskedLM")
    engine = opened(folder, "fill-mask")
    texts = ["the film was [MASK]", "anna lives in [MASK], not in london, and very very great ."]

    answer = engine.predict({"text": column(*texts)})

    for at, known in enumerate(pipeline("fill-mask", folder)(texts)):
        assert answer["token"][at].tolist() == [item["token_str"] for item in known]
        assert answer["sequence"][at].tolist() == [item["sequence"] for item in known]
        assert answer["score"][at].tolist() == pytest.approx([item["score"] for item in known], abs=1e-5)
    assert engine.predict({name: column(text) for name, text in engine.example.items()})
    with pytest.raises(InvalidInput, match=r"holds \[MASK\] 0 times"):
        engine.predict({"text": column("no mask")})


def test_answers_in_a_long_text(tmp_path: Path) -> None:
    """The windows see all of it, and what is answered stands there."""
    folder = bert(tmp_path, "BertForQuestionAnswering")
    engine = opened(folder, "question-answering")
    question, context = "who lives in Paris?", "  ".join(["The film was dull.", "Anna lives in Paris."] * 12)

    answer = rows(engine.predict({"question": column(question, "where"), "context": column(context, "Paris")}))

    assert [row["answer"] for row in answer] == [context[answer[0]["start"] : answer[0]["end"]], "Paris"]
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    best = _best_answer(
        transformers.AutoModelForQuestionAnswering.from_pretrained(folder), tokenizer, question, context
    )
    assert answer[0]["score"] == pytest.approx(best, abs=1e-5)
    for name in ("question", "context"):
        with pytest.raises(InvalidInput) as refused:
            engine.predict({"question": column("who"), "context": column("Anna"), name: column(" ")})
        assert refused.value.field == name


def _best_answer(model: Any, tokenizer: Any, question: str, context: str) -> float:
    """The largest product of two probabilities over all windows, looked for one span at a time."""
    windows = tokenizer(
        question,
        context,
        truncation="only_second",
        max_length=32,
        stride=16,
        return_overflowing_tokens=True,
        return_tensors="pt",
        padding=True,
    )
    best = 0.0
    with torch.inference_mode():
        for at in range(len(windows["input_ids"])):
            given = {n: windows[n][at : at + 1] for n in ("input_ids", "token_type_ids", "attention_mask")}
            inside = torch.tensor([part == 1 for part in windows.sequence_ids(at)])
            found = model(**given)
            begins, ends = (
                torch.where(inside, values[0], torch.tensor(-10_000.0)).softmax(0).tolist()
                for values in (found.start_logits, found.end_logits)
            )
            spans = [(a, b) for a in range(len(begins)) for b in range(a, min(a + 15, len(ends)))]
            best = max(best, *(begins[a] * ends[b] for a, b in spans))
    return best


# Embeddings.


def test_a_bare_encoder_gives_the_mean(tmp_path: Path) -> None:
    engine = opened(bert(tmp_path, "BertModel"), "embedding")

    vectors = engine.predict({"text": column(*TEXTS)})["embedding"]

    states = pipeline("feature-extraction", tmp_path)(TEXTS)
    assert np.allclose(vectors, [np.mean(one[0], axis=0) for one in states], atol=1e-5)


def test_a_sentence_transformer(tmp_path: Path) -> None:
    bert(tmp_path, "BertModel")
    (tmp_path / "2_Dense").mkdir()
    layer = torch.nn.Linear(64, 3)
    told = {"in_features": 64, "out_features": 3, "activation_function": "torch.nn.modules.activation.Tanh"}
    (tmp_path / "2_Dense" / "config.json").write_text(json.dumps(told))
    torch.save(
        {f"linear.{name}": value for name, value in layer.state_dict().items()},
        tmp_path / "2_Dense" / "pytorch_model.bin",
    )
    engine = opened(
        tmp_path,
        "embedding",
        pooling=["cls", "mean"],
        steps=[["Dense", "2_Dense"], ["Normalize", "3_Normalize"]],
        max_length=8,
        too_long="cut",
        prompt="the ",
    )

    vectors = engine.predict({"text": column(*TEXTS)})["embedding"]

    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    model = transformers.AutoModel.from_pretrained(tmp_path)
    for text, vector in zip(TEXTS, vectors, strict=True):
        with torch.inference_mode():
            given = tokenizer(f"the {text}", return_tensors="pt", truncation=True, max_length=8)
            (states,) = model(**given).last_hidden_state
            known = torch.tanh(layer(torch.cat([states[0], states.mean(0)])))
        assert np.allclose(vector, known / known.norm(), atol=1e-5)


@pytest.mark.parametrize("pooling", ["max", "mean_sqrt_len", "weightedmean", "lasttoken"])
def test_other_poolings(tmp_path: Path, pooling: str) -> None:
    """What a row is padded with is no part of it."""
    engine = opened(bert(tmp_path, "BertModel"), "embedding", pooling=[pooling])

    together = engine.predict({"text": column(*TEXTS)})["embedding"]

    for text, vector in zip(TEXTS, together, strict=True):
        assert np.allclose(engine.predict({"text": column(text)})["embedding"][0], vector, atol=1e-4)


# Text that is written.


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny GPT-2 on bytes, so that characters of several bytes come in pieces."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    folder = tmp_path_factory.mktemp("writer")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(["é 漢"], trainers.BpeTrainer(special_tokens=["<end>"], initial_alphabet=alphabet))
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>")
    torch.manual_seed(5)
    config = transformers.GPT2Config(
        vocab_size=len(fast), n_embd=32, n_layer=2, n_head=4, n_positions=64, initializer_range=0.4
    )
    config.bos_token_id = config.eos_token_id = 0
    transformers.GPT2LMHeadModel(config).save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


PROMPTS = ["漢 film", "Anna", "é"]


def test_text_is_written_as_the_pipeline_does(writer: Path) -> None:
    engine = opened(writer, "text-generation")

    answer = engine.predict({"text": column(*PROMPTS)}, {"max_new_tokens": 24})["generated_text"].tolist()

    write = pipeline("text-generation", writer)
    known = [write(text, max_new_tokens=24, do_sample=False, return_full_text=False) for text in PROMPTS]
    assert answer == [item[0]["generated_text"] for item in known]
    assert len(set(answer)) == len(PROMPTS)


@pytest.mark.parametrize("parameters", [{}, {"temperature": 0.8, "top_k": 50, "seed": 7}, {"repetition_penalty": 1.5}])
def test_parts_are_the_whole(writer: Path, parameters: dict[str, Any]) -> None:
    engine = opened(writer, "text-generation")
    given = {"text": column(PROMPTS[0])}

    parts = []
    for part in engine.stream(given, {"max_new_tokens": 24, **parameters}):
        parts.append(part)
        engine.predict({"text": column("another")}, {"max_new_tokens": 2, "temperature": 1.0})  # in between

    (whole,) = engine.predict(given, {"max_new_tokens": 24, **parameters})["generated_text"].tolist()
    assert "".join(parts) == whole
    assert len(parts) > 3
    assert all(parts)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_new_tokens", 0),
        ("max_tokens", 1.5),
        ("temperature", "hot"),
        ("top_p", 2),
        ("do_sample", 1),
        ("seed", -1),
        ("top_k", True),
        ("beams", 4),
    ],
)
def test_parameters_that_cannot_be(writer: Path, name: str, value: Any) -> None:
    engine = opened(writer, "text-generation")

    with pytest.raises(InvalidInput, match=name):
        engine.predict({"text": column("x")}, {name: value})


def test_there_must_be_room_for_what_is_written(writer: Path) -> None:
    engine = opened(writer, "text-generation")

    with pytest.raises(InvalidInput, match="it has 60 tokens, and the model takes 64 with those it writes"):
        engine.predict({"text": column("x" * 60)}, {"max_new_tokens": 5})
    assert engine.predict({"text": column("x" * 60)})  # as many as there is room for


def test_of_a_prompt_that_is_cut_the_end_is_kept(writer: Path) -> None:
    engine = opened(writer, "text-generation", too_long="cut")
    long, asked = "film " * 30 + "漢", {"max_new_tokens": 10}

    (written,) = engine.predict({"text": column(long)}, asked)["generated_text"].tolist()

    tokenizer = transformers.AutoTokenizer.from_pretrained(writer)
    rest = tokenizer.decode(tokenizer(long)["input_ids"][-54:])
    assert (
        written
        == pipeline("text-generation", writer)(rest, do_sample=False, return_full_text=False, **asked)[0][
            "generated_text"
        ]
    )
    assert "".join(engine.stream({"text": column(long)}, asked)) == written
    with pytest.raises(InvalidInput, match="the model takes 64 with those it writes"):
        engine.predict({"text": column(long)}, {"max_new_tokens": 64})


def test_a_special_token_at_the_beginning_stays(writer: Path) -> None:
    texts = opened(writer, "text-generation", too_long="cut")._texts
    assert texts.end_of(Tokens([0, 5, 6, 7, 8], [0] * 5), 3) == Tokens([0, 7, 8], [0] * 3)
    assert texts.end_of(Tokens([4, 5, 6, 7, 8], [0] * 5), 3) == Tokens([6, 7, 8], [0] * 3)
    assert texts.end_of(Tokens([4, 5], [0] * 2), 3) == Tokens([4, 5], [0] * 2)


# Dialogues.

TEMPLATE = (
    "{% for m in messages %}{% if m.role == 'system' and not loop.first %}{{ raise_exception('system comes first') }}"
    "{% endif %}<end>{{ m.role }}:{{ m.content }}{% if not loop.last %}<end>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<end>assistant:{% endif %}"
)
DIALOGUE = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "漢?"}]


@pytest.fixture(scope="module")
def talker(writer: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model with a chat template."""
    folder = tmp_path_factory.mktemp("talker") / "m"
    shutil.copytree(writer, folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def server(talker: Path) -> Replayer:
    manifest = Manifest(Model("m", "1", "m"), Runtime("transformers", options={"task": "text-generation"}))
    path = talker.parent / "manifest.json"
    path.write_bytes(msgspec.json.encode(manifest))
    settings = Settings(manifest=str(path))
    loaded = load_model(settings, 1, {})
    return Replayer(settings, loaded.router, loaded.dataplane)


def asked(server: Replayer, path: str, body: Any, accept: str = "application/json") -> tuple[int, Any]:
    response = server.post(path, json.dumps(body).encode(), accept=accept)
    events = response.content_type.startswith("text/event-stream")
    return response.status, response.body.decode() if events else json.loads(response.body)


def said(talker: Path, *messages: Any, size: int = 12) -> str:
    """What Transformers' own pipeline answers."""
    write = pipeline("text-generation", talker)
    text = write(list(messages), max_new_tokens=size, do_sample=False)[0]["generated_text"][-1]["content"]
    assert isinstance(text, str)
    return text


SIZE = {"max_new_tokens": 12}


def test_messages_are_answered_as_the_pipeline_does(server: Replayer, talker: Path) -> None:
    expected = said(talker, *DIALOGUE)
    rows = [{"messages": DIALOGUE}, {"text": "漢"}, {"messages": DIALOGUE[1:]}]
    status, answer = asked(server, "/predict", {"instances": rows, "parameters": SIZE})
    assert status == 200, answer
    alone = opened(talker, "text-generation").predict({"text": column("漢")}, SIZE)["generated_text"][0]
    assert answer["predictions"] == [expected, alone, said(talker, DIALOGUE[1])]
    assert len(set(answer["predictions"])) == 3


def test_messages_in_other_protocols(server: Replayer, talker: Path) -> None:
    expected = said(talker, *DIALOGUE)
    status, answer = asked(server, "/v2/models/m/generate", {"messages": DIALOGUE, "max_tokens": 12})
    assert (status, answer["text_output"]) == (200, expected)
    status, text = asked(server, "/v2/models/m/generate_stream", {"messages": DIALOGUE, **SIZE})
    parts = [json.loads(line[6:])["text_output"] for line in text.splitlines() if line.startswith("data: ")]
    assert (status, "".join(parts)) == (200, expected)
    assert len(parts) > 3
    status, answer = asked(server, "/v2/models/m/generate", {"text_input": "漢", **SIZE})
    tensor = {"name": "text", "shape": [1], "datatype": "BYTES", "data": ["漢"]}
    status, tensors = asked(server, "/v2/models/m/infer", {"inputs": [tensor], "parameters": SIZE})
    assert (status, tensors["outputs"][0]["data"]) == (200, [answer["text_output"]])
    assert asked(server, "/predict", {"messages": DIALOGUE})[0] == 200


def test_an_answer_that_was_begun_is_gone_on_with(server: Replayer, talker: Path) -> None:
    begun = [*DIALOGUE, {"role": "assistant", "content": "Yes"}]
    write = pipeline("text-generation", talker)
    whole = write(begun, max_new_tokens=12, do_sample=False)[0]["generated_text"][-1]["content"]
    status, answer = asked(server, "/predict", {"instances": [{"messages": begun}], "parameters": SIZE})
    assert (status, "Yes" + answer["predictions"][0]) == (200, whole)


@pytest.mark.parametrize(
    ("row", "field", "words"),
    [
        ({"messages": []}, "messages", "a list of messages"),
        ({"messages": "hello"}, "messages", "no JSON"),
        ({"messages": [{"role": "user"}]}, "messages", "message 0 must have a role and a content"),
        ({"messages": [{"role": "user", "content": 1}]}, "messages", "of message 0 must be text"),
        ({"messages": DIALOGUE[::-1]}, "messages", "refuses them: system comes first"),
        ({"messages": DIALOGUE, "text": "x"}, "text", "either 'text' or 'messages'"),
        ({"text": 1}, "text", "a text is missing"),
        ({"words": "x"}, "words", "field 'words' is unknown"),
        ({}, "text", "either 'text' or 'messages'"),
    ],
    ids=str,
)
def test_messages_that_are_none(server: Replayer, row: Any, field: str, words: str) -> None:
    status, answer = asked(server, "/predict", row)
    assert (status, answer.get("field")) == (400, field)
    assert words in answer["detail"]


def test_without_a_template_there_are_no_messages(writer: Path) -> None:
    assert not hasattr(opened(writer, "text-generation"), "record")


def test_another_text_is_written(tmp_path: Path) -> None:
    torch.manual_seed(1)
    sizes = {"d_model": 32, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "max_position_embeddings": 48}
    layers = {"encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 4, "decoder_attention_heads": 4}
    marks = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3, "decoder_start_token_id": 2}
    config = transformers.BartConfig(vocab_size=len(WORDS), init_std=0.5, **sizes, **layers, **marks)
    config.forced_eos_token_id = None
    model = transformers.BartForConditionalGeneration(config).eval()
    model.save_pretrained(tmp_path)
    write_tokenizer(tmp_path, WORDS)
    engine = opened(tmp_path, "text2text-generation")

    answer = engine.predict({"text": column(*TEXTS)}, {"max_new_tokens": 9})["generated_text"].tolist()

    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    for text, written in zip(TEXTS, answer, strict=True):
        given = tokenizer(text, return_tensors="pt", return_token_type_ids=False)
        (known,) = model.generate(**given, max_new_tokens=9)
        assert written == tokenizer.decode(known, skip_special_tokens=True)
        assert written


# Limits.


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    engine = opened(bert(tmp_path, "BertForSequenceClassification"), "text-classification")

    for value, words in (
        (None, "missing"),
        (b"\xff\xfe", "UTF-8"),
        (3.0, "missing"),
        ("very " * 40, "it has 42 tokens, and the model takes 32"),
    ):
        with pytest.raises(InvalidInput, match=words) as refused:
            engine.predict({"text": column("fine", value)})
        assert refused.value.field == "text"
    assert engine.predict({"text": column(b"The film was great.")})["label"][0] in {"LABEL_0", "LABEL_1"}


def test_what_is_too_long_may_be_cut(tmp_path: Path) -> None:
    engine = opened(bert(tmp_path, "BertForSequenceClassification"), "text-classification", too_long="cut")

    scores = engine.predict({"text": column("very " * 40, "very " * 30)})["score"]

    assert scores[0] == pytest.approx(scores[1], abs=1e-6)


def test_rows_of_one_length_run_together(tmp_path: Path) -> None:
    class Model:
        config = transformers.BertConfig()

    tokenizer = transformers.AutoTokenizer.from_pretrained(bert(tmp_path, "BertModel"))
    texts = Texts(tokenizer, Model(), {})

    runs = list(texts.runs([Tokens([1] * size, [0] * size) for size in (500, 3, 490, 4, 5)]))

    assert runs == [[0, 2], [4, 3, 1]]


def test_weights_that_are_missing_are_not_made_up(tmp_path: Path) -> None:
    bert(tmp_path, "BertModel")

    with pytest.raises(LoadError, match=r"lacks weights of a BertForSequenceClassification: classifier\.bias"):
        opened(tmp_path, "text-classification")


def test_code_in_a_folder_is_not_run(tmp_path: Path) -> None:
    bert(tmp_path, "BertModel")
    config = json.loads((tmp_path / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Config", "AutoModel": "own.Model"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nraise ValueError('it ran')")

    with pytest.raises(LoadError, match=r"Transformers .* cannot load"):
        opened(tmp_path, "embedding")
    assert not (tmp_path / "ran").exists()


def test_pickled_weights_that_do_more_are_not_loaded(tmp_path: Path) -> None:
    bert(tmp_path, "BertModel")
    (tmp_path / "model.safetensors").unlink()

    class Evil:
        def __reduce__(self) -> Any:
            return open, (str(tmp_path / "ran"), "w")

    torch.save({"weight": Evil()}, tmp_path / "pytorch_model.bin")

    with pytest.raises(LoadError, match=tmp_path.name):
        opened(tmp_path, "embedding")
    assert not (tmp_path / "ran").exists()


def test_a_task_that_is_not_served(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="'depth-estimation', which is not served"):
        opened(tmp_path, "depth-estimation")
