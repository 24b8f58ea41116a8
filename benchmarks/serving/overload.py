"""Goodput of the server when far more is asked of it than it can do. Needs no Docker and no wrk.

    python benchmarks/serving/overload.py [--rounds 3] [--seconds 5] [--slo 0.25]

The model is a large random forest, pickled: slow, and hardly slower for the eight rows that a batch may have. The
server runs on processor 0, the load on processor 1. First clients that wait for their answers show what is
sustainable, then ten times as many ask (closed loop); then requests are sent at 0.9, 1.2, 2 and 10 times the
sustainable rate, whatever is answered (open loop), to a server with a bounded queue and to one with MBUILD_SLO. Goodput
counts answers that are right and came within the objective; the rest of the table says what became of the others. Every
answer is compared. Clients that wait for their answers ask together, which is cheaper: each load is compared with the
peak of its own kind, and with that of all. Ratios count, absolutes belong to the machine; where others use it too,
those of a second of the server's processor time."""

import argparse
import asyncio
import contextlib
import heapq
import json
import random
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from checkout import served
from environment import CACHE
from processes import cpu_seconds

HERE = Path(__file__).parent
PORT = 18437
RATES = (0.9, 1.2, 2.0, 10.0)
QUESTIONS = 64
TREES = 300
CLOSED = 16
CROWD = 10 * CLOSED
PATIENCE = 5.0
WARM_UP = 1.5
"""Seconds in which an open loop makes its connections, up to 2,000 of them: what is asked then is not counted."""


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


class Client(asyncio.Protocol):
    """One connection: a question at a time. ``answered`` is called with itself, the status and the body."""

    def __init__(self, answered) -> None:
        self.answered = answered
        self.sent = 0.0
        self.question = 0
        self._buffer = b""

    def connection_made(self, transport) -> None:
        self.transport = transport

    def ask(self, question: int, data: bytes, due: float) -> None:
        self.question, self.sent = question, due
        self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        if len(body) >= length:
            self._buffer = body[length:]
            self.answered(self, int(head[9:12]), body[:length])

    def connection_lost(self, _error) -> None:
        self.answered(self, 0, b"")


class Load:
    """Sends questions and judges their answers."""

    def __init__(self, folder: Path, slo: float) -> None:
        rows = json.loads((folder / "rows.json").read_text())
        self.expected = json.loads((folder / "answers.json").read_text())
        self.data = [_request(row) for row in rows]
        self.slo = slo
        self.idle: list[Client] = []
        self.counts: Counter = Counter()
        self.times: list[float] = []
        self.since = 0.0  # what was due before is not counted
        self.again = None  # closed loop: what to do with a client that was answered

    async def connect(self, count: int) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(count):
            _, client = await loop.create_connection(lambda: Client(self._answered), "127.0.0.1", PORT)
            self.idle.append(client)

    def ask(self, client: Client, due: float) -> None:
        question = random.randrange(QUESTIONS)
        client.ask(question, self.data[question], due)

    def _answered(self, client: Client, status: int, body: bytes) -> None:
        seconds = time.perf_counter() - client.sent
        if client.sent < self.since:
            pass
        elif status == 200:
            (answer,) = json.loads(body)["predictions"]
            numbers = answer["probabilities"] if isinstance(answer, dict) else answer
            expected = self.expected[client.question]
            if any(abs(one - other) > 1e-9 for one, other in zip(numbers, expected, strict=True)):
                raise SystemExit(f"a wrong answer: {answer}, expected {expected}")
            self.times.append(seconds)
            self.counts["good" if seconds <= self.slo else "late"] += 1
        else:
            self.counts[{429: "refused", 504: "expired"}.get(status, f"status {status}")] += 1
        if status and self.again is not None:
            self.again(client)
        elif status:
            self.idle.append(client)


def _request(row: list) -> bytes:
    body = json.dumps({"instances": [row]}).encode()
    return b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
        len(body),
        body,
    )


async def closed(load: Load, seconds: float, clients: int) -> None:
    """Clients that ask again as soon as they are answered, or turned away."""
    await load.connect(clients)
    asking, load.idle = load.idle, []
    load.again = lambda client: load.ask(client, time.perf_counter())
    for client in asking:
        load.again(client)
    await asyncio.sleep(seconds)
    load.again = None
    await asyncio.sleep(0.2)


async def opened(load: Load, seconds: float, rate: float) -> None:
    """Questions at random times, so many a second in the mean. Where no connection is free, there is one more. A
    question's clock runs from when it was due: a load that falls behind counts against the server, not for it.
    """
    await load.connect(256)
    due = time.perf_counter()
    load.since = due + WARM_UP
    end = load.since + seconds
    while due < end:
        now = time.perf_counter()
        while due <= now and due < end:
            if not load.idle and load.counts["connections"] < 2000:
                await load.connect(16)
                load.counts["connections"] += 16
            if load.idle:
                load.ask(load.idle.pop(), due)
                load.counts["asked"] += due >= load.since
            else:
                load.counts["not sent"] += due >= load.since
            due += random.expovariate(rate)
        await asyncio.sleep(max(0.0, min(due - time.perf_counter(), 0.005)))
    await asyncio.sleep(min(PATIENCE, 10 * load.slo))


def burst(pid: int, slo: float, seconds: float, *, rate: float = 0.0, clients: int = 0) -> dict:
    """What becomes of the questions of a process of its own, on a processor of its own; with the goodput, and the
    processor time of the server.
    """
    load = ["--load", str(rate), "--clients", str(clients), "--seconds", str(seconds), "--slo", str(slo)]
    before, busy = cpu_seconds(pid), seconds + (WARM_UP if rate else 0.0)
    command = ["taskset", "-c", "1", sys.executable, __file__, *load]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    made = json.loads(done.stdout)
    return {**made, "goodput": made.get("good", 0) / seconds, "cpu": (cpu_seconds(pid) - before) / busy}


def load(folder: Path, slo: float, seconds: float, rate: float, clients: int) -> None:
    """The process that asks: prints what became of its questions."""
    with contextlib.suppress(ImportError):
        import uvloop

        uvloop.install()
    made = Load(folder, slo)
    asyncio.run(opened(made, seconds, rate) if rate else closed(made, seconds, clients))
    middle = statistics.median(made.times) if made.times else 0.0
    worst = heapq.nlargest(max(1, len(made.times) // 100), made.times)[-1] if made.times else 0.0
    print(json.dumps({**made.counts, "p50": middle, "p99": worst}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--slo", type=float, default=0.25)
    parser.add_argument("--load", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--clients", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    folder, slo, seconds = CACHE / "overload", arguments.slo, arguments.seconds
    if arguments.load is not None:
        load(folder, slo, seconds, arguments.load, arguments.clients)
        return
    workload(folder)
    servers = {
        "queue of 16": {"MBUILD_QUEUE": "16", "MBUILD_MAX_BATCH_SIZE": "8"},
        f"slo {slo:g} s": {"MBUILD_SLO": str(slo), "MBUILD_MAX_BATCH_SIZE": "8"},
    }
    runs: dict = {name: {} for name in servers}
    for _ in range(arguments.rounds):
        for name in random.sample(sorted(servers), len(servers)):
            with served(folder, PORT, MBUILD_LOG_LEVEL="warning", **servers[name]) as pid:
                for load_, made in loads(pid, slo, seconds):
                    runs[name].setdefault(load_, []).append(made)
    report(runs)


def loads(pid: int, slo: float, seconds: float) -> Iterator[tuple[str, dict]]:
    """One server under one load after the other, and what each is called."""
    burst(pid, slo, 1.0, clients=CLOSED)
    best = burst(pid, slo, seconds, clients=CLOSED)
    yield f"{CLOSED} clients", best
    yield f"{CROWD} clients", burst(pid, slo, seconds, clients=CROWD)
    sustainable = sum(best.get(kind, 0) for kind in ("good", "late")) / seconds
    for rate in RATES:
        yield f"{rate:g}x", burst(pid, slo, seconds, rate=rate * sustainable)


def report(runs: dict) -> None:
    """One table. The peak is the best of the same server, under loads of the same kind and under any."""
    kinds = ("late", "refused", "expired", "not sent")
    print(
        f"{'server':<14}{'load':>12}{'goodput':>9}{'of kind':>9}{'of all':>8}{'by cpu':>8}{'p50 ms':>8}{'p99 ms':>8}",
        end="",
    )
    print("".join(f"{kind:>10}" for kind in kinds))
    for name, loads_ in runs.items():
        middle = {word: statistics.median(run["goodput"] for run in made) for word, made in loads_.items()}
        by_cpu = {
            word: statistics.median(run["goodput"] / max(run["cpu"], 0.01) for run in made)
            for word, made in loads_.items()
        }
        for word, made in loads_.items():
            asked = [sum(run.get(kind, 0) for kind in ("good", *kinds)) or 1 for run in made]
            shares = [
                statistics.median(run.get(kind, 0) / all_ for run, all_ in zip(made, asked, strict=True))
                for kind in kinds
            ]
            p50, p99 = (statistics.median(run[key] for run in made) * 1000 for key in ("p50", "p99"))
            like = [one for other, one in middle.items() if other.endswith(word[-1])]
            best, of_all = middle[word] / max(like), middle[word] / max(middle.values())
            best_by_cpu = by_cpu[word] / max(by_cpu.values())
            print(f"{name:<14}{word:>12}{middle[word]:>9.0f}{best:>9.0%}{of_all:>8.0%}{best_by_cpu:>8.0%}", end="")
            print(f"{p50:>8.1f}{p99:>8.1f}" + "".join(f"{share:>10.1%}" for share in shares))


if __name__ == "__main__":
    main()
