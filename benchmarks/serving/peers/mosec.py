"""mosec with batches: its quickest form."""

import contextlib

from forms import instances
from load import HOST, PORT, Question
from peer import Work
from processes import SERVERS, started

TITLE = "mosec, batch 32"
PACKAGES = ("mosec", "msgspec", "onnxruntime", "numpy")
QUESTIONS = {"W1": (Question("/inference", instances()),)}


def start(work: Work) -> contextlib.AbstractContextManager[int]:
    command = [work.python, SERVERS / "mosec_app.py", "--address", HOST, "--port", PORT, "--log-level", "error"]
    return started(work.python, command, work.folder)
