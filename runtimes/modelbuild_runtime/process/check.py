"""The subcommands that end by themselves: ``check`` and ``info``. Results go to stdout, as JSON."""

from __future__ import annotations

import os
import sys
from typing import Any, Dict

import msgspec

from modelbuild_runtime.grpc import messages
from modelbuild_runtime.process.models.differences import differs
from modelbuild_runtime.process.models.model import Model, load_model, prove
from modelbuild_runtime.process.models.replay import Replayed, Replayer
from modelbuild_runtime.settings import Settings


def check(settings: Settings, threads: int) -> int:
    """Load, warm up, replay the examples and compare; 0 when all is as expected."""
    model = _load(settings, threads)
    if settings.grpc_port:
        messages.prepare()
    prove(model, settings)
    replayer = Replayer(settings, model.router, model.dataplane)
    results = [_judge(replayer.replay(example)) for example in model.manifest.examples]
    good = all(result["ok"] for result in results)
    _print({"ok": good, "model": model.manifest.model.name, "examples": results})
    return 0 if good else 1


def info(settings: Settings, threads: int) -> int:
    """Print what is served."""
    model = _load(settings, threads)
    _print({"manifest": model.manifest, "contract": model.pipeline.contract.told()})
    return 0


def _load(settings: Settings, threads: int) -> Model:
    return load_model(settings, threads, os.environ)


def _judge(done: Replayed) -> Dict[str, Any]:
    body = done.response.body
    result: Dict[str, Any] = {
        "name": done.example.name,
        "ok": done.succeeded,
        "status": done.response.status,
        "milliseconds": round(done.seconds * 1000, 3),
    }
    if not done.succeeded:
        result["error"] = body.decode("utf-8", "replace")
    elif done.example.expected is not None:
        result["difference"] = differs(msgspec.json.decode(body), done.example.expected)
        result["ok"] = not result["difference"]
    return result


def _print(value: Any) -> None:
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(value)) + b"\n")
