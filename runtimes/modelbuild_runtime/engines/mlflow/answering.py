"""What MLflow's python_function answers of all that a runtime's engine does."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Tuple

import numpy as np

from modelbuild_runtime.engines import Predicted
from modelbuild_runtime.errors import LoadError
from modelbuild_runtime.signature import TensorSpec

Arrays = Dict[str, np.ndarray]
Specs = Tuple[TensorSpec, ...]


class WayOut(NamedTuple):
    """``outputs`` are those of the contract, empty where they are the engine's own or not known yet; ``pick`` makes
    them of the engine's. ``answers`` are JSON Schemas of those whose values are objects.
    """

    outputs: Specs
    pick: Callable[[Arrays], Predicted]
    answers: Mapping[str, Any] = {}


def way_out(known: Specs, answer: str, *, wide: bool) -> WayOut:
    """The way from the engine's outputs to MLflow's. ``answer`` is the name of one of the functions below, or "all"
    and "first". ``wide`` where MLflow's only output has a second axis of 1.

    Raises:
        LoadError: the model does not give what MLflow answers.
    """
    if answer in _WAYS and (known or answer == "frame"):
        return _WAYS[answer](known)
    if answer == "all" or not known:
        return WayOut((), lambda outputs: outputs)
    first = known[0]
    if wide and first.shape == (-1,):
        spec = TensorSpec(first.name, first.datatype, (-1, 1))
        return WayOut((spec,), lambda outputs: {spec.name: outputs[spec.name].reshape(-1, 1)})
    return _only(first)


def _only(*specs: TensorSpec) -> WayOut:
    names = [spec.name for spec in specs]
    return WayOut(specs, lambda outputs: {name: outputs[name] for name in names})


def _named(known: Specs, name: str, way: str) -> TensorSpec:
    for spec in known:
        if spec.name == name:
            return spec
    raise LoadError(f"MLflow answers the model's {way}, and it has none", f"Train it with {name}.")


def _probabilities(known: Specs) -> WayOut:
    """scikit-learn's predict_proba."""
    return _only(_named(known, "probabilities", "predict_proba"))


def _booster(known: Specs) -> WayOut:
    """A booster's own answer: the probability of the second of two classes, of each of several, or else its number."""
    named = {spec.name: spec for spec in known}
    spec = named.get("probabilities")
    if spec is None:
        return _only(known[0])
    if spec.shape != (-1, 2):
        return _only(spec)
    one = TensorSpec("prediction", spec.datatype, (-1,))
    return WayOut((one,), lambda outputs: {"prediction": outputs["probabilities"][:, 1]})


def _frame(known: Specs) -> WayOut:
    """PyTorch's answer to a frame: one whose columns are numbers."""
    first = known[0] if len(known) == 1 else None
    if first is None or len(first.shape) > 2 or first.shape[1:] == (-1,):
        return WayOut((), _numbered)
    width = first.shape[1] if len(first.shape) == 2 else 1
    return WayOut(tuple(TensorSpec(str(place), first.datatype, (-1,)) for place in range(width)), _numbered)


def _numbered(outputs: Arrays) -> Arrays:
    (array,) = outputs.values()
    columns = array.reshape(len(array), -1)
    return {str(place): columns[:, place] for place in range(columns.shape[1])}


def _label_and_score(known: Specs) -> WayOut:
    """A pipeline's likeliest class, with how likely it is."""
    return _only(_named(known, "label", "label"), _named(known, "score", "score"))


def _likeliest_token(known: Specs) -> WayOut:
    """The first of the tokens that may stand for the mask, without the space before it."""
    spec = _named(known, "token", "token")

    def pick(outputs: Arrays) -> Arrays:
        tokens = np.empty(len(outputs["token"]), object)
        tokens[:] = [row[0].strip() for row in outputs["token"]]
        return {"token": tokens}

    return WayOut((TensorSpec(spec.name, "BYTES", (-1,)),), pick)


def _categories(known: Specs) -> WayOut:
    """All that spaCy's classifiers found (``Doc.cats``): an object of all classes' probabilities."""
    labels = _named(known, "probabilities", "categories").labels
    schema = {"type": "object", "properties": {label: {"type": "number"} for label in labels}}

    def pick(outputs: Arrays) -> List[Any]:
        return [{"predictions": dict(zip(labels, row))} for row in outputs["probabilities"].tolist()]

    return WayOut((TensorSpec("predictions", "BYTES", (-1,)),), pick, {"predictions": schema})


_WAYS: Mapping[str, Callable[[Specs], WayOut]] = {
    "probabilities": _probabilities,
    "booster": _booster,
    "frame": _frame,
    "label_and_score": _label_and_score,
    "likeliest_token": _likeliest_token,
    "categories": _categories,
}
