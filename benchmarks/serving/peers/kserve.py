"""KServe's Python server, v1 protocol: its quicker one."""

import contextlib

from forms import instances
from load import PORT, Question
from peer import Work
from processes import SERVERS, started

TITLE = "KServe v1"
PACKAGES = ("kserve", "onnxruntime", "numpy")
QUESTIONS = {"W1": (Question("/v1/models/w1:predict", instances()),)}


def start(work: Work) -> contextlib.AbstractContextManager[int]:
    command = [work.python, SERVERS / "kserve_model.py", "--http_port", PORT, "--enable_grpc", "false"]
    return started(work.python, [*command, "--workers", 1, "--enable_latency_logging", "false"], work.folder)
