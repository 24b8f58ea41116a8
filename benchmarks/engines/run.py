"""The packaged engines beside their frameworks' plain calls, and the server beside peers that serve the same models.

    python benchmarks/engines/run.py [--seconds 0.4] [--kind NAME ...] [--no-peers]

In process: microseconds of CPU of one prediction of 1 and of 32 rows, by the framework's own call, by the engine that
mbuild packages, and by what ``--optimize`` keeps of it. Over HTTP: requests a second and CPU a request, of one row
each, at 1 and 16 connections, in the peer's own protocol, which mbuild speaks too; servers on processor 0, the client
on processor 1.
Environments are made once, from PyPI, under ~/.cache/mbuild-benchmarks; then it takes less than five minutes.
Writes results.json, results.md and results.svg beside this file, and prints the tables.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import chart
import kinds
import peers

from modelbuild.dependencies.pip_settings import find_links
from modelbuild.dependencies.places import placed, places, project

HERE = Path(__file__).parent
SERVER = HERE.parents[1] / "runtimes"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "mbuild-benchmarks"
CONNECTIONS = (1, 16)
LIMIT = 300
# What frameworks' own packages need beyond what the engines do, and what makes the models.
FURTHER = ("scipy", "pandas", "onnx")


def environment(name: str, packages: list[str], indexes: dict[str, str] | None = None) -> Path:
    """A virtual environment; returns its interpreter. ``indexes`` are of distributions that are not on PyPI."""
    folder = CACHE / name
    python, stamp = folder / "bin/python", folder / "packages"
    wanted = "\n".join(sorted(packages))
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"making the environment {name}", file=sys.stderr)
        uv = [sys.executable, "-m", "uv"]
        subprocess.run([*uv, "venv", "-q", "--clear", "--python", sys.executable, folder], check=True)
        links = find_links(os.environ)
        further = [part for link in links for part in ("--find-links", link)]
        if names := placed(packages, known := places(indexes or {}, links)):
            (folder / "pyproject.toml").write_text(project(names, known))
            further += ["-r", folder / "pyproject.toml"]
        subprocess.run([*uv, "pip", "install", "-q", "--python", python, *further, *packages], check=True)
        stamp.write_text(wanted)
    return python


def of_runtime(name: str) -> Path:
    """What a runtime requires, the way to its quicker form, and the server."""
    told = tomllib.loads((SERVER / "modelbuild_runtime/engines" / name / "runtime.toml").read_text())
    lines = (SERVER / "modelbuild_runtime/requirements.txt").read_text().splitlines()
    server = [line for line in lines if line and not line.startswith("#")]
    ways = told.get("optimise", {}).get("requirements", [])
    packages = [*told["requirements"], *server, *ways, *FURTHER, "onnxruntime"]
    return environment(f"engine-{name}", packages, told.get("index"))


def inside(chosen: list[str], seconds: float) -> list[dict]:
    """The figures of each kind; one that fails is told and left out."""
    found = []
    for name in chosen:
        try:
            found.append(one_inside(name, seconds))
        except (RuntimeError, subprocess.SubprocessError) as error:
            print(f"left out: {name}: {error}", file=sys.stderr)
    return found


def one_inside(name: str, seconds: float) -> dict:
    """The figures of one kind, in a process of its own."""
    python = of_runtime(kinds.RUNTIMES[name])
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["taskset", "-c", "0", python, HERE / "inside.py", name, folder, str(seconds)],
            env={**os.environ, **peers.THREADS, "PYTHONPATH": f"{SERVER}:{HERE}", "TF_CPP_MIN_LOG_LEVEL": "3"},
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT,
        )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return json.loads(done.stdout.splitlines()[-1])


def mbuild_serving(kind: str, folder: Path):
    """The server from its sources, with the same model."""
    python = of_runtime(kinds.RUNTIMES[kind])
    told = {**os.environ, **peers.THREADS, "PYTHONPATH": f"{SERVER}:{HERE}"}
    made = subprocess.run(
        [python, "-c", peers.MAKE, kind, folder], env=told, check=True, capture_output=True, text=True
    ).stdout.split()[-1]
    manifest = {
        "model": {"name": "m", "version": "1", "path": made},
        "runtime": {"name": kinds.RUNTIMES[kind]},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    settings = {"MBUILD_MANIFEST": folder / "manifest.json", "MBUILD_PORT": peers.PORT, "MBUILD_GRPC_PORT": 0}
    told |= {name: str(value) for name, value in settings.items()} | {"MBUILD_HOST": "127.0.0.1"}
    return peers.process([python, "-m", "modelbuild_runtime", "serve"], told, "/health/ready")


def ask(pid: int, path: str, body: Path, connections: int, seconds: float) -> dict[str, float]:
    """One burst."""
    before = peers.cpu_seconds(pid)
    command = ["taskset", "-c", "1", sys.executable, HERE / "client.py", str(peers.PORT), path, body]
    done = subprocess.run([*command, str(connections), str(seconds)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip()[-500:])
    count, took = map(float, done.stdout.split())
    return {"requests_per_second": count / took, "cpu_us": (peers.cpu_seconds(pid) - before) / count * 1e6}


def over_http(chosen: list[str], seconds: float) -> list[dict]:
    """Each peer and each kind that it serves, beside mbuild in the same protocol."""
    found = []
    for peer in peers.PEERS:
        python = environment(peer.name.lower(), list(peer.packages))
        for kind in (name for name in peers.KINDS if name in chosen):
            with tempfile.TemporaryDirectory() as folder:
                body = Path(folder, "body.json")
                body.write_bytes(peers.body(peer.protocol, kinds.data()[0][:1].tolist()))
                servers = {
                    "mbuild": lambda kind=kind, folder=folder: mbuild_serving(kind, Path(folder)),
                    peer.name: lambda kind=kind, folder=folder, peer=peer, python=python: peers.serving(
                        peer, python, kind, Path(folder, "peer")
                    ),
                }
                for server, start in servers.items():
                    row = {"kind": kind, "protocol": peer.protocol, "server": server}
                    try:
                        with start() as pid:
                            ask(pid, peer.path, body, 4, 0.5)
                            row |= {str(count): ask(pid, peer.path, body, count, seconds) for count in CONNECTIONS}
                    except (RuntimeError, subprocess.CalledProcessError) as error:
                        row["failed"] = str(error)[-300:]
                    found.append(row)
    return found


def tables(summary: dict) -> str:
    """Both tables, in Markdown."""
    lines = [
        "| kind | rows | framework, µs | mbuild, µs | `--optimize`, µs | framework / best |",
        "|---|---|---|---|---|---|",
    ]
    for kind in summary["inside"]:
        for size, calls in kind["microseconds"].items():
            best = min(calls["mbuild"], calls.get("--optimize", calls["mbuild"]))
            quicker = f"{calls['--optimize']:.1f}" if "--optimize" in calls else "not kept"
            figures = f"{calls['framework']:.1f} | {calls['mbuild']:.1f} | {quicker} | {calls['framework'] / best:.1f}x"
            lines.append(f"| {kind['kind']} | {size} | {figures} |")
    if summary["http"]:
        columns = " | ".join(f"req/s at {count} | CPU µs at {count}" for count in CONNECTIONS)
        lines += ["", f"| kind | protocol | server | {columns} |", "|---|---|---|" + "---|" * 2 * len(CONNECTIONS)]
    for row in summary["http"]:
        figures = [
            f"{row[str(count)]['requests_per_second']:,.0f} | {row[str(count)]['cpu_us']:,.0f}"
            for count in CONNECTIONS
            if "failed" not in row
        ] or [f"failed: {' '.join(row['failed'].split())[-120:]}"]
        lines.append(f"| {row['kind']} | {row['protocol']} | {row['server']} | {' | '.join(figures)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=0.4, help="of each measurement")
    parser.add_argument("--kind", action="append", choices=list(kinds.KINDS), help="only these")
    parser.add_argument("--no-peers", action="store_true", help="only what is measured in process")
    arguments = parser.parse_args()
    chosen = arguments.kind or list(kinds.KINDS)
    machine = {"python": platform.python_version(), "cpus": os.cpu_count()}
    summary = {"machine": machine, "inside": inside(chosen, arguments.seconds)}
    summary["http"] = [] if arguments.no_peers else over_http(chosen, arguments.seconds)
    (HERE / "results.json").write_text(json.dumps(summary, indent=2) + "\n")
    (HERE / "results.md").write_text(tables(summary))
    (HERE / "results.svg").write_text(chart.bars(summary["inside"]))
    print(tables(summary))


if __name__ == "__main__":
    main()
