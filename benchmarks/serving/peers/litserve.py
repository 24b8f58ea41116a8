"""LitServe with batches."""

import contextlib

from forms import instances
from load import PORT, Question
from peer import Work
from processes import SERVERS, started

TITLE = "LitServe, batch 32"
PACKAGES = ("litserve", "onnxruntime", "numpy")
QUESTIONS = {"W1": (Question("/predict", instances()),)}


def start(work: Work) -> contextlib.AbstractContextManager[int]:
    return started(work.python, [work.python, SERVERS / "litserve_app.py", PORT], work.folder)
