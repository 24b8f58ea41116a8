# ruff: noqa: SLF001  # it takes the server apart
"""What being seen from outside costs: CPU of one request inside the server with nothing counted, and with each more.

    python benchmarks/serving/observed.py [--rounds 40]

The same requests as ``hot_path.py``, no socket. The servers answer in turns, in one process: compare the ratios.
Exports are made, and sent nowhere.
"""

import argparse
import atexit
import logging
import os
import random
import statistics
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from time import process_time

import features
import msgspec
from hot_path import MANIFEST, REQUESTS, WIDTHS, Server, Sink, question
from workloads import w1

from modelbuild_runtime.beside import at_once
from modelbuild_runtime.pipeline import load_pipeline
from modelbuild_runtime.process.access_log.log import AccessLog
from modelbuild_runtime.process.access_log.outlet import Outlet
from modelbuild_runtime.process.access_log.styles import STYLES
from modelbuild_runtime.process.host.memory import settle
from modelbuild_runtime.process.workers.flights import Flights
from modelbuild_runtime.process.workers.quarantine import Quarantine
from modelbuild_runtime.process.workers.witness import Witness
from modelbuild_runtime.trace.tracer import make_tracer

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318", "OTEL_BSP_SCHEDULE_DELAY": "50"}


def uncounted(server):
    """Take out all that counts."""
    observer = server.app.metrics.of("w1")
    observer.run = observer.answered = server.app._count = lambda *_: None


def witnessed(server):
    """As one of several workers."""
    Sink.get_write_buffer_size = lambda _: 0
    server.app.witness = witness = Witness(Flights(), Quarantine())
    server.queue._run = witness.running(server.queue._run)


def logged(style, server):
    """With the access log, into a pipe that another process reads."""
    reader = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    atexit.register(reader.kill)
    outlet = Outlet(reader.stdin.fileno(), at_once, lambda _: sys.exit("lines were dropped"), alone=True)
    server.app.log_access(AccessLog(STYLES[style], outlet, lambda *_: None))
    detailed(server)


def traced(ratio, server):
    """With spans of a part of the requests."""
    sampler = {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": str(ratio)}
    tracer = make_tracer({**ENDPOINT, **sampler}, "w1", "1", server.app.metrics.spans)
    tracer._exporter._try = lambda *_: None
    server.app.trace(tracer)
    detailed(server)


def detailed(server):
    """Each request is told of its run."""
    server.app._detailed = server.app.metrics.of("w1")._detailed = True


VARIANTS = {
    "nothing counted": uncounted,
    "metrics": lambda _: None,
    "metrics, several workers": witnessed,
    "metrics, access log": partial(logged, "json"),
    "metrics, access log as text": partial(logged, "text"),
    "metrics, 1 % traced": partial(traced, 0.01),
    "metrics, all traced": partial(traced, 1.0),
    "metrics, a header unread": lambda _: None,
    "metrics, a trace carried": lambda _: None,
}
FIELDS = {"metrics, a header unread": b"x-untouched", "metrics, a trace carried": b"traceparent"}
PARENT = b"00-0af7651916cd43dd8448eb211c80319c-%016x-00"
"""Of the header that is not read it is always the same one."""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=40)
    arguments = parser.parse_args()
    logging.getLogger("modelbuild_runtime.trace").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        w1.make(folder)
        rows = msgspec.json.decode((folder / "rows.json").read_bytes())
        (folder / "w1_features.py").write_bytes(Path(features.__file__).read_bytes())
        pipeline = load_pipeline(MANIFEST, folder)
    questions = [question(msgspec.json.encode({"instances": [rows[at % len(rows)]]})) for at in range(REQUESTS)]
    figures = {width: measured(pipeline, questions, width, arguments.rounds) for width in WIDTHS}
    print(f"{'µs of CPU a request':<28}" + "".join(f"{f'{width} waiting':>22}" for width in WIDTHS))
    for name in VARIANTS:
        cells = [figures[width][name] for width in WIDTHS]
        print(f"{name:<28}" + "".join(f"{spent:>12.2f} {ratio:>+8.1%}" for spent, ratio in cells))


def measured(pipeline, questions, width, rounds):
    """By variant: median µs, and the median of the ratios to the first within each round."""
    servers = {}
    for name, change in VARIANTS.items():
        server = Server(pipeline)
        change(server)
        connections = server.connect(width)
        for at, connection in enumerate(connections):
            connection.writer.number = at + 1 if name.endswith("workers") else 0
        servers[name] = (server, connections)
    settle(os.environ)
    taken = {name: [] for name in VARIANTS}
    order = list(VARIANTS)
    for _ in range(rounds):
        random.shuffle(order)
        for name in order:
            asked = with_field(questions, FIELDS[name]) if name in FIELDS else questions
            taken[name].append(once(*servers[name], asked) / len(asked) * 1e6)
    first = taken["nothing counted"]
    return {
        name: (statistics.median(times), statistics.median(b / a for a, b in zip(first, times, strict=True)) - 1)
        for name, times in taken.items()
    }


def with_field(questions, name):
    """The same, in the caller's trace, or as long."""
    told = [name + b": " + PARENT % (random.getrandbits(64) if name == b"traceparent" else 1) for _ in questions]
    ends = zip(told, questions, strict=True)
    return [data.replace(b"\r\n\r\n", b"\r\n%b\r\n\r\n" % field, 1) for field, data in ends]


def once(server, connections, questions):
    """CPU seconds of all requests, of every thread."""
    width, began = len(connections), process_time()
    for start in range(0, len(questions), width):
        for connection, data in zip(connections, questions[start : start + width], strict=True):
            connection.data_received(data)
        server.turns.end()
    return process_time() - began


if __name__ == "__main__":
    main()
