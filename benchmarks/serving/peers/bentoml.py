"""BentoML: a service in one process."""

import contextlib

from forms import instances
from load import HOST, PORT, Question
from peer import Work
from processes import SERVERS, started

TITLE = "BentoML"
PACKAGES = ("bentoml", "onnxruntime", "numpy")
QUESTIONS = {"W1": (Question("/predict", instances()),)}


def start(work: Work) -> contextlib.AbstractContextManager[int]:
    command = ["bentoml", "serve", "bentoml_service:W1", "--working-dir", SERVERS, "--host", HOST, "--port", PORT]
    home = work.folder / "bentoml"
    return started(work.python, command, work.folder, BENTOML_HOME=str(home), BENTOML_DO_NOT_TRACK="True")
