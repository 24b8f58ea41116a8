"""The packaged engines beside their frameworks' plain calls, and the server beside peers that serve the same models.

    python benchmarks/engines/run.py [--seconds 0.25] [--kind NAME ...] [--no-peers] [--environments]

In process: microseconds of CPU of one prediction of 1 and of 32 rows, by the framework's own call, by the engine that
mbuild packages, and by what ``--optimize`` keeps of it. Over HTTP: requests a second and CPU a request, of 1 and of 32
rows, in the peer's own protocol, which mbuild speaks too; servers on processor 0, the client on processor 1. A peer
that cannot be installed or started, or answers wrongly, is in the table, with the reason.
Environments are made once, from PyPI, under ~/.cache/mbuild-benchmarks; with --environments, that is all. Measuring
takes about five minutes. Writes results.json, results.md and results.svg beside this file, and prints the tables.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import chart
import kinds
import peers
import report
from asking import asked
from interpreters import SERVER, environment, indexes, of_runtime
from peers import Model, Peer
from processes import PORT, THREADS, started

HERE = Path(__file__).parent
LIMIT = 120
BEGAN = time.monotonic()
FAILURES = (RuntimeError, OSError, ValueError, KeyError, subprocess.SubprocessError)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=0.25, help="of each measurement")
    parser.add_argument("--kind", action="append", choices=list(kinds.KINDS), help="only these")
    parser.add_argument("--no-peers", action="store_true", help="only what is measured in process")
    parser.add_argument("--environments", action="store_true", help="make them, and measure nothing")
    arguments = parser.parse_args()
    chosen = arguments.kind or list(kinds.KINDS)
    those = [] if arguments.no_peers else [peer for peer in peers.PEERS if set(chosen) & set(peer.kinds)]
    pythons, failed = installed(chosen, those)
    if arguments.environments:
        raise SystemExit("\n".join(f"{name}: {why}" for name, why in failed.items()) or None)
    with tempfile.TemporaryDirectory() as folder:
        inside, models = in_process(
            [kind for kind in chosen if kind in pythons], pythons, Path(folder), arguments.seconds
        )
        http = over_http(models, those, pythons, Path(folder), arguments.seconds, failed)
    machine = {"python": platform.python_version(), "cpus": os.cpu_count(), "seconds": time.monotonic() - BEGAN}
    summary = {"machine": machine, "inside": inside, "http": http, "failed": failed}
    (HERE / "results.json").write_text(json.dumps(summary, indent=2) + "\n")
    (HERE / "results.md").write_text(report.tables(summary))
    (HERE / "results.svg").write_text(chart.bars(inside))
    print(report.tables(summary))


def installed(chosen: list[str], those: list[Peer]) -> tuple[dict[str, Path], dict[str, str]]:
    """The interpreter of each kind and of each peer, and why there is none."""
    makers: dict[str, Callable[[], Path]] = {
        kind: lambda kind=kind: of_runtime(kinds.RUNTIMES[kind]) for kind in chosen
    }
    makers |= {peer.name: lambda peer=peer: environment(peer.folder, list(peer.packages), indexes()) for peer in those}
    found, failed = {}, {}
    for name, make in makers.items():
        try:
            found[name] = make()
        except FAILURES as error:
            failed[name] = why(error)
            print(f"failed: {name}: {failed[name]}", file=sys.stderr)
    return found, failed


def in_process(chosen: list[str], pythons: dict, folder: Path, seconds: float) -> tuple[list[dict], list[Model]]:
    """The figures of each kind, and its model. One that fails is told and left out."""
    found, models = [], []
    for place, kind in enumerate(chosen):
        home = folder / str(place)
        home.mkdir()
        try:
            plain, ours = (side(pythons[kind], name, kind, home, seconds) for name in ("framework", "engine"))
        except FAILURES as error:
            print(f"left out: {kind}: {why(error)}", file=sys.stderr)
            continue
        progress(f"{kind} in process")
        both = {size: {**plain[size], **calls} for size, calls in ours["microseconds"].items()}
        found.append({"kind": kind, "optimised": ours["optimised"], "microseconds": both})
        made = json.loads((home / "made.json").read_text())
        models.append(Model(kind=kind, **{**made, "path": home / made["path"]}))
    return found, models


def side(python: Path, name: str, kind: str, folder: Path, seconds: float) -> dict:
    """One side of a kind, in a process of its own."""
    done = subprocess.run(
        ["taskset", "-c", "0", python, HERE / "inside.py", name, kind, folder, str(seconds)],
        env={**os.environ, **THREADS, "PYTHONPATH": f"{SERVER}:{HERE}", "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return json.loads(done.stdout.splitlines()[-1])


def over_http(
    models: list[Model], those: list[Peer], pythons: dict, folder: Path, seconds: float, failed: dict[str, str]
) -> list[dict]:
    """Each model by mbuild in the protocols of all its peers, and by those; servers that hold several start once."""
    rows: list[dict] = []
    for model in models:
        ours = [peer for peer in those if model.kind in peer.kinds]
        if ours:
            protocols = dict.fromkeys(peer.protocol.split()[0] for peer in ours)
            asks = [(model, protocol, OURS[protocol].format(model.name)) for protocol in protocols]
            rows += served("mbuild", asks, lambda model=model: mbuild(pythons[model.kind], model), seconds)
    for peer in those:
        mine = [model for model in models if model.kind in peer.kinds]
        if peer.name in failed:
            protocol = peer.protocol.split()[0]
            told = {"protocol": protocol, "server": peer.name, "failed": failed[peer.name]}
            rows += [{"kind": model.kind, **told} for model in mine]
            continue
        for group in [mine] if peer.several else [[model] for model in mine]:
            home = folder / peer.folder / (group[0].name if len(group) == 1 else "all")
            asks = [(model, peer.protocol, peer.path.format(model.name)) for model in group]
            rows += served(
                peer.name,
                asks,
                lambda peer=peer, group=group, home=home: peer.start(pythons[peer.name], group, home),
                seconds,
            )
    order = {model.kind: place for place, model in enumerate(models)}
    return sorted(rows, key=lambda row: (order[row["kind"]], row["protocol"]))


OURS = {"v2": "/v2/models/{}/infer", "v1": "/v1/models/{}:predict", "invocations": "/invocations"}


def served(
    server: str, asks: list[tuple], start: Callable[[], AbstractContextManager[int]], seconds: float
) -> list[dict]:
    """The figures of one start of a server: of each model and protocol."""
    rows = [{"kind": model.kind, "protocol": protocol.split()[0], "server": server} for model, protocol, _ in asks]
    try:
        with start() as pid:
            for row, (model, protocol, path) in zip(rows, asks, strict=True):
                try:
                    row.update(asked(pid, model, protocol, path, seconds))
                except FAILURES as error:
                    row["failed"] = why(error)
    except FAILURES as error:
        for row in rows:
            row.setdefault("failed", why(error))
    progress(f"{server} with {', '.join(dict.fromkeys(row['kind'] for row in rows))}")
    return rows


def mbuild(python: Path, model: Model) -> AbstractContextManager[int]:
    """The server from its sources, with the same model."""
    folder = model.path.parent
    manifest = {
        "model": {"name": model.name, "version": "1", "path": model.path.name},
        "runtime": {"name": model.runtime, "options": dict(model.options)},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    settings = {"MBUILD_MANIFEST": folder / "manifest.json", "MBUILD_PORT": PORT, "MBUILD_GRPC_PORT": 0}
    told = {name: str(value) for name, value in settings.items()} | {"MBUILD_HOST": "127.0.0.1"}
    command = [python, "-m", "modelbuild_runtime", "serve"]
    return started(command, python, "/health/ready", **told, PYTHONPATH=str(SERVER))


def progress(what: str) -> None:
    print(f"{time.monotonic() - BEGAN:4.0f} s: {what}", file=sys.stderr)


def why(error: Exception) -> str:
    said = getattr(error, "stderr", None) or str(error)
    text = said.decode(errors="replace") if isinstance(said, bytes) else said
    return f"{type(error).__name__}: {' '.join(text.split())[-300:]}"


if __name__ == "__main__":
    main()
