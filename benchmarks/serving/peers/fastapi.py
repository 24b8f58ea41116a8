"""FastAPI on uvicorn with uvloop and httptools, as written by hand."""

import contextlib

from forms import instances
from load import HOST, PORT, Question
from peer import Work
from processes import started

TITLE = "FastAPI async"
PACKAGES = ("fastapi", "uvicorn", "uvloop", "httptools", "onnxruntime", "numpy")
QUESTIONS = {"W1": (Question("/predict", instances()),), "W5": (Question("/predict", instances()),)}


def start(work: Work) -> contextlib.AbstractContextManager[int]:
    command = [work.python, "-m", "uvicorn", "fastapi_app:app", "--host", HOST, "--port", PORT]
    command += ["--no-access-log", "--log-level", "error", "--loop", "uvloop", "--http", "httptools"]
    return started(work.python, command, work.folder)
