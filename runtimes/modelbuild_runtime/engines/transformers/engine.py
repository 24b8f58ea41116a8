"""Folders of Hugging Face Transformers, each served for the task that its architecture is for."""

from __future__ import annotations

import importlib
from pathlib import Path

from modelbuild_runtime.engines import Engine, EngineOptions
from modelbuild_runtime.engines.transformers.loading import set_up
from modelbuild_runtime.errors import LoadError

_TASKS = {
    "text-classification": ("classification", "TextClassifier"),
    "image-classification": ("classification", "ImageClassifier"),
    "token-classification": ("entities", "TokenClassifier"),
    "question-answering": ("answering", "QuestionAnswerer"),
    "fill-mask": ("masks", "MaskFiller"),
    "embedding": ("embedding", "Embedder"),
    "text-generation": ("generation", "Generator"),
    "text2text-generation": ("generation", "Translator"),
}
"""Where the engine of each task is: what is not served is not imported."""


def load(path: Path, options: EngineOptions) -> Engine:
    """Load a folder for the ``task`` in ``options.options``, which the reader found.

    Raises:
        LoadError: there is no such task, or Transformers refuses the folder.
    """
    task = options.options.get("task", "")
    if task not in _TASKS:
        raise LoadError(f"{path.name} is for the task {task!r}, which is not served", f"Known: {', '.join(_TASKS)}.")
    set_up(path, options.threads, int(options.options.get("threads", 0)))
    module, name = _TASKS[task]
    found = importlib.import_module(f"modelbuild_runtime.engines.transformers.{module}")
    engine: Engine = getattr(found, name)(path, options)
    return engine
