"""CPU a call of gRPC, of the server beside grpcio's asyncio server written by hand, and a loop with no server in it.
Needs no Docker and no wrk.

    python benchmarks/serving/grpc_calls.py [--rounds 3] [--seconds 3]

The workload is that of run.py, one row a call as raw bytes. Servers run one at a time on processor 0, grpcio's client
on processor 1; CPU is the server process's own. Prints a table of medians and their ratio.
"""

import argparse
import contextlib
import json
import os
import random
import statistics
import subprocess
import sys
from pathlib import Path

from environment import CACHE, THREADS
from processes import cpu_seconds
from workloads import w1

HERE = Path(__file__).parent
PORT = 18433
IN_FLIGHT = (1, 32)
PACKAGES = ["grpcio", "tritonclient[grpc]", "onnxruntime", "numpy"]


def peer_environment() -> Path:
    """A virtual environment of the peer's own; returns its interpreter."""
    python = CACHE / "grpcio/bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "uv", "venv", "-q", CACHE / "grpcio"], check=True)
        subprocess.run([sys.executable, "-m", "uv", "pip", "install", "-q", "--python", python, *PACKAGES], check=True)
    return python


@contextlib.contextmanager
def started(command: list, folder: Path, **environment: str):
    """A server on processor 0; yields its process id."""
    variables = {**os.environ, **THREADS, "MODEL_FOLDER": str(folder), **environment}
    process = subprocess.Popen(["taskset", "-c", "0", *command], cwd=HERE, env=variables, stderr=subprocess.DEVNULL)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(timeout=30)


def ours(folder: Path):
    """The server as an image runs it, from this checkout."""
    (folder / "w1_features.py").write_text((HERE / "features.py").read_text())
    manifest = {
        "model": {"name": "w1", "version": "1", "path": "model.onnx"},
        "runtime": {"name": "onnx"},
        "handler": {"module": "w1_features", "path": "."},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    settings = {
        "MBUILD_MANIFEST": str(folder / "manifest.json"),
        "MBUILD_HOST": "127.0.0.1",
        "MBUILD_PORT": str(PORT + 1),
        "MBUILD_GRPC_PORT": str(PORT),
        "MBUILD_THREADS": "1",
    }
    return started([sys.executable, "-m", "modelbuild_runtime", "serve"], folder, **settings)


def measure(pid: int, python: Path, folder: Path, in_flight: int, seconds: float) -> dict[str, float]:
    """One burst."""
    command = ["taskset", "-c", "1", python, HERE / "peer_grpcio.py", "load", str(PORT), str(in_flight), str(seconds)]
    load = subprocess.Popen(
        command,
        env={**os.environ, "MODEL_FOLDER": str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    if load.stdout.readline() != "begin\n":
        raise SystemExit("a server does not answer, or answers wrongly")
    before = cpu_seconds(pid)
    output, _ = load.communicate("\n")
    calls = json.loads(output)["calls"]
    return {"calls_per_second": calls / seconds, "cpu_us": (cpu_seconds(pid) - before) / calls * 1e6}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3)
    arguments = parser.parse_args()
    folder = CACHE / "w1"
    w1.make(folder)
    python = peer_environment()
    servers = {
        "mbuild": lambda: ours(folder),
        "grpcio": lambda: started([python, HERE / "peer_grpcio.py", "serve", str(PORT)], folder),
        "bare loop": lambda: started([sys.executable, HERE / "bare_grpc.py", str(PORT)], folder),
    }
    runs: dict = {name: {count: [] for count in IN_FLIGHT} for name in servers}
    for _ in range(arguments.rounds):
        for name in random.sample(sorted(servers), len(servers)):
            with servers[name]() as pid:
                measure(pid, python, folder, 8, 0.5)
                for count in IN_FLIGHT:
                    runs[name][count].append(measure(pid, python, folder, count, arguments.seconds))
    print(f"{'server':<10}{'in flight':>10}{'calls/s':>10}{'CPU µs':>10}")
    for count in IN_FLIGHT:
        cpu = {}
        for name in servers:
            cpu[name] = statistics.median(run["cpu_us"] for run in runs[name][count])
            rate = statistics.median(run["calls_per_second"] for run in runs[name][count])
            print(f"{name:<10}{count:>10}{rate:>10.0f}{cpu[name]:>10.1f}")
        over, limit = cpu["mbuild"] / cpu["grpcio"], cpu["bare loop"] / cpu["grpcio"]
        print(f"CPU a call at {count} in flight, over grpcio: {over:.2f}x, the bare loop {limit:.2f}x")


if __name__ == "__main__":
    main()
