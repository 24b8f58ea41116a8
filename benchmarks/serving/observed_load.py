"""What being seen from outside costs a server with its sockets. Needs no Docker, but wrk and two processors.

    python benchmarks/serving/observed_load.py [--rounds 9] [--seconds 1] [--connections 1,32]

Servers of W1 run at once on processor 0, and are asked in turns from processor 1, where the readers of their logs and
the collector are, too: those are not counted. CPU is a server's, a request; ratios are to the server with what is
always there, metrics, within each round.
"""

import argparse
import contextlib
import http.server
import json
import os
import random
import statistics
import tempfile
import threading
from pathlib import Path

import features
import load
from checkout import served
from forms import instances
from processes import cpu_seconds
from workloads import w1

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
FIRST_PORT = 18441


def sampled(ratio):
    """Settings of a server that makes spans of a part of the requests."""
    return {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": str(ratio)}


LOGGED = {"MBUILD_ACCESS_LOG": "1"}
SERVERS = {
    "metrics": {},
    "access log": {**LOGGED, "MBUILD_LOG_FORMAT": "json"},
    "access log as text": LOGGED,
    "1 % traced": sampled(0.01),
    "10 % traced": sampled(0.1),
    "all traced": sampled(1.0),
}
CARRIED = "traceparent, no spans"
UNREAD = "a header nobody reads"
"""As long as a traceparent: what the bytes cost."""


class Collector(http.server.BaseHTTPRequestHandler):
    """Takes whatever is exported."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Nothing."""


def burst(pid, port, requests, connections, seconds):
    """Requests a second, and CPU microseconds a request."""
    before = cpu_seconds(pid)
    result = load.sent(requests, connections, seconds, port)
    if result["bad"] or not result["requests"]:
        raise SystemExit(f"{result['bad']} of {result['requests']} requests failed")
    return result["requests"] / result["seconds"], (cpu_seconds(pid) - before) / result["requests"] * 1e6


def measured(targets, connections, arguments):
    """By name: bursts, in turns."""
    found = {name: [] for name in targets}
    order = list(targets)
    for _ in range(arguments.rounds):
        random.shuffle(order)
        for name in order:
            pid, port, requests = targets[name]
            found[name].append(burst(pid, port, requests, connections, arguments.seconds))
    return found


def report(found, connections):
    """A line a server: medians, and the medians of the ratios within each round."""
    print(f"\n{connections} connections{'requests/s':>24}{'CPU, µs':>20}")
    for name, bursts in found.items():
        columns = []
        for at in (0, 1):
            values, first = [burst[at] for burst in bursts], [burst[at] for burst in found["metrics"]]
            ratio = statistics.median(b / a for a, b in zip(first, values, strict=True)) - 1
            columns.append(f"{statistics.median(values):>12.1f} {ratio:>+7.1%}")
        print(f"{name:<24}{''.join(columns)}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--connections", default="1,32")
    arguments = parser.parse_args()
    collector = http.server.ThreadingHTTPServer((load.HOST, 0), Collector)
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    os.sched_setaffinity(0, {1})  # the collector, too
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        w1.make(folder)
        (folder / "w1_features.py").write_bytes(Path(features.__file__).read_bytes())
        manifest = {"model": {"name": "w1", "version": "1", "path": "model.onnx"}, "runtime": {"name": "onnx"}}
        (folder / "manifest.json").write_text(
            json.dumps({**manifest, "handler": {"module": "w1_features", "path": "."}})
        )
        form = instances()
        plain = stack.enter_context(load.prepared(load.Question("/predict", form), w1.questions(folder)[0]))
        traced, unread = (
            {**plain, "FIELDS": f"{plain['FIELDS']}\n{name}: {TRACEPARENT}"} for name in ("traceparent", "x-untouched")
        )
        targets = {}
        for port, (name, settings) in enumerate(SERVERS.items(), FIRST_PORT):
            endpoint = f"http://{load.HOST}:{collector.server_port}" if "OTEL_TRACES_SAMPLER" in settings else ""
            told = {**settings, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
            targets[name] = (stack.enter_context(served(folder, port, **told)), port, plain)
        targets[UNREAD] = (*targets["metrics"][:2], unread)
        targets[CARRIED] = (*targets["metrics"][:2], traced)
        for connections in map(int, arguments.connections.split(",")):
            measured(targets, connections, argparse.Namespace(rounds=1, seconds=1.0))  # warms up
            report(measured(targets, connections, arguments), connections)


if __name__ == "__main__":
    main()
