"""TorchServe with one worker. It needs Java and torch, although the model is onnxruntime's."""

import contextlib
import json
import zipfile
from pathlib import Path

from forms import instances
from load import HOST, PORT, Question
from peer import Work
from processes import SERVERS, started

TITLE = "TorchServe"
PACKAGES = ("torchserve", "pyyaml", "torch==2.13.0+cpu", "onnxruntime", "numpy")
QUESTIONS = {"W1": (Question("/predictions/w1", instances(), warm_up=4.0),)}  # until Java has compiled what it runs
_SETTINGS = f"""\
inference_address=http://{HOST}:{PORT}
management_address=http://{HOST}:{PORT + 1}
metrics_address=http://{HOST}:{PORT + 2}
default_workers_per_model=1
disable_token_authorization=true
"""
_LOG = '<Configuration><Loggers><Root level="error"/></Loggers></Configuration>'
"""A line for each request would be half of what is measured."""


def start(work: Work) -> contextlib.AbstractContextManager[int]:
    folder = work.folder / "torchserve"
    folder.mkdir(exist_ok=True)
    (folder / "config.properties").write_text(_SETTINGS)
    (folder / "log4j2.xml").write_text(_LOG)
    _archive(folder / "w1.mar")
    command = ["torchserve", "--start", "--foreground", "--ncs", "--model-store", folder, "--models", "w1=w1.mar"]
    command += ["--ts-config", folder / "config.properties", "--log-config", folder / "log4j2.xml"]
    return started(work.python, command, work.folder, LOG_LOCATION=str(folder), METRICS_LOCATION=str(folder))


def _archive(path: Path) -> None:
    """What torch-model-archiver writes."""
    handler = "torchserve_handler.py"
    told = {"modelName": "w1", "modelVersion": "1.0", "handler": f"{handler}:handle"}
    with zipfile.ZipFile(path, "w") as file:
        file.write(SERVERS / handler, handler)
        file.writestr("MAR-INF/MANIFEST.json", json.dumps({"runtime": "python", "model": told}))
