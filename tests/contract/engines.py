"""A runtime's sample behind a dataplane, as a protocol would ask it."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from types import ModuleType
from typing import Any

from environments import is_here, names
from modelbuild_runtime.answers.json_answer import values
from modelbuild_runtime.dataplane.dataplane import Dataplane
from modelbuild_runtime.dataplane.job import Outcome
from modelbuild_runtime.engines import Sample
from modelbuild_runtime.errors import ServerError
from modelbuild_runtime.manifest import Handler, Manifest, Model, Runtime
from modelbuild_runtime.pipeline import load_pipeline
from modelbuild_runtime.process.models.warmup import warm_up
from modelbuild_runtime.request import Columns, Request, Response, Rows

# Those whose framework is here; the others are tested in environments of their own (test_engines_apart.py), one by one.
APART = os.environ.get("MBUILD_TEST_RUNTIME", "")
NAMES = [APART] if APART else [name for name in names() if is_here(name)]


class Job:
    """As much of a job as the dataplane needs."""

    def __init__(self, payload: Rows | Columns) -> None:
        self.id = "test"
        self.payload = payload
        self.request = self.again()
        self.inputs: Any = None
        self.count = 0
        self.key: Any = None
        self.deadline = 0.0
        self.cancelled = False

    def again(self) -> Request:
        """The request anew, as it came."""
        return Request(self.payload)


class Served:
    """One runtime's sample, loaded and warmed up."""

    def __init__(self, name: str, folder: Path) -> None:
        self.module: ModuleType = importlib.import_module(f"modelbuild_runtime.engines.{name}.sample")
        self.sample: Sample = self.module.make(folder)
        path = self.sample.path.relative_to(folder)
        handler = Handler(self.sample.handler.stem, ".") if self.sample.handler else None
        runtime = Runtime(name, options=dict(self.sample.options))
        self.manifest = Manifest(Model("sample", "1", str(path)), runtime, handler=handler)
        self.folder = folder
        self.pipeline = load_pipeline(self.manifest, folder)
        self.signature = self.pipeline.contract
        self.warm = warm_up(self.pipeline)
        if handler:
            self.signature = self.pipeline.contract  # what a handler answers is learnt
        self.dataplane = Dataplane(self.pipeline)
        request, expected = self.sample.request, self.sample.expected
        self.rows = request if isinstance(request, list) else [request]
        self.expected = expected if isinstance(expected, list) else [expected]

    def ask(self, *requests: list[Any] | Columns) -> list[Outcome]:
        """Several requests at once, of rows or of tensors, joined where the pipeline allows."""
        jobs = [Job(Rows(asked) if isinstance(asked, list) else asked) for asked in requests]
        outcomes: dict[int, Outcome] = {}
        waiting: dict[Any, list[int]] = {}
        for place, job in enumerate(jobs):
            try:
                self.dataplane.prepare(job)
            except ServerError as error:
                outcomes[place] = error
            else:
                waiting.setdefault(job.key if self.pipeline.batchable else place, []).append(place)
        for places in waiting.values():
            outcomes.update(zip(places, self.dataplane.run([jobs[place] for place in places]), strict=True))
        return [outcomes[place] for place in range(len(jobs))]


def as_rows(outcome: Outcome) -> list[Any]:
    """An answer as one JSON object a row."""
    assert isinstance(outcome, Response), outcome
    if outcome.rows is not None:
        return outcome.rows
    lists = {name: values(array) for name, array in (outcome.columns or {}).items()}
    return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]
