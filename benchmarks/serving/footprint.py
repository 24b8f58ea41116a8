"""What the image takes besides processor time: start to the first answer, memory, megabytes."""

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import image
import load
import numpy as np
from load import Question
from processes import memory_mb

INSIDE = Path(__file__).parent / "inside"
_WORKERS = (2, 4)
_ENTRY = ("python3", "-m", "modelbuild_runtime", "serve")


@contextmanager
def _begun(reference: str, *command: str) -> Iterator[tuple[str, int]]:
    """A container that existed, and when its command began, in nanoseconds; the engine's own time is not in it."""
    with image.created(reference, "-ISc", (INSIDE / "clock.py").read_text(), *command) as container:
        image.docker("start", container)
        yield container, int(_lines(container, 1)[0])


def _lines(container: str, count: int) -> list[str]:
    """The first lines that it printed, once they are there."""
    for _ in range(1000):
        lines = [line for line in image.docker("logs", container).splitlines() if line.isdigit()]
        if len(lines) >= count:
            return lines
        time.sleep(0.02)
    raise load.StartError("a container says nothing")


def start(reference: str, question: Question, rows: np.ndarray) -> dict[str, float]:
    """Milliseconds from a command's begin to the server's first answer, and to a bare session of the same model."""
    with _begun(reference, *_ENTRY) as (container, began):
        load.until_answered(image.process(container), question, rows, pause=0.001)
        server = time.time_ns() - began
    session = (INSIDE / "session.py").read_text()
    with _begun(reference, "python3", "-c", session) as (container, began):
        bare = int(_lines(container, 2)[1]) - began
    return {"server_ms": server / 1e6, "session_ms": bare / 1e6}


def memory(reference: str, question: Question, inputs: np.ndarray) -> dict[str, float]:
    """Megabytes of the server, of interpreter, onnxruntime and model alone, and of each further worker.

    After a second of load, for then everything that is lazy is there. What processes share counts once.
    """
    with image.running(reference, "-c", (INSIDE / "session.py").read_text(), "wait") as pid:
        bare = _settled(pid)
    of = {workers: _loaded(reference, question, inputs, workers) for workers in (1, *_WORKERS)}
    few, many = _WORKERS
    return {"server_mb": of[1], "session_mb": bare, "worker_mb": (of[many] - of[few]) / (many - few)}


def _loaded(reference: str, question: Question, inputs: np.ndarray, workers: int) -> float:
    with image.running(reference, MBUILD_WORKERS=str(workers)) as pid:
        load.until_answered(pid, question, inputs[0])
        with load.prepared(question, inputs) as requests:
            load.burst(pid, requests, 32, 1)
        return memory_mb(pid)


def _settled(pid: int) -> float:
    """Once it no longer grows."""
    sizes = [0.0]
    while len(sizes) < 100 and (sizes[-1] < 20 or sizes[-1] - statistics.mean(sizes[-4:]) > 0.1):
        time.sleep(0.1)
        sizes.append(memory_mb(pid))
    return sizes[-1]


def size(reference: str) -> dict[str, float]:
    """Megabytes of the server's packages in the image, without numpy and onnxruntime with what that requires."""
    return image.inside(reference, INSIDE / "size.py", "onnxruntime")
