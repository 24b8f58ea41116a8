"""One vector a text: the model's tokens pooled, and what Sentence Transformers do to the vector after that."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Sequence

import numpy as np

from modelbuild_runtime.engines import EngineOptions
from modelbuild_runtime.engines.transformers.loading import AGAIN, open_model, open_processor
from modelbuild_runtime.engines.transformers.texts import Texts, strings
from modelbuild_runtime.errors import LoadError
from modelbuild_runtime.signature import Signature, TensorSpec

Step = Callable[[Any], Any]


class Embedder:
    """``options.options`` say how: ``pooling`` (names, side by side where there are several), ``steps`` after it, the
    ``folder`` of the model, ``lower``, a ``prompt`` in front of each text, and what ``Texts`` takes.
    """

    def __init__(self, path: Path, options: EngineOptions) -> None:
        told = options.options
        inner = path / told.get("folder", "")
        self.model = open_model(inner, "AutoModel", told)
        tokenizer = open_processor(inner, "AutoTokenizer", told)
        self._texts = Texts(tokenizer, self.model, told)
        named = told.get("pooling", "mean")
        self._pooling = [_POOLINGS[name] for name in ([named] if isinstance(named, str) else named)]
        self._steps = [_step(path, kind, place) for kind, place in told.get("steps", ())]
        self._prompt, self._lower = str(told.get("prompt", "")), bool(told.get("lower"))
        self._width = self._run(["1"]).shape[1]

    def signature(self) -> Signature:
        return Signature((TensorSpec("text", "BYTES", (-1,)),), (TensorSpec("embedding", "FP32", (-1, self._width)),))

    def predict(self, inputs: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
        return {"embedding": self._run(strings(inputs["text"], "text"))}

    def _run(self, texts: Sequence[str]) -> np.ndarray:
        import torch

        given = [self._prompt + text for text in texts]
        rows = self._texts.read([text.lower() for text in given] if self._lower else given)
        found: List[Any] = [None] * len(rows)
        with torch.inference_mode():
            for run in self._texts.runs(rows):
                batch = self._texts.batch([rows[at] for at in run])
                states = self.model(**batch).last_hidden_state
                mask = batch["attention_mask"]
                pooled = torch.cat([pool(states, mask) for pool in self._pooling], 1)
                for step in self._steps:
                    pooled = step(pooled)
                for at, vector in zip(run, pooled.numpy()):
                    found[at] = vector
        return np.stack(found)


# Pooling: states are FP32 [rows, tokens, width], the mask is 1 where there is a token.


def _weighted(states: Any, weights: Any) -> Any:
    return (states * weights.unsqueeze(-1)).sum(1)


def _mean(states: Any, mask: Any) -> Any:
    return _weighted(states, mask) / mask.sum(1, keepdim=True)


def _mean_sqrt_len(states: Any, mask: Any) -> Any:
    return _weighted(states, mask) / mask.sum(1, keepdim=True).sqrt()


def _weightedmean(states: Any, mask: Any) -> Any:
    places = mask.cumsum(1) * mask
    return _weighted(states, places) / places.sum(1, keepdim=True)


def _max(states: Any, mask: Any) -> Any:
    return states.masked_fill(mask.unsqueeze(-1) == 0, -1e9).amax(1)


def _cls(states: Any, _mask: Any) -> Any:
    return states[:, 0]


def _lasttoken(states: Any, mask: Any) -> Any:
    return states[range(len(states)), mask.sum(1) - 1]


_POOLINGS = {
    "cls": _cls,
    "lasttoken": _lasttoken,
    "max": _max,
    "mean": _mean,
    "mean_sqrt_len": _mean_sqrt_len,
    "weightedmean": _weightedmean,
}


# What comes after it.


def _step(path: Path, kind: str, place: str) -> Step:
    import torch

    if kind == "Normalize":
        return lambda vectors: torch.nn.functional.normalize(vectors, dim=1)
    return _dense(path / place)


def _dense(folder: Path) -> Step:
    """A linear layer with its activation, from a folder of its own.

    Raises:
        LoadError: the folder lacks something.
    """
    import torch

    try:
        told, weights = _read(folder)
        activation = getattr(torch.nn, str(told.get("activation_function", "Tanh")).rpartition(".")[2])()
        weight, bias = weights["linear.weight"].float(), weights.get("linear.bias")
    except Exception as error:
        raise LoadError(f"the layer {folder.name} cannot be loaded: {error}", AGAIN) from error
    return lambda vectors: activation(
        torch.nn.functional.linear(vectors, weight, None if bias is None else bias.float())
    )


def _read(folder: Path) -> Any:
    import json

    import torch
    from safetensors.torch import load_file

    told = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    safe = folder / "model.safetensors"
    if safe.exists():
        return told, load_file(safe)
    return told, torch.load(folder / "pytorch_model.bin", map_location="cpu", weights_only=True)
