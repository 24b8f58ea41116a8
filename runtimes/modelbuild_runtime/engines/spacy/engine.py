"""spaCy's pipelines."""

from __future__ import annotations

import logging
import re
import warnings
from pathlib import Path
from typing import Any, Dict, List, Mapping

import numpy as np

from modelbuild_runtime.engines import EngineOptions
from modelbuild_runtime.engines.spacy.outputs import outputs_of
from modelbuild_runtime.engines.spacy.words import Words
from modelbuild_runtime.errors import InvalidInput, LoadError
from modelbuild_runtime.signature import Signature, TensorSpec

logger = logging.getLogger(__name__)

TEXT = "text"
_UNKNOWN = re.compile(r"\[E002\] Can't find factory for '([^']+)'|Could not find function '([^']+)'")


class SpacyEngine:
    """One pipeline. Documents live for one prediction. ``alone`` is that nobody else makes any."""

    def __init__(self, nlp: Any, alone: bool = True) -> None:
        self.model = nlp
        factories = {name: nlp.get_pipe_meta(name).factory for name in nlp.pipe_names}
        self._outputs = outputs_of(factories, nlp.pipe_labels)
        self._words = Words(nlp, lasting=alone)
        self._components = [component for _, component in nlp.pipeline] if alone else []

    def signature(self) -> Signature:
        return Signature((TensorSpec(TEXT, "BYTES", (-1,)),), self._outputs.specs())

    def predict(self, inputs: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
        texts = [_text(value, self.model.max_length) for value in inputs[TEXT].tolist()]
        self._words.begin()
        try:
            return self._outputs.arrays(self._documents(texts))
        finally:
            self._words.end(sum(map(len, texts)))

    def _documents(self, texts: List[str]) -> List[Any]:
        """Component by component, as ``nlp`` and ``nlp.pipe`` do, which look up for each text what there is to call."""
        if not self._components:
            return [self.model(texts[0])] if len(texts) == 1 else list(self.model.pipe(texts))
        if len(texts) == 1:
            doc = self.model.make_doc(texts[0])
            for component in self._components:
                doc = component(doc)
            return [doc]
        docs = [self.model.make_doc(text) for text in texts]
        for component in self._components:
            many = getattr(component, "pipe", None)
            docs = list(many(docs, batch_size=self.model.batch_size)) if many else [component(doc) for doc in docs]
        return docs


def load(path: Path, options: EngineOptions) -> SpacyEngine:
    """Load a pipeline's folder. ``options.options`` may hold ``exclude``, names of components with commas between.

    Raises:
        LoadError: spaCy refuses it.
    """
    import spacy

    excluded = [name.strip() for name in str(options.options.get("exclude", "")).split(",") if name.strip()]
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            nlp = spacy.load(path, exclude=excluded)
    except Exception as error:
        raise LoadError(
            f"spaCy {spacy.__version__} cannot load {path.name}: {_first(error)}", _hint(str(error))
        ) from error
    for message in dict.fromkeys(str(warning.message) for warning in caught if "[W" in str(warning.message)):
        logger.warning("loading %s: %s", path.name, message)
    # Its warnings are about how a pipeline was made, and would come with every document.
    warnings.filterwarnings("ignore", message=r"\[W\d+\]")
    return SpacyEngine(nlp, alone=options.handler is None)


def _text(value: Any, longest: int) -> str:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    if len(text) > longest:
        raise InvalidInput(f"input {TEXT!r} has {len(text)} characters, and the pipeline takes {longest}", field=TEXT)
    return str(text)


def _first(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _hint(text: str) -> str:
    found = _UNKNOWN.search(text)
    if found:
        name = found.group(1) or found.group(2)
        return f"Import the module that registers {name!r} in a handler; require its distribution if it is in one."
    return "Copy the whole folder again, or save it with nlp.to_disk(folder)."
