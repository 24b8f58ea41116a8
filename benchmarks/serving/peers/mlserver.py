"""MLServer with models in its own process, which is quicker than its default of processes beside it."""

import contextlib
import json
from importlib.metadata import version

from forms import v2
from load import HOST, PORT, Question
from peer import Work
from processes import started

TITLE = "MLServer, in process"
PACKAGES = ("mlserver", "mlserver-sklearn", f"scikit-learn=={version('scikit-learn')}", "onnxruntime", "numpy")
"""The scikit-learn that pickles the forest."""
_PATH = "/v2/models/m/infer"
QUESTIONS = {
    "W1": (Question(_PATH, v2("probabilities")),),
    "W4": (Question(_PATH, v2("predict_proba", datatype="FP64")),),
    "W5": (Question(_PATH, v2("probabilities")),),
}
_SETTINGS = {"http_port": PORT, "grpc_port": PORT + 1, "metrics_port": PORT + 2, "parallel_workers": 0}


def start(work: Work) -> contextlib.AbstractContextManager[int]:
    folder = work.folder / "mlserver"
    folder.mkdir(exist_ok=True)
    if work.workload == "W4":
        told = {"implementation": "mlserver_sklearn.SKLearnModel", "parameters": {"uri": "../model.joblib"}}
    else:
        told = {"implementation": "mlserver_model.W1"}
    (folder / "settings.json").write_text(json.dumps({**_SETTINGS, "host": HOST, "debug": False}))
    (folder / "model-settings.json").write_text(json.dumps({"name": "m", **told}))
    return started(work.python, ["mlserver", "start", folder], work.folder)
