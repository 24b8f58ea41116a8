"""What MLflow's python_function answers of each flavor: which of the outputs that a runtime here gives for its model.

After the wrappers of MLflow 3.17: one ``predict`` a flavor, some of which make something else of the model's answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from modelbuild.formats.mlmodel import MlModel, text
from modelbuild.runtime import Reading

Flavor = Mapping[str, Any]
"""What MLmodel says of one flavor."""

TENSORS = ("onnx", "keras", "tensorflow")
"""Runtimes all of whose outputs MLflow answers."""

PROGRAMS = ("torchscript", "torch.export")
"""What PyTorch's flavor may hold beside modules that were pickled whole."""

NUMBERS = frozenset({"boolean", "integer", "long", "float", "double"})
"""Types of columns that PyTorch's flavor can make one matrix of."""

REGRESSIONS = {
    *("OLS", "WLS", "GLS", "GLSAR", "GLM", "RLM", "QuantReg"),
    *("Logit", "Probit", "Poisson", "NegativeBinomial", "GeneralizedPoisson"),
}
"""Models of statsmodels whose answer is one number a row. Of several classes MLflow answers a frame; of a time series
it wants to know the dates.
"""

TASKS = {"text-classification": "label_and_score", "fill-mask": "likeliest_token"}
"""Tasks of pipelines of which MLflow answers a part of what the runtime does. Of all others it answers something else:
of entities their kinds with commas between, of an embedding the vectors of the first text's tokens, of a text that is
written the prompt as well.
"""


def answer_of(model: MlModel, flavor: str, runtime: str, reading: Reading) -> str:
    """What the engine around the ``runtime``'s is to answer: "all" of the model's outputs, the "first" of them, or what
    else it knows by name; "" where MLflow answers something else. Without a python_function MLflow answers nothing that
    would have to be met.
    """
    if not model.pyfunc:
        return "all"
    if model.params and runtime != "spacy":  # which is given them, and looks at none
        return ""
    if runtime in _ANSWERS:
        return _ANSWERS[runtime](model, model.flavors[flavor], reading)
    if runtime not in TENSORS:
        return ""
    tags = model.flavors[flavor].get("meta_graph_tags")
    return "" if tags and tags != reading.options.get("tags") else "all"


def _kind(flavor: Flavor) -> str:
    return (text(flavor.get("model_class")) or text(flavor.get("model_type"))).rpartition(".")[2]


def _sklearn(model: MlModel, _flavor: Flavor, _reading: Reading) -> str:
    method = text(model.pyfunc.get("predict_fn")) or "predict"
    return {"predict": "first", "predict_proba": "probabilities"}.get(method, "")


def _booster(_model: MlModel, flavor: Flavor, _reading: Reading) -> str:
    return "booster" if _kind(flavor) in {"", "Booster"} else "first"


def _catboost(_model: MlModel, flavor: Flavor, _reading: Reading) -> str:
    return "first" if _kind(flavor) in {"CatBoostClassifier", "CatBoostRegressor"} else ""


def _statsmodels(_model: MlModel, _flavor: Flavor, reading: Reading) -> str:
    return "first" if reading.metadata.get("model") in REGRESSIONS else ""


def _pytorch(model: MlModel, _flavor: Flavor, reading: Reading) -> str:
    """To a frame MLflow answers one, whose columns are numbers. Forecasts are asked in another way."""
    if not (reading.format in PROGRAMS or reading.options.get("pickled")):
        return ""
    if any(item.startswith("pytorch-forecasting") for item in reading.requirements):
        return ""
    if not model.inputs.columns:
        return "all"
    return "frame" if NUMBERS.issuperset(model.inputs.types) else ""


def _spacy(_model: MlModel, _flavor: Flavor, reading: Reading) -> str:
    return "categories" if any(spec.name == "probabilities" for spec in reading.signature.outputs) else ""


def _transformers(model: MlModel, flavor: Flavor, reading: Reading) -> str:
    """A pipeline that is asked as it was saved: with nothing around the text, and no settings of its own."""
    task = text(flavor.get("task"))
    settings = (flavor.get("prompt_template"), flavor.get("peft_adaptor"), flavor.get("inference_task"))
    changed = any(text(setting) for setting in settings) or model.pyfunc.get("config") not in (None, "", "null", {})
    if reading.format == "sentence-transformers":
        return "" if changed else "first"
    if changed or task != reading.options.get("task") or text(flavor.get("torch_dtype")) not in {"", "torch.float32"}:
        return ""
    outputs = {spec.name for spec in reading.signature.outputs}
    return TASKS.get(task, "") if outputs & {"label", "token"} else ""


_ANSWERS: Mapping[str, Callable[[MlModel, Flavor, Reading], str]] = {
    "sklearn": _sklearn,
    "xgboost": _booster,
    "lightgbm": _booster,
    "catboost": _catboost,
    "statsmodels": _statsmodels,
    "pytorch": _pytorch,
    "spacy": _spacy,
    "transformers": _transformers,
}
