"""Not a peer but the limit: the least that a Python server does, which checks, counts and bounds nothing."""

import contextlib

from forms import instances
from load import HOST, PORT, Question
from peer import Work
from processes import SERVERS, started

TITLE = "bare loop behind sockets"
PACKAGES = ("uvloop", "httptools", "msgspec", "onnxruntime", "numpy")
QUESTIONS = {"W1": (Question("/predict", instances()),)}


def start(work: Work) -> contextlib.AbstractContextManager[int]:
    return started(work.python, [work.python, SERVERS / "bare_loop.py", HOST, PORT], work.folder)
