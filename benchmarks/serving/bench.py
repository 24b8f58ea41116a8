"""Collects the figures of a run, round after round. Whoever fails is named, and after a second time left out."""

import http.client
import random
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import environment
import footprint
import image
import load
import peer
import workload
from peer import Work
from processes import StartError

OURS = ("mbuild", "mbuild_optimize")
FOOTPRINTS = ("start", "memory", "size")
_LOOP = Path(__file__).parent / "inside/loop.py"
_FAILURES = (
    StartError,
    load.WrongAnswerError,
    subprocess.SubprocessError,
    http.client.HTTPException,
    OSError,
    ValueError,
    KeyError,
)
"""What may go wrong with one server without ending the run."""


class Bench:
    """``seconds`` is a burst's length. What was measured is kept as one entry a round."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.servers: dict[str, dict[str, dict[str, list]]] = {}
        self.loops: dict[str, list] = {}
        self.footprint: dict[str, list] = {}
        self.left_out: dict[str, str] = {}
        self.versions: dict[str, dict[str, str]] = {}
        self._pythons: dict[str, Path] = {}
        self._failures: Counter[str] = Counter()

    def install(self, names: list[str]) -> None:
        """Make the environments that can be made."""
        for name in names:
            self._tried(name, self._install, name)

    def _install(self, name: str) -> None:
        packages = peer.peer(name).PACKAGES
        self._pythons[name] = environment.environment(name, packages) if packages else Path(sys.executable)
        if packages:
            self.versions[name] = environment.versions(self._pythons[name], packages)

    def round(self, number: int, names: list[str]) -> None:
        """Everything once, in an order of its own: a workload's servers and its loops, among each other."""
        for name in random.sample(names, len(names)):
            if name in FOOTPRINTS:
                if name == "start" or number == 0:
                    self._tried(name, self._weigh, name)
                continue
            known = [server for server in self._pythons if name in peer.peer(server).QUESTIONS]
            jobs = [(f"{server}, {name}", self._serve, name, server) for server in known]
            jobs += [
                (f"loop of {loop}", self._loop, loop, name, of) for loop, of in workload.workload(name).LOOPS.items()
            ]
            for job in random.sample(jobs, len(jobs)):
                self._tried(*job)

    def _tried(self, label: str, call: Callable[..., None], *words: object) -> None:
        if self._failures[label] > 1:
            return
        try:
            call(*words)
        except _FAILURES as error:
            said = getattr(error, "stderr", None) or str(error)
            text = said.decode(errors="replace") if isinstance(said, bytes) else said
            self._failures[label] += 1
            self.left_out[label] = f"{type(error).__name__}: {text.strip()}"
            print(f"failed: {label}: {self.left_out[label]}", file=sys.stderr)

    def _work(self, name: str, server: str) -> Work:
        return Work(name, environment.CACHE / name.lower(), self._pythons[server])

    def _serve(self, name: str, server: str) -> None:
        """One start of one server, and a burst for each question and number of connections."""
        work, module, described = self._work(name, server), peer.peer(server), workload.workload(name)
        inputs, answers = described.questions(work.folder)
        with module.start(work) as pid:
            for question in module.QUESTIONS[name]:
                load.until_answered(pid, question, inputs[0])
                load.check(question, inputs, answers)
                with load.prepared(question, inputs) as requests:
                    load.sent(requests, described.CONNECTIONS[-1], question.warm_up)
                    bursts = {n: load.burst(pid, requests, n, self.seconds) for n in described.CONNECTIONS}
                runs = self.servers.setdefault(name, {}).setdefault(f"{server} {question.label}".strip(), {})
                for connections, burst in bursts.items():
                    runs.setdefault(str(connections), []).append(burst)

    def _loop(self, loop: str, name: str, server: str) -> None:
        """A loop in the image of a server of ours."""
        reference = peer.peer(server).reference(self._work(name, server))
        self.versions.setdefault(f"{server}, {name}", image.versions(reference))
        self.loops.setdefault(loop, []).append(image.inside(reference, _LOOP, loop, "0.5"))

    def _weigh(self, what: str) -> None:
        """One of the footprints, of the image of W1."""
        work = self._work("W1", "mbuild")
        question, inputs = peer.peer("mbuild").QUESTIONS["W1"][0], workload.workload("W1").questions(work.folder)[0]
        measures = {
            "start": lambda reference: footprint.start(reference, question, inputs[0]),
            "memory": lambda reference: footprint.memory(reference, question, inputs),
            "size": footprint.size,
        }
        found = measures[what](peer.peer("mbuild").reference(work))
        self.footprint.setdefault(what, []).append(found)

    def results(self, machine: dict) -> dict:
        """Medians of all rounds; ours first, the others by name."""
        servers = {
            name: {
                server: {count: _of_bursts(bursts) for count, bursts in runs.items()}
                for server, runs in sorted(found.items(), key=lambda item: (not item[0].startswith("mbuild"), item[0]))
            }
            for name, found in sorted(self.servers.items())
        }
        return {
            "machine": machine,
            "versions": self.versions,
            "servers": servers,
            "loops": {name: _medians(runs) for name, runs in sorted(self.loops.items())},
            "footprint": {name: _medians(runs) for name, runs in self.footprint.items()},
            "left_out": self.left_out,
        }


def _of_bursts(bursts: list[dict]) -> dict:
    """Medians, and the best rate: what the server does when nothing else disturbs it."""
    return {**_medians(bursts), "best_per_second": max(burst["requests_per_second"] for burst in bursts)}


def _medians(runs: list[dict]) -> dict:
    """Of each figure over the rounds; what is no number is the last one's."""
    return {
        key: statistics.median(run[key] for run in runs) if isinstance(value, int | float) else value
        for key, value in runs[-1].items()
    }
