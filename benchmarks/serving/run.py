"""Requests per second of the packaged server beside its peer and beside a loop without a server.

    python benchmarks/serving/run.py [--rounds 5] [--seconds 3] [--image REFERENCE]

Servers run one at a time on processor 0, wrk on processor 1; each round measures all of them in a new order.
Needs Docker (the image is the real one), wrk, and two processors. Prints one table of medians and ratios and
writes results.json and results.svg beside this file.
"""

import argparse
import contextlib
import json
import os
import platform
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import chart
import workload

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "mbuild-benchmarks"
CONNECTIONS = (1, 8, 32)
PORT = 18431
TICKS = os.sysconf("SC_CLK_TCK")
PEER_PACKAGES = ["fastapi", "uvicorn", "uvloop", "httptools", "onnxruntime", "numpy", "msgspec"]
THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "ORT_DISABLE_TELEMETRY": "1"}


def peer_environment() -> Path:
    """A virtual environment of the peer's own; returns its interpreter."""
    folder = CACHE / "fastapi"
    python = folder / "bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "uv", "venv", "-q", folder], check=True)
        subprocess.run(
            [sys.executable, "-m", "uv", "pip", "install", "-q", "--python", python, *PEER_PACKAGES], check=True
        )
    return python


def package(folder: Path, reference: str) -> None:
    """Build the image that is measured, with the command that users have."""
    command = ["package", folder / "model.onnx", "--handler", HERE / "features.py", "-t", reference]
    subprocess.run([sys.executable, "-m", "modelbuild", *command], check=True, stdout=subprocess.DEVNULL)


@contextlib.contextmanager
def mbuild_server(reference: str):
    """The image, on the host's network so that no proxy of the engine is measured; yields its process id."""
    flags = [
        "--rm",
        "-d",
        "--network=host",
        "--cpuset-cpus=0",
        "-e",
        f"MBUILD_PORT={PORT}",
        "-e",
        "MBUILD_HOST=127.0.0.1",
        "-e",
        "MBUILD_GRPC_PORT=0",
    ]
    command = ["docker", "run", *flags, reference]
    container = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    try:
        inspected = subprocess.run(
            ["docker", "inspect", "-f", "{{.State.Pid}}", container], check=True, capture_output=True, text=True
        )
        wait_until_ready()
        yield int(inspected.stdout)
    finally:
        subprocess.run(["docker", "stop", "-t", "5", container], check=True, capture_output=True)


@contextlib.contextmanager
def fastapi_server(python: Path, folder: Path):
    """FastAPI on uvicorn with uvloop and httptools; yields its process id."""
    command = ["taskset", "-c", "0", python, "-m", "uvicorn", "peer_fastapi:app", "--host", "127.0.0.1"]
    command += [
        "--port",
        str(PORT),
        "--no-access-log",
        "--log-level",
        "error",
        "--loop",
        "uvloop",
        "--http",
        "httptools",
    ]
    process = subprocess.Popen(command, cwd=HERE, env={**os.environ, **THREADS, "MODEL_FOLDER": str(folder)})
    try:
        wait_until_ready()
        yield process.pid
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=10)


def wait_until_ready() -> None:
    for _ in range(400):
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{PORT}/health/ready", timeout=1):
            return
        time.sleep(0.05)
    raise SystemExit("a server did not become ready")


def check_answers(folder: Path) -> None:
    """Every answer right, before any number is believed."""
    rows = json.loads((folder / "rows.json").read_text())
    answers = json.loads((folder / "answers.json").read_text())
    for row, expected in zip(rows, answers, strict=True):
        body = json.dumps({"instances": [row]}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{PORT}/predict", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=5) as response:
            (answer,) = json.load(response)["predictions"]
        numbers = answer["probabilities"] if isinstance(answer, dict) else answer
        if any(abs(one - other) > 1e-4 for one, other in zip(numbers, expected, strict=True)):
            raise SystemExit(f"wrong answer {answer}, expected {expected}")


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mb(pid: int) -> float:
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text()).group(1)) / 1000


def measure(pid: int, folder: Path, connections: int, seconds: float) -> dict[str, float]:
    """One burst of wrk."""
    environment = {**os.environ, "BODIES": str(folder / "bodies.txt"), "TARGET_PATH": "/predict"}
    command = [
        "taskset",
        "-c",
        "1",
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{max(1, round(seconds))}s",
        "-s",
        HERE / "load.lua",
    ]
    before = cpu_seconds(pid)
    output = subprocess.run(
        [*command, f"http://127.0.0.1:{PORT}"], env=environment, check=True, capture_output=True, text=True
    ).stdout
    result = json.loads(re.search(r"JSON(.*)", output).group(1))
    if result["bad"]:
        raise SystemExit(f"{result['bad']} of {result['requests']} requests failed")
    return {
        "requests_per_second": result["requests"] / result["seconds"],
        "cpu_us": (cpu_seconds(pid) - before) / result["requests"] * 1e6,
        "p50_ms": result["p50"],
        "p99_ms": result["p99"],
        "memory_mb": memory_mb(pid),
    }


def loop(python: Path, folder: Path, seconds: float) -> float:
    """Microseconds of CPU a request in the loop without a server."""
    output = subprocess.run(
        [python, HERE / "loop.py", folder, str(seconds)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, **THREADS},
    )
    return json.loads(output.stdout)["cpu_per_request"] * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--image", default="", help="measure this image instead of packaging the workload")
    arguments = parser.parse_args()
    if not shutil.which("wrk"):
        raise SystemExit("wrk is missing: apt-get install wrk")
    folder = CACHE / "w1"
    workload.make(folder)
    rows = json.loads((folder / "rows.json").read_text())
    (folder / "bodies.txt").write_text("".join(json.dumps({"instances": [row]}) + "\n" for row in rows))
    python = peer_environment()
    reference = arguments.image or "mbuild-benchmark/w1:latest"
    if not arguments.image:
        package(folder, reference)
    servers = {"mbuild": lambda: mbuild_server(reference), "fastapi": lambda: fastapi_server(python, folder)}
    measured: dict[str, dict[int, list]] = {name: {count: [] for count in CONNECTIONS} for name in servers}
    loops = []
    for _ in range(arguments.rounds):
        for name in random.sample(sorted(servers), len(servers)):
            with servers[name]() as pid:
                check_answers(folder)
                measure(pid, folder, 8, 0.5)
                for count in CONNECTIONS:
                    measured[name][count].append(measure(pid, folder, count, arguments.seconds))
        loops.append(loop(python, folder, 1))
    summary = summarise(measured, loops)
    (HERE / "results.json").write_text(json.dumps(summary, indent=2) + "\n")
    (HERE / "results.svg").write_text(chart.bars(summary))
    print_table(summary)


def summarise(measured: dict, loops: list[float]) -> dict:
    """Medians of each figure, and the ratios that matter, all from this one run."""
    medians = {
        name: {
            str(count): {key: statistics.median(run[key] for run in runs) for key in runs[0]}
            for count, runs in counts.items()
        }
        for name, counts in measured.items()
    }
    bare = statistics.median(loops)
    ratios = {
        "requests per second at 32 connections, over FastAPI": medians["mbuild"]["32"]["requests_per_second"]
        / medians["fastapi"]["32"]["requests_per_second"],
        "CPU a request at 1 connection, over the bare loop": medians["mbuild"]["1"]["cpu_us"] / bare,
    }
    machine = {"python": platform.python_version(), "cpus": os.cpu_count()}
    return {"machine": machine, "loop_cpu_us": bare, "servers": medians, "ratios": ratios}


def print_table(summary: dict) -> None:
    print(f"{'server':<10}{'connections':>12}{'req/s':>12}{'p50 ms':>10}{'p99 ms':>10}{'CPU µs':>10}{'RSS MB':>10}")
    for name, counts in summary["servers"].items():
        for count, run in counts.items():
            figures = (f"{run[key]:>10.3f}" for key in ("p50_ms", "p99_ms"))
            print(
                f"{name:<10}{count:>12}{run['requests_per_second']:>12.0f}{''.join(figures)}"
                f"{run['cpu_us']:>10.1f}{run['memory_mb']:>10.0f}"
            )
    print(f"bare loop: {summary['loop_cpu_us']:.1f} µs of CPU a request")
    for name, ratio in summary["ratios"].items():
        print(f"{name}: {ratio:.2f}x")


if __name__ == "__main__":
    main()
