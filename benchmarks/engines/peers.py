"""Servers that serve the same models: each in an environment from PyPI, one process, one core, its own protocol."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

import processes
from processes import PORT

HERE = Path(__file__).parent


class Model(NamedTuple):
    """A model of a kind, as the framework wrote it; ``rows`` of ``dtype`` are what is asked, and ``answers`` ways to
    tell what it answers.
    """

    kind: str
    runtime: str
    path: Path
    rows: list
    answers: list[list]
    options: Mapping[str, Any]
    dtype: str

    @property
    def name(self) -> str:
        """As it stands in a path."""
        return "".join(letter if letter.isalnum() else "-" for letter in self.kind.lower()).replace("--", "-")


class Peer(NamedTuple):
    """``packages`` make its environment, in the folder of this name. It serves ``kinds``: all of them at once where it
    can hold several. ``path`` is asked, with a model's name in it, with the bodies of ``protocol``.
    """

    name: str
    folder: str
    packages: tuple[str, ...]
    kinds: tuple[str, ...]
    protocol: str
    path: str
    ready: str
    command: Callable[[Path, Sequence[Model], Path], list]
    several: bool = True

    def start(self, python: Path, models: Sequence[Model], folder: Path) -> AbstractContextManager[int]:
        """Raises RuntimeError or CalledProcessError with its last words where it does not start."""
        folder.mkdir(parents=True, exist_ok=True)
        return processes.started(self.command(python, models, folder), python, self.ready)


def mlserver(python: Path, models: Sequence[Model], folder: Path) -> list:
    """In its own process, which is quicker than its default of processes beside it."""
    settings = {"http_port": PORT, "grpc_port": PORT + 1, "metrics_port": PORT + 2, "parallel_workers": 0}
    (folder / "settings.json").write_text(json.dumps({**settings, "host": "127.0.0.1", "debug": False}))
    for model in models:
        told: dict[str, Any] = {"uri": str(model.path)}
        if model.runtime == "transformers":
            extra = {"task": "text-classification", "pretrained_model": str(model.path), "framework": "pt"}
            told = {"extra": {**extra, "model_kwargs": {"top_k": None}}}
        (folder / model.name).mkdir(exist_ok=True)
        (folder / model.name / "model-settings.json").write_text(
            json.dumps({"name": model.name, "implementation": MLSERVER[model.runtime], "parameters": told})
        )
    return [python.parent / "mlserver", "start", folder]


def mlflow(python: Path, models: Sequence[Model], folder: Path) -> list:
    """What ``mlflow models serve`` runs, without the time that its command line takes first."""
    (model,) = models
    processes.done([python, HERE / "mlflow_model.py", model.runtime, model.path, folder / "model"], python)
    told = ["env", f"__pyfunc_model_path__={folder / 'model'}", python, "-m", "uvicorn", "--host", "127.0.0.1"]
    return [*told, "--port", PORT, "--workers", 1, "mlflow.pyfunc.scoring_server.app:app"]


def kserve(python: Path, models: Sequence[Model], _folder: Path) -> list:
    told = ["--http_port", PORT, "--enable_grpc", "false", "--workers", 1, "--enable_latency_logging", "false"]
    return [python, HERE / "kserve_models.py", *told, *(f"{item.name}={item.runtime}={item.path}" for item in models)]


MLSERVER = {
    "sklearn": "mlserver_sklearn.SKLearnModel",
    "xgboost": "mlserver_xgboost.XGBoostModel",
    "lightgbm": "mlserver_lightgbm.LightGBMModel",
    "catboost": "mlserver_catboost.CatboostModel",
    "transformers": "mlserver_huggingface.HuggingFaceRuntime",
}
TABLES = ("scikit-learn, forest", "scikit-learn, logistic", "XGBoost", "LightGBM")
PEERS = (
    Peer(
        "MLServer",
        "mlserver",
        ("mlserver", "mlserver-sklearn", "mlserver-xgboost", "mlserver-lightgbm", "mlserver-catboost"),
        (*TABLES, "CatBoost"),
        "v2",
        "/v2/models/{}/infer",
        "/v2/health/ready",
        mlserver,
    ),
    Peer(
        "MLServer, Hugging Face",
        "mlserver-huggingface",
        ("mlserver", "mlserver-huggingface", "torch<2.9"),  # what its optimum can import
        ("Transformers",),
        "v2 args",
        "/v2/models/{}/infer",
        "/v2/health/ready",
        mlserver,
    ),
    Peer(
        "KServe, a model of ten lines",
        "kserve",
        ("kserve", "scikit-learn", "xgboost-cpu", "lightgbm"),
        TABLES,
        "v1",
        "/v1/models/{}:predict",
        "/",
        kserve,
    ),
    Peer(
        "MLflow",
        "mlflow",
        ("mlflow", "scikit-learn", "xgboost-cpu", "lightgbm", "catboost", "statsmodels", "onnx", "onnxruntime"),
        (*TABLES, "CatBoost", "statsmodels", "ONNX"),
        "invocations",
        "/invocations",
        "/ping",
        mlflow,
        several=False,
    ),
)


def body(protocol: str, model: Model, count: int) -> bytes:
    """One request of the first rows of a model, in the words of a protocol."""
    rows = model.rows[:count]
    if protocol in {"v1", "invocations"}:
        return json.dumps({"instances" if protocol == "v1" else "inputs": rows}).encode()
    texts = isinstance(rows[0], str)
    data = rows if texts else [value for row in rows for value in row]
    shape = [len(rows)] if texts else [len(rows), len(rows[0])]
    name = "args" if protocol == "v2 args" else "text" if texts else "X"
    datatype = "BYTES" if texts else {"float64": "FP64", "float32": "FP32"}[model.dtype]
    tensor = {"name": name, "datatype": datatype, "shape": shape, "data": data}
    return json.dumps({"inputs": [tensor]}).encode()
