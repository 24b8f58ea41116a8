"""A real server process around the fake pipeline: ``python served.py COMMAND``.

``FAKE_SECONDS`` is how long a prediction takes, ``FAKE_BUSY`` how long it computes, ``FAKE_LOADING`` how long loading
does, and ``FAKE_BEGUN`` the file that tells of its beginning; ``FAKE_BROKEN`` breaks one.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1])]

from modelbuild_runtime import __main__  # noqa: E402
from modelbuild_runtime.errors import LoadError  # noqa: E402
from modelbuild_runtime.http.message import HttpRequest, HttpResponse  # noqa: E402
from modelbuild_runtime.process.models import model  # noqa: E402
from modelbuild_runtime.protocols import Protocol, Route, Service  # noqa: E402
from runtime.fakes import FakePipeline, fake_error, fake_protocol  # noqa: E402


class Process(FakePipeline):
    """Three rows have a meaning: 13 kills the process, 14 waits for the file that ``FAKE_GATE`` names, -15 never ends."""

    def run(self, inputs: Any, parameters: Any = None) -> Any:
        if (inputs["x"] == 13).any():
            os.kill(os.getpid(), 9)
        while (inputs["x"] == -15).any():
            Path(os.environ["FAKE_GATE"]).touch()
        if (inputs["x"] == 14).any():
            while not Path(os.environ["FAKE_GATE"]).exists():
                time.sleep(0.005)
        until = time.thread_time() + float(os.environ.get("FAKE_BUSY", "0"))
        while time.thread_time() < until:  # with the interpreter's lock
            pass
        return super().run(inputs)


def load_pipeline(*_: Any) -> FakePipeline:
    if "FAKE_BEGUN" in os.environ:
        Path(os.environ["FAKE_BEGUN"]).touch()
    try:
        time.sleep(float(os.environ.get("FAKE_LOADING", "0")))
    except SystemExit:
        if os.environ.get("FAKE_BROKEN") != "deaf":
            raise
    if os.environ.get("FAKE_BROKEN") == "load":
        raise LoadError("the model is broken", "train another")
    if os.environ.get("FAKE_BROKEN") == "exit":
        threading.Thread(target=time.sleep, args=(600,)).start()
    return Process(seconds=float(os.environ.get("FAKE_SECONDS", "0")))


def discover(service: Service) -> list[Any]:
    def ready(_http: HttpRequest) -> HttpResponse:
        return HttpResponse(200 if service.ready() else 503)

    def pid(_http: HttpRequest) -> HttpResponse:
        return HttpResponse(200, str(os.getpid()).encode())

    def live(_http: HttpRequest) -> HttpResponse:
        return HttpResponse(200 if service.live() else 503)

    def metrics(_http: HttpRequest) -> HttpResponse:
        return HttpResponse(200, service.metrics(), "text/plain")

    (predict, _), routes = fake_protocol().routes, (Route("GET", "/pid", pid), Route("GET", "/metrics", metrics))
    health = (Route("GET", "/health/live", live, public=True), Route("GET", "/health/ready", ready, public=True))
    return [
        Protocol("fake", "Fake", (predict, *routes), fake_error),
        Protocol("sagemaker", "Another", (predict._replace(path="/another"),), fake_error),
        Protocol("operations", "Operations", health, fake_error),
        Protocol("manage", "Management", (Route("GET", "/models", pid),), fake_error, "management"),
    ]


model.load_pipeline = load_pipeline  # type: ignore[assignment]
model.discover = discover  # type: ignore[assignment]

if __name__ == "__main__":
    sys.exit(__main__.main(sys.argv[1:]))
