"""Asking a server: whether its answers are the model's, and then how many it gives and what each costs."""

import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

import peers
from answers import agree
from peers import Model
from processes import PORT, cpu_seconds

HERE = Path(__file__).parent
LOADS = ((1, 1), (1, 16), (32, 1))
"""Rows of a request, and connections that ask."""


def asked(pid: int, model: Model, protocol: str, path: str, seconds: float) -> dict:
    """Requests a second and microseconds of CPU a request, for each load. Raises ValueError for a wrong answer."""
    found = {}
    for rows, connections in LOADS:
        body = peers.body(protocol, model, rows)
        answer = answered(path, body)
        if not agree(answer, model.answers, rows, len(model.rows)):
            raise ValueError(f"it answers {answer[:200]!r}, and the model {[way[:4] for way in model.answers]}")
        with tempfile.NamedTemporaryFile() as file:
            file.write(body)
            file.flush()
            burst(pid, path, file.name, connections, seconds / 4)  # warm
            found[f"{rows}x{connections}"] = burst(pid, path, file.name, connections, seconds)
    return found


def answered(path: str, body: bytes) -> bytes:
    request = urllib.request.Request(f"http://127.0.0.1:{PORT}{path}", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.read()
    except urllib.error.HTTPError as error:
        raise ValueError(f"status {error.code}: {error.read()[:300]!r}") from None


def burst(pid: int, path: str, body: str, connections: int, seconds: float) -> dict[str, float]:
    before = cpu_seconds(pid)
    command = ["taskset", "-c", "1", sys.executable, HERE / "client.py", str(PORT), path, body]
    done = subprocess.run([*command, str(connections), str(seconds)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip()[-500:])
    count, took = map(float, done.stdout.split())
    return {"requests_per_second": count / took, "cpu_us": (cpu_seconds(pid) - before) / count * 1e6}
