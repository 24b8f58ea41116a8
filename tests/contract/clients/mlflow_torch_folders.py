"""Runs in MLflow's environment, with PyTorch, Transformers and Sentence Transformers behind it: saves folders of the three
flavors, and asks MLflow's scoring app about each.

usage: mlflow_torch_folders.py SITE_PACKAGES:SITE_PACKAGES:... FOLDER   > {"name": [[body, status, answer], ...], ...}
"""

# ruff: noqa: E402  # the frameworks have to be found first

from __future__ import annotations

import os
import sys
import warnings
from functools import partial
from pathlib import Path
from typing import Any

sys.path += sys.argv[1].split(os.pathsep)
sys.path.append(str(Path(__file__).parents[3] / "runtimes"))
warnings.simplefilter("ignore")

import mlflow.pyfunc
import mlflow.pytorch
import mlflow.sentence_transformers
import mlflow.transformers
import numpy as np
import pandas as pd
import torch
import transformers
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema
from mlflow_asking import Folders, requirements, run
from sentence_transformers import SentenceTransformer
from sentence_transformers import models as modules

from modelbuild_runtime.engines.transformers.sample import WORDS, write_tokenizer

FRAME = pd.DataFrame({"size": [0.5, -1.0, 2.0], "age": [3.0, 1.0, 0.25], "floor": [1, 0, 4]})
MATRIX = FRAME.to_numpy(np.float32)
TEXTS = ["The film was great.", "dull", "Not a bit dull, and of great wit ."]
MASKED = ["the film was [MASK] .", "[MASK] and dull", "not a [MASK]"]


class Scaled(torch.nn.Module):
    """A class that only a pickle by value knows."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(3, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.layer(x)) * 2


def networks(folders: Folders) -> None:
    """Modules asked with frames and with tensors, exported and pickled whole."""
    for name, width in (("two", 2), ("one", 1)):
        module = Scaled(width).eval()
        answered = pd.DataFrame(module(torch.from_numpy(MATRIX)).detach().numpy())
        taken = {"frame": (FRAME, answered), "tensor": (MATRIX, answered.to_numpy())}
        for kind, (given, expected) in taken.items():
            save = partial(folders.save, taken=given, answered=expected, flavor=mlflow.pytorch)
            save(f"pickled-{kind}-{name}", model=module, serialization_format="pickle")
            script = torch.jit.script(module)
            save(f"scripted-{kind}-{name}", model=script, serialization_format="pickle")
        save(f"exported-tensor-{name}", model=module, serialization_format="pt2")  # which MLflow takes no columns for


def config(**more: Any) -> Any:
    torch.manual_seed(7)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    return transformers.BertConfig(
        vocab_size=len(WORDS), max_position_embeddings=32, initializer_range=0.5, **sizes, **more
    )


def pipelines(folders: Folders) -> None:
    """Pipelines of the tasks that are served, and those of which MLflow answers something else."""
    write_tokenizer(folders.folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folders.folder)
    labels = {"id2label": {0: "dull", 1: "great", 2: "neither"}}
    classes = transformers.BertForSequenceClassification(config(**labels)).eval()
    one = transformers.BertForSequenceClassification(config(id2label={0: "grade"})).eval()
    several = {"problem_type": "multi_label_classification", **labels}
    marks = transformers.BertForSequenceClassification(config(**several)).eval()
    masks = transformers.BertForMaskedLM(config()).eval()
    names = transformers.BertForTokenClassification(config(id2label={0: "O", 1: "B-PER", 2: "I-PER"})).eval()
    bare = transformers.BertModel(config()).eval()
    named = ModelSignature(Schema([ColSpec("string", "text")]), Schema([ColSpec("string", "label")]))
    for name, task, model, texts, more in (
        ("classes", "text-classification", classes, TEXTS, {}),
        ("classes-by-name", "text-classification", classes, TEXTS, {"signature": named}),
        ("several-classes", "text-classification", marks, TEXTS, {}),
        ("masks", "fill-mask", masks, MASKED, {}),
        ("one-class", "text-classification", one, TEXTS, {}),
        ("all-classes", "text-classification", classes, TEXTS, {"model_config": {"top_k": None}}),
        ("names", "token-classification", names, TEXTS, {}),
        ("vectors", "feature-extraction", bare, TEXTS, {}),
    ):
        pipeline = transformers.pipeline(task, model, tokenizer=tokenizer, device="cpu")
        path = str(folders.folder / name)
        mlflow.transformers.save_model(pipeline, path, pip_requirements=requirements(), **more)
        rows = [{"text": text} for text in texts]
        folders.bodies[name] = [
            *([{"inputs": texts}, {"instances": texts[:1]}] if "signature" not in more else []),
            *([{"dataframe_records": rows}, {"dataframe_records": rows[:1]}] if "signature" in more else []),
        ]


def sentences(folders: Folders) -> None:
    """Embeddings, with a layer after the pooling, and in the shape of a service of language models."""
    inner = folders.folder / "bert"
    transformers.BertModel(config()).save_pretrained(inner)
    write_tokenizer(inner)
    told = modules.Transformer(str(inner), max_seq_length=16)
    dense = modules.Dense(32, 8)
    model = SentenceTransformer(modules=[told, modules.Pooling(32, "mean"), dense, modules.Normalize()], device="cpu")
    for name, more in (("sentences", {}), ("embeddings", {"task": "llm/v1/embeddings"})):
        path = str(folders.folder / name)
        mlflow.sentence_transformers.save_model(model, path, pip_requirements=requirements(), **more)
        folders.bodies[name] = [{"inputs": TEXTS}, {"instances": TEXTS[:1]}]


def make(folders: Folders) -> None:
    networks(folders)
    pipelines(folders)
    sentences(folders)


if __name__ == "__main__":
    transformers.logging.disable_progress_bar()
    run(make)
