"""The packaged server beside its peers, beside loops without a server, and against its targets.

    python benchmarks/serving/run.py [--peers fastapi,mosec] [--workloads W1,W4] [--rounds 5] [--seconds 1]

Servers run one at a time on processor 0, wrk on processor 1; each round measures all of them in a new order. Every
answer is compared before anything is timed. Needs Docker (the images are the real ones), wrk, and two processors;
TorchServe needs Java, and is left out without it, as is any peer that cannot be installed or does not start.
Environments are made once, from PyPI. Prints tables, and writes results.json, results.md and results.svg.
"""

import argparse
import http.client
import json
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import chart
import footprint
import image
import load
import peer
import report
import workload
from peer import Work
from processes import StartError

import environments

HERE = Path(__file__).parent
OURS = ("mbuild", "mbuild_optimize")
FOOTPRINTS = ("start", "memory", "size")
FAILURES = (
    StartError,
    load.WrongAnswerError,
    subprocess.CalledProcessError,
    http.client.HTTPException,
    OSError,
    ValueError,
    KeyError,
)
"""What may go wrong with a server without ending the run."""


class Bench:
    """Collects figures, round after round; whoever fails is left out from then on."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        self.servers: dict[str, dict[str, dict[str, list]]] = {}
        self.loops: dict[str, list] = {}
        self.footprint: dict[str, list] = {}
        self.left_out: dict[str, str] = {}
        self.versions: dict[str, dict[str, str]] = {}
        self.pythons: dict[str, Path] = {}

    def install(self, names: list[str]) -> None:
        """Make the environments; returns once all are there that can be."""
        for name in names:
            packages = peer.peer(name).PACKAGES
            try:
                self.pythons[name] = environments.environment(name, packages) if packages else Path(sys.executable)
                if packages:
                    self.versions[name] = environments.versions(self.pythons[name], packages)
            except FAILURES as error:
                self._leave_out(name, error)

    def work(self, name: str, server: str) -> Work:
        return Work(name, environments.CACHE / name.lower(), self.pythons[server])

    def serve(self, name: str, server: str) -> None:
        """One start of one server, and a burst for each question and number of connections."""
        work, module, described = self.work(name, server), peer.peer(server), workload.workload(name)
        inputs, answers = described.questions(work.folder)
        try:
            with module.start(work) as pid:
                for question in module.QUESTIONS[name]:
                    load.until_answered(question, inputs[0])
                    load.check(question, inputs, answers)
                    with load.prepared(question, inputs) as requests:
                        load.burst(pid, requests, described.CONNECTIONS[-1], question.warm_up)
                        runs = self.servers.setdefault(name, {}).setdefault(f"{server} {question.label}".strip(), {})
                        for count in described.CONNECTIONS:
                            runs.setdefault(str(count), []).append(load.burst(pid, requests, count, self.seconds))
        except FAILURES as error:
            self._leave_out(f"{server} ({name})", error)

    def loop(self, name: str, of: str, server: str) -> None:
        """The loop of a workload ``of``, in the image of a server of ours."""
        try:
            reference = peer.peer(server).reference(self.work(of, server))
            self.loops.setdefault(name, []).append(image.inside(reference, HERE / "inside/loop.py", name, "0.5"))
        except FAILURES as error:
            self._leave_out(f"loop {name}", error)

    def weigh(self, what: str) -> None:
        """One of the footprints, of the image of W1."""
        work = self.work("W1", "mbuild")
        question, inputs = peer.peer("mbuild").QUESTIONS["W1"][0], workload.workload("W1").questions(work.folder)[0]
        try:
            reference = peer.peer("mbuild").reference(work)
            words = {"start": (question, inputs[0]), "memory": (question, inputs), "size": ()}[what]
            self.footprint.setdefault(what, []).append(getattr(footprint, what)(reference, *words))
        except FAILURES as error:
            self._leave_out(what, error)

    def _leave_out(self, name: str, error: Exception) -> None:
        said = getattr(error, "stderr", None) or error
        self.left_out[name] = f"{type(error).__name__}: {said.decode() if isinstance(said, bytes) else said}"
        print(f"left out: {name}: {self.left_out[name]}", file=sys.stderr)

    def round(self, number: int, names: list[str], servers: list[str]) -> None:
        """Everything once, in an order of its own."""
        for name in random.sample(names, len(names)):
            if name in FOOTPRINTS:
                if name == "start" or number == 0:
                    self.weigh(name)
                continue
            known = [server for server in servers if name in peer.peer(server).QUESTIONS]
            jobs = [(self.serve, name, server) for server in known]
            jobs += [(self.loop, loop, name, of) for loop, of in workload.workload(name).LOOPS.items() if of in known]
            for call, *words in random.sample(jobs, len(jobs)):
                if not any(words[-1] in left and name in left for left in self.left_out):
                    call(*words)


def medians(runs: list[dict]) -> dict:
    """Of each figure over the rounds; what is no number is the last one's."""
    return {
        key: statistics.median(run[key] for run in runs) if isinstance(value, int | float) else value
        for key, value in runs[-1].items()
    }


def summarise(bench: Bench, machine: dict) -> dict:
    """Medians of all rounds; ours first, the others by name."""
    servers = {
        name: {
            server: {count: medians(bursts) for count, bursts in runs.items()}
            for server, runs in sorted(found.items(), key=lambda item: (not item[0].startswith("mbuild"), item[0]))
        }
        for name, found in sorted(bench.servers.items())
    }
    return {
        "machine": machine,
        "versions": bench.versions,
        "servers": servers,
        "loops": {name: medians(runs) for name, runs in sorted(bench.loops.items())},
        "footprint": {name: medians(runs) for name, runs in bench.footprint.items()},
        "left_out": bench.left_out,
    }


def arguments_of(words: list[str]) -> argparse.Namespace:
    workloads = [*workload.names(), *FOOTPRINTS]
    others = [name for name in peer.names() if name not in OURS]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", default=",".join(others), help=f"of {', '.join(others)}; empty for none")
    parser.add_argument("--workloads", default=",".join(workloads), help=f"of {', '.join(workloads)}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=1, help="of each burst")
    arguments = parser.parse_args(words)
    for given, known in ((arguments.peers, others), (arguments.workloads, workloads)):
        unknown = set(filter(None, given.split(","))) - set(known)
        if unknown:
            parser.error(f"{', '.join(sorted(unknown))} is none of {', '.join(known)}")
    return arguments


def main() -> None:
    arguments = arguments_of(sys.argv[1:])
    for command, hint in (("wrk", "apt-get install wrk"), ("docker", "the images are run by it")):
        if not shutil.which(command):
            raise SystemExit(f"{command} is missing: {hint}")
    began, names = time.monotonic(), arguments.workloads.split(",")
    bench = Bench(arguments.seconds)
    bench.install([*OURS, *filter(None, arguments.peers.split(","))])
    for name in {*names, "W1"} - set(FOOTPRINTS):
        workload.workload(name).make(environments.CACHE / name.lower())
    for number in range(arguments.rounds):
        bench.round(number, names, list(bench.pythons))
        print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr)
    machine = {
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "threads": ", ".join("=".join(item) for item in environments.THREADS.items()),
        "rounds": arguments.rounds,
        "seconds": arguments.seconds,
        "minutes": (time.monotonic() - began) / 60,
    }
    results = summarise(bench, machine)
    (HERE / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    (HERE / "results.md").write_text(report.tables(results))
    (HERE / "results.svg").write_text(chart.bars(results))
    print(report.tables(results))


if __name__ == "__main__":
    main()
