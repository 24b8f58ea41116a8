"""Servers that serve the same models: each in an environment from PyPI, one process, one core, its own protocol."""

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

HERE = Path(__file__).parent
PORT = 18471
TICKS = os.sysconf("SC_CLK_TCK")
THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "ORT_DISABLE_TELEMETRY": "1"}
MAKE = "import sys, pathlib, kinds; print(kinds.KINDS[sys.argv[1]](pathlib.Path(sys.argv[2])).path.name)"
KINDS = ("scikit-learn, forest", "scikit-learn, logistic", "XGBoost", "LightGBM")


class Peer(NamedTuple):
    """``packages`` make its environment; ``path`` is asked, with the bodies of ``protocol``."""

    name: str
    packages: tuple[str, ...]
    path: str
    ready: str
    protocol: str


MLSERVER = Peer(
    "MLServer",
    ("mlserver", "mlserver-sklearn", "mlserver-xgboost", "mlserver-lightgbm"),
    "/v2/models/m/infer",
    "/v2/health/ready",
    "v2",
)
MLFLOW = Peer("MLflow", ("mlflow", "scikit-learn", "xgboost-cpu", "lightgbm"), "/invocations", "/ping", "invocations")
PEERS = (MLSERVER, MLFLOW)
IMPLEMENTATIONS = {
    "scikit-learn, forest": "mlserver_sklearn.SKLearnModel",
    "scikit-learn, logistic": "mlserver_sklearn.SKLearnModel",
    "XGBoost": "mlserver_xgboost.XGBoostModel",
    "LightGBM": "mlserver_lightgbm.LightGBMModel",
}
LOG_MLFLOW = """
import sys, pathlib, kinds, mlflow
kind = kinds.KINDS[sys.argv[1]](pathlib.Path(sys.argv[2]))
target = str(pathlib.Path(sys.argv[2], "mlflow"))
if kind.runtime == "sklearn":
    import joblib
    mlflow.sklearn.save_model(joblib.load(kind.path), target, serialization_format="cloudpickle")
elif kind.runtime == "xgboost":
    import xgboost
    mlflow.xgboost.save_model(xgboost.Booster(model_file=kind.path), target)
else:
    import lightgbm
    mlflow.lightgbm.save_model(lightgbm.Booster(model_file=kind.path), target)
"""


def body(protocol: str, rows: list[list[float]]) -> bytes:
    """One request of some rows."""
    if protocol == "invocations":
        return json.dumps({"inputs": rows}).encode()
    flat = [value for row in rows for value in row]
    # LightGBM and XGBoost of MLServer take FP64 and FP32 alike, and answer the same.
    tensor = {"name": "X", "datatype": "FP64", "shape": [len(rows), len(rows[0])], "data": flat}
    return json.dumps({"inputs": [tensor]}).encode()


@contextlib.contextmanager
def serving(peer: Peer, python: Path, kind: str, folder: Path) -> Iterator[int]:
    """The peer with a model of the kind; yields its process id."""
    folder.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, **THREADS, "PYTHONPATH": str(HERE), "PATH": f"{python.parent}:{os.environ['PATH']}"}
    if peer is MLSERVER:
        made = subprocess.run(
            [python, "-c", MAKE, kind, folder], env=environment, check=True, capture_output=True, text=True
        ).stdout.split()[-1]
        settings = {"http_port": PORT, "grpc_port": PORT + 1, "metrics_port": PORT + 2, "parallel_workers": 0}
        (folder / "settings.json").write_text(json.dumps({**settings, "host": "127.0.0.1", "debug": False}))
        told = {"name": "m", "implementation": IMPLEMENTATIONS[kind], "parameters": {"uri": f"./{made}"}}
        (folder / "model-settings.json").write_text(json.dumps(told))
        command = ["mlserver", "start", folder]
    else:
        if not (folder / "mlflow").exists():
            subprocess.run([python, "-c", LOG_MLFLOW, kind, folder], env=environment, check=True, capture_output=True)
        command = ["mlflow", "models", "serve", "-m", folder / "mlflow", "-p", str(PORT), "-h", "127.0.0.1"]
        command += ["--env-manager", "local", "-w", "1"]
    with process(command, environment, peer.ready) as pid:
        yield pid


@contextlib.contextmanager
def process(command: list, environment: dict[str, str], ready: str) -> Iterator[int]:
    """A server on processor 0, once it is ready; ended with the block."""
    # As it looks to the child alone: its PATH finds the command.
    found = ["taskset", "-c", "0", *map(str, command)]
    with tempfile.TemporaryFile() as log:  # a pipe that nobody reads would stop it
        child = subprocess.Popen(found, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            wait_until_ready(child, ready, log)
            yield child.pid
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGTERM)
            try:
                child.wait(timeout=10)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()


def wait_until_ready(child: subprocess.Popen, path: str, log: IO[bytes]) -> None:
    for _ in range(1200):
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{PORT}{path}", timeout=2):
            return
        if child.poll() is not None:
            log.seek(0)
            raise RuntimeError(log.read().decode(errors="replace")[-2000:])
        time.sleep(0.1)
    raise RuntimeError("it did not become ready")


def cpu_seconds(session: int) -> float:
    """Of all processes of a session, those that have ended and were waited for included."""
    total = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[3]) == session:
                total += sum(map(int, fields[11:15]))
    return total / TICKS
