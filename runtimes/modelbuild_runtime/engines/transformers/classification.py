"""Classes of texts, of pairs of texts, and of images."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Dict, Mapping, Tuple

import numpy as np

from modelbuild_runtime.engines import EngineOptions
from modelbuild_runtime.engines.transformers.loading import open_model, open_processor
from modelbuild_runtime.engines.transformers.texts import Texts, strings
from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.signature import Signature, TensorSpec

MOST_PIXELS = 50_000_000


class Classes:
    """From logits to labels and scores, as Transformers' pipelines have them."""

    def __init__(self, config: Any) -> None:
        names = config.id2label or {}
        self._labels = tuple(str(names.get(number, f"LABEL_{number}")) for number in range(config.num_labels))
        self._names = np.array(self._labels, object)
        single, kind = config.num_labels == 1, config.problem_type
        self._plain = single or kind == "regression"
        self._raw = kind == "regression" or _is_identity(config)
        self._sigmoid = not self._raw and (single or kind == "multi_label_classification")

    def specs(self) -> Tuple[TensorSpec, ...]:
        """The outputs: a score alone for one class, and for regression."""
        count = len(self._labels)
        if self._plain:
            return (TensorSpec("score", "FP32", (-1,) if count == 1 else (-1, count)),)
        return (
            TensorSpec("label", "BYTES", (-1,), labels=self._labels),
            TensorSpec("score", "FP32", (-1,)),
            TensorSpec("probabilities", "FP32", (-1, count), labels=self._labels),
        )

    def answer(self, logits: np.ndarray) -> Dict[str, np.ndarray]:
        """``logits`` are FP32 [rows, classes]."""
        if self._raw:
            scores = logits
        elif self._sigmoid:
            scores = 1 / (1 + np.exp(-logits))
        else:
            powers = np.exp(logits - logits.max(axis=1, keepdims=True))
            scores = powers / powers.sum(axis=1, keepdims=True)
        if self._plain:
            return {"score": scores[:, 0] if scores.shape[1] == 1 else scores}
        best = scores.argmax(axis=1)
        return {"label": self._names[best], "score": scores.max(axis=1), "probabilities": scores}


def _is_identity(config: Any) -> bool:
    """Whether a cross-encoder of Sentence Transformers answers as it is."""
    told = getattr(config, "sentence_transformers", None)
    return isinstance(told, dict) and str(told.get("activation_fn", "")).endswith("Identity")


class TextClassifier:
    """Texts, or pairs of them where the signature has two."""

    def __init__(self, path: Path, options: EngineOptions) -> None:
        self.model = open_model(path, "AutoModelForSequenceClassification", options.options)
        self._texts = Texts(open_processor(path, "AutoTokenizer", options.options), self.model, options.options)
        self._classes = Classes(self.model.config)
        labels = {str(label).lower() for label in (self.model.config.id2label or {}).values()}
        pair = "entailment" in labels or hasattr(self.model.config, "sentence_transformers")
        self._inputs = ("text", "text_pair") if pair else ("text",)

    def signature(self) -> Signature:
        return Signature(tuple(TensorSpec(name, "BYTES", (-1,)) for name in self._inputs), self._classes.specs())

    def predict(self, inputs: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
        columns = [strings(inputs[name], name) for name in self._inputs]
        rows = self._texts.read(list(zip(*columns)) if len(columns) > 1 else columns[0])
        logits = np.empty((len(rows), self.model.config.num_labels), np.float32)
        for run in self._texts.runs(rows):
            logits[run] = run_model(self.model, self._texts.batch([rows[at] for at in run]))
        return self._classes.answer(logits)


class ImageClassifier:
    """Images as files, in any format that Pillow reads."""

    def __init__(self, path: Path, options: EngineOptions) -> None:
        self.model = open_model(path, "AutoModelForImageClassification", options.options)
        self._processor = open_processor(path, "AutoImageProcessor", options.options, backend="pil")
        self._classes = Classes(self.model.config)
        self.example = {"image": _plain_image()}

    def signature(self) -> Signature:
        return Signature((TensorSpec("image", "BYTES", (-1,)),), self._classes.specs())

    def predict(self, inputs: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
        images = [_opened(value) for value in inputs["image"].ravel().tolist()]
        pixels = self._processor(images=images, return_tensors="pt")["pixel_values"]
        return self._classes.answer(run_model(self.model, {"pixel_values": pixels}))


def run_model(model: Any, batch: Mapping[str, Any]) -> np.ndarray:
    """The logits of a batch."""
    import torch

    with torch.inference_mode():
        logits: np.ndarray = model(**batch).logits.numpy()
    return logits


def _opened(value: Any) -> Any:
    """An image in red, green and blue, upright as its file says.

    Raises:
        InvalidInput: it is none, or has more pixels than anyone needs.
    """
    from PIL import Image, ImageOps

    if not isinstance(value, bytes):
        raise InvalidInput('it is text; send the file of an image, in JSON as {"b64": "..."}', field="image")
    try:
        image = Image.open(io.BytesIO(value))
        if image.width * image.height > MOST_PIXELS:
            raise InvalidInput(f"it has over {MOST_PIXELS // 1_000_000} million pixels", field="image")
        return ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InvalidInput("it is no image that can be read", field="image") from error


def _plain_image() -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (8, 8), (127, 127, 127)).save(file, "PNG")
    return file.getvalue()
