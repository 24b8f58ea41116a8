"""Goodput of the server when far more is asked of it than it can do. Needs no Docker and no wrk.

    python benchmarks/serving/overload.py [--rounds 3] [--seconds 5] [--slo 0.25] [--connections 2000]

A round takes about two minutes. The model is a large random forest, pickled: slow, and hardly slower for the eight rows
that a batch may have. The server runs on processor 0, the load on processor 1; there is one server with a bounded queue
and one with MBUILD_SLO.

First clients that wait for their answers (closed loop), as many as fit into queue and run, then ten times as many: the
former is what the server can do at all, since such clients ask together and fill every batch. Then questions are sent
at random times, whatever is answered (open loop), at parts of that rate. The highest of these at which 99 % are
answered well is the sustainable rate: a queue of two batches must turn some of them away before the mean rate is what
the server can do. Then twice and ten times the sustainable rate are asked.

Goodput counts answers that are right and came within the objective. It is compared with the best of the same kind of
load, since questions that come one by one cost more than those that come together; and, beside that, with the closed
loop's best. Between two loads there is a rest. "Not sent" are questions for which no connection was free, as in a
client with a pool: where the server lets many wait before it refuses them, fewer reach it. More connections make that
load harder. "load" is the processor time of the load itself: near 100 % it would be the load that is measured. Every
answer is compared. Ratios count, absolutes belong to the machine; where others use it too, those of a second of the
server's processor time do."""

import argparse
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from checkout import served
from environment import CACHE

LOAD = Path(__file__).parent / "overload_load.py"
PORT = 18437
PARTS = (0.8, 0.9, 1.0)
"""Of what the closed loop reached: rates that may be sustainable."""
TIMES = (2.0, 10.0)
WELL = 0.99
QUESTIONS = 64
TREES = 300
CLOSED = 16
CROWD = 10 * CLOSED
REST = 0.5
KINDS = ("late", "refused", "expired", "not sent")


def workload(folder: Path) -> None:
    """A forest, questions, and what the forest answers to them."""
    import joblib
    import numpy as np
    from sklearn.ensemble import BaggingClassifier, RandomForestClassifier

    folder.mkdir(parents=True, exist_ok=True)
    source = np.random.default_rng(0)
    x = source.normal(size=(2000, 30))
    # In a bag of one it stays slow: the server does a forest by itself without scikit-learn's methods around each tree.
    trees = RandomForestClassifier(TREES, max_depth=8, n_jobs=1, random_state=0)
    forest = BaggingClassifier(trees, n_estimators=1, random_state=0).fit(x, (x[:, 0] + x[:, 1] > 0).astype(int))
    joblib.dump(forest, folder / "model.joblib")
    rows = source.normal(size=(QUESTIONS, 30)).round(4)
    (folder / "rows.json").write_text(json.dumps(rows.tolist()))
    (folder / "answers.json").write_text(json.dumps(forest.predict_proba(rows).tolist()))
    manifest = {
        "model": {"name": "forest", "version": "1", "path": "model.joblib"},
        "runtime": {"name": "sklearn"},
        "signature": {"inputs": [{"name": "x", "datatype": "FP64", "shape": [-1, 30]}]},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))


class Loads:
    """What one server is asked. ``burst`` says what became of the questions."""

    def __init__(self, pid: int, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self._same = [CACHE / "overload", "--port", PORT, "--pid", pid, "--slo", arguments.slo]

    def burst(self, *asks: object, seconds: float) -> dict:
        command = ["taskset", "-c", "1", sys.executable, LOAD, *self._same, "--seconds", seconds, *asks]
        time.sleep(REST)
        done = subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True)
        made = json.loads(done.stdout)
        shares = {"cpu": made["server"] / seconds, "load": made["load"] / seconds}
        return {**made, **shares, "goodput": made.get("good", 0) / seconds}

    def all(self) -> Iterator[tuple[str, str, dict]]:
        """One after the other: the kind of load, what it is called, and what came of it."""
        seconds, connections = self.arguments.seconds, self.arguments.connections
        self.burst("--clients", CLOSED, seconds=1.0)
        best = self.burst("--clients", CLOSED, seconds=seconds)
        yield "closed", f"{CLOSED} clients", best
        yield "closed", f"{CROWD} clients", self.burst("--clients", CROWD, seconds=seconds)
        able = (best.get("good", 0) + best.get("late", 0)) / seconds
        sustainable = PARTS[0] * able
        for part in PARTS:
            made = self.burst("--rate", part * able, "--connections", connections, seconds=seconds)
            if made.get("good", 0) >= WELL * (made.get("asked", 0) + made.get("not sent", 0)):
                sustainable = part * able
            yield "open", f"{part:g} of able", made
        for times in TIMES:
            made = self.burst("--rate", times * sustainable, "--connections", connections, seconds=seconds)
            yield "open", f"{times:g}x", {**made, "sustainable": sustainable}


def report(runs: dict) -> None:
    """One table, of medians."""
    titles = ("goodput", "of peak", "by cpu", "of closed", "p50 ms", "p99 ms", *KINDS, "load")
    print(f"{'server':<14}{'':>13}" + "".join(f"{title:>10}" for title in titles))
    for name, loads in runs.items():
        goodput = {key: _median(made, lambda run: run["goodput"]) for key, made in loads.items()}
        by_cpu = {key: _median(made, lambda run: run["goodput"] / max(run["cpu"], 0.01)) for key, made in loads.items()}
        for (kind, word), made in loads.items():
            peak, peak_by_cpu, closed = (
                max(value for (of, _), value in values.items() if of == wanted)
                for values, wanted in ((goodput, kind), (by_cpu, kind), (goodput, "closed"))
            )
            mine = goodput[kind, word]
            shares = [mine / peak, by_cpu[kind, word] / peak_by_cpu, mine / closed]
            print(f"{name:<14}{word:>13}{mine:>10.0f}" + "".join(f"{share:>10.0%}" for share in shares), end="")
            print(
                "".join(f"{_median(made, lambda run, key=key: run[key]) * 1000:>10.1f}" for key in ("p50", "p99")),
                end="",
            )
            print("".join(f"{_median(made, lambda run, of=of: _share(run, of)):>10.1%}" for of in KINDS), end="")
            print(f"{_median(made, lambda run: run['load']):>10.0%}")
        sustainable = _median(loads["open", f"{TIMES[-1]:g}x"], lambda run: run["sustainable"])
        print(f"{name:<14}{'sustainable':>13}{sustainable:>10.0f}")


def _median(made: list, of) -> float:
    return statistics.median(of(run) for run in made)


def _share(run: dict, kind: str) -> float:
    return run.get(kind, 0) / (sum(run.get(one, 0) for one in ("good", *KINDS)) or 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--slo", type=float, default=0.25)
    parser.add_argument("--connections", type=int, default=2000)
    arguments = parser.parse_args()
    folder = CACHE / "overload"
    workload(folder)
    servers = {
        "queue of 16": {"MBUILD_QUEUE": "16", "MBUILD_MAX_BATCH_SIZE": "8"},
        f"slo {arguments.slo:g} s": {"MBUILD_SLO": str(arguments.slo), "MBUILD_MAX_BATCH_SIZE": "8"},
    }
    runs: dict = {name: {} for name in servers}
    for _ in range(arguments.rounds):
        for name in random.sample(sorted(servers), len(servers)):
            with served(folder, PORT, MBUILD_LOG_LEVEL="warning", **servers[name]) as pid:
                for kind, word, made in Loads(pid, arguments).all():
                    runs[name].setdefault((kind, word), []).append(made)
    report(runs)


if __name__ == "__main__":
    main()
