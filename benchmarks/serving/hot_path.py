"""CPU of one request inside the server, part by part, with no socket and no quiet machine needed.

    python benchmarks/serving/hot_path.py [--rounds 15] [--profile 1|32]

Bytes go into connections, and their answers into nothing; everything between is the server's own. Figures are medians
of CPU time, taken in turns: compare ratios, also on a machine that others use.
"""

import argparse
import cProfile
import os
import pstats
import statistics
import tempfile
from pathlib import Path
from time import process_time

import features
import msgspec
import numpy as np
import onnxruntime
from workloads import w1

from modelbuild_runtime.dataplane.batcher import Batcher
from modelbuild_runtime.dataplane.dataplane import Dataplane
from modelbuild_runtime.dataplane.pace import Pace
from modelbuild_runtime.http.connection import Connection
from modelbuild_runtime.http.router import Router
from modelbuild_runtime.manifest import Handler, Manifest, Model, Runtime
from modelbuild_runtime.pipeline import load_pipeline
from modelbuild_runtime.process.discovery import discover
from modelbuild_runtime.process.host.memory import settle
from modelbuild_runtime.process.requests.app import Application
from modelbuild_runtime.process.service import ModelService
from modelbuild_runtime.settings import Settings

WIDTHS = (1, 32)
"""Requests that wait for the same run."""
REQUESTS = 640
"""Requests a measurement."""
MANIFEST = Manifest(Model("w1", "1", "model.onnx"), Runtime("onnx"), handler=Handler("w1_features", "."))


class Turns:
    """An event loop whose turns are ended by hand."""

    def __init__(self):
        self._due = []
        self.call_soon = self._due.append

    def end(self):
        due = self._due.copy()
        self._due.clear()
        for callback in due:
            callback()


class Sink:
    """A transport that keeps the last answer only."""

    answer = b""

    def get_extra_info(self, _name):
        return None

    def write(self, data):
        self.answer = data


class Steady(Pace):
    """Never slow: an interruption by another process must not move the runs to a thread."""

    def is_slow(self, _rows):
        return False


class Held:
    """A queue that only keeps its jobs."""

    def __init__(self):
        self.jobs = []

    def submit(self, job):
        self.jobs.append(job)
        job.connection.pending.clear()

    resume = submit

    def admit(self):
        """Always."""


class Body(msgspec.Struct):
    instances: list[list[float]]


class Server:
    """The server around the workload, but for its socket. ``hold`` leaves requests in the queue."""

    def __init__(self, pipeline, *, hold=False):
        settings = Settings()
        self.dataplane = Dataplane(pipeline)
        service = ModelService(MANIFEST, pipeline, settings, {})
        service.protocols = discover(service)
        router = Router(service.protocols)
        self.app = Application(settings, router)
        self.turns = Turns()
        limits = {"max_rows": settings.max_batch_size, "max_waiting": settings.queue, "timeout": settings.timeout}
        observer = self.app.metrics.of("w1")
        observer.marks = pipeline.marks
        batcher = Batcher(self.dataplane.run, observer, Steady(), self.turns, **limits)
        self.queue = Held() if hold else batcher
        self.app.open(router, self.dataplane, self.queue, "w1")

    def connect(self, count):
        connections = [Connection(self.app) for _ in range(count)]
        for connection in connections:
            connection.connection_made(Sink())
        return connections


def question(body):
    """A request as wrk sends it."""
    head = "POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def parts(folder, pipeline, bodies, width):
    """What is measured, by name: functions that answer ``REQUESTS`` requests, or do a part of that."""
    served, held = Server(pipeline), Server(pipeline, hold=True)
    questions = [question(body) for body in bodies]
    in_turns = list(zip(*[iter(questions)] * width, strict=True))
    connections, holding = served.connect(width), held.connect(width)

    def whole():
        for turn in in_turns:
            for connection, data in zip(connections, turn, strict=True):
                connection.data_received(data)
            served.turns.end()

    def read():
        held.queue.jobs.clear()
        for turn in in_turns:
            for connection, data in zip(holding, turn, strict=True):
                connection.data_received(data)

    read()
    batches = list(zip(*[iter(held.queue.jobs.copy())] * width, strict=True))
    decode = msgspec.json.Decoder(Body).decode
    arrays = [np.array([decode(job.http.body).instances[0] for job in jobs], np.float32) for jobs in batches]
    name = pipeline.contract.inputs[0].name

    return {
        "whole": whole,
        "bare loop": bare(folder, bodies, width),
        "read, decode, check": read,
        "join, run, split": lambda: [served.dataplane.run(jobs) for jobs in batches],
        "run: handler and model": lambda: [pipeline.run({name: array}) for array in arrays],
        "handler alone": lambda: [features.preprocess(array) for array in arrays],
    }


def bare(folder, bodies, width):
    """The least that has to be done: decode, feature step, run and encode, in batches of ``width``."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options)
    outputs, sole = [session.get_outputs()[-1].name], session.get_inputs()[0].name
    decode, encode = msgspec.json.Decoder(Body).decode, msgspec.json.encode
    batches = list(zip(*[iter(bodies)] * width, strict=True))

    def run():
        for batch in batches:
            rows = [row for body in batch for row in decode(body).instances]
            for row in session.run(outputs, {sole: features.preprocess(np.array(rows, np.float32))})[0].tolist():
                encode({"predictions": [row]})

    return run


def microseconds(functions, rounds):
    """Medians of CPU time a request."""
    taken = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            began = process_time()
            function()
            taken[name].append((process_time() - began) / REQUESTS * 1e6)
    return {name: statistics.median(times) for name, times in taken.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--profile", type=int, choices=WIDTHS, help="profile this many waiting requests instead")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        w1.make(folder)
        rows = msgspec.json.decode((folder / "rows.json").read_bytes())
        bodies = [msgspec.json.encode({"instances": [rows[at % len(rows)]]}) for at in range(REQUESTS)]
        (folder / "w1_features.py").write_bytes(Path(features.__file__).read_bytes())
        pipeline = load_pipeline(MANIFEST, folder)
        measured = {width: parts(folder, pipeline, bodies, width) for width in WIDTHS}
        settle(os.environ)
        if arguments.profile:
            profile(measured[arguments.profile]["whole"], arguments.rounds)
            return
        figures = {width: microseconds(functions, arguments.rounds) for width, functions in measured.items()}
    print(f"{'µs of CPU a request':<26}" + "".join(f"{f'{width} waiting':>12}" for width in WIDTHS))
    for name in measured[WIDTHS[0]]:
        print(f"{name:<26}" + "".join(f"{figures[width][name]:>12.2f}" for width in WIDTHS))
    ratios = [figures[width]["whole"] / figures[width]["bare loop"] for width in WIDTHS]
    print(f"{'whole over bare loop':<26}" + "".join(f"{ratio:>11.2f}x" for ratio in ratios))


def profile(function, rounds):
    profiler = cProfile.Profile()
    profiler.enable()
    for _ in range(rounds):
        function()
    profiler.disable()
    pstats.Stats(profiler).sort_stats("tottime").print_stats(45)


if __name__ == "__main__":
    main()
