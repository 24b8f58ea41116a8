"""A tiny BERT that tells two classes, its weights by chance, saved by Transformers and asked by PyTorch alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, List, Sequence

from modelbuild_runtime.engines import Sample

MARKS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS = (*MARKS, "the", "film", "was", "great", "dull", "and", "not", "a", "bit", "of", ".", "1")
LABELS = ("dull", "great")
REQUEST = [{"text": "The film was great."}, {"text": "dull"}, {"text": "Not a bit dull, and of great wit ."}]
TOKENS = [
    [2, 5, 6, 7, 8, 15, 3],
    [2, 9, 3],
    [2, 11, 12, 13, 9, 1, 10, 14, 8, 1, 15, 3],
]
"""What the tokenizer makes of them, by hand."""


def make(folder: Path) -> Sample:
    """Write the folder ``model``."""
    import torch
    import transformers

    torch.manual_seed(7)
    config = transformers.BertConfig(
        vocab_size=len(WORDS),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=32,
        initializer_range=0.5,
        id2label=dict(enumerate(LABELS)),
    )
    model = transformers.BertForSequenceClassification(config).eval()
    path = folder / "model"
    model.save_pretrained(path)
    write_tokenizer(path)
    expected = []
    for tokens in TOKENS:
        with torch.inference_mode():
            (scores,) = model(torch.tensor([tokens])).logits.softmax(-1).tolist()
        best = max(range(len(scores)), key=scores.__getitem__)
        expected.append({"label": LABELS[best], "score": scores[best], "probabilities": scores})
    return Sample(path, REQUEST, expected, {"task": "text-classification"})


def answers(path: Path, rows: Sequence[Dict[str, Any]]) -> List[Any]:
    """What Transformers' own pipeline answers, to texts one by one."""
    import transformers

    classify = transformers.pipeline("text-classification", model=str(path), top_k=None)
    found = []
    for row in rows:
        (told,) = classify([row["text"]])
        scores = {item["label"]: item["score"] for item in told}
        best = max(scores, key=scores.__getitem__)
        found.append({"label": best, "score": scores[best], "probabilities": [scores[name] for name in LABELS]})
    return found


def write_tokenizer(path: Path, words: Sequence[str] = WORDS) -> None:
    """BERT's tokenizer for lower case, in the files that Transformers reads."""
    marks = {"unk": 1, "pad": 0, "cls": 2, "sep": 3, "mask": 4}
    special = [
        {"id": at, "content": words[at], "special": True, "single_word": False, "lstrip": False, "rstrip": False}
        | {"normalized": False}
        for at in range(5)
    ]
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": special,
        "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True}
        | {"strip_accents": None, "lowercase": True},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##"}
        | {"max_input_chars_per_word": 100, "vocab": {word: at for at, word in enumerate(words)}},
    }
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 32}
    settings |= {f"{name}_token": words[at] for name, at in marks.items()}
    settings["model_input_names"] = ["input_ids", "token_type_ids", "attention_mask"]
    (path / "tokenizer.json").write_text(json.dumps(tokenizer))
    (path / "tokenizer_config.json").write_text(json.dumps(settings))
