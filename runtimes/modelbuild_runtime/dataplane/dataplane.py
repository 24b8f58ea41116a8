"""From requests to responses: checks each against the contract, joins them, runs the model once, and gives each its own
rows of the answer. Knows no protocol, no HTTP and no framework.
"""

from __future__ import annotations

import logging
from time import monotonic
from typing import Any, Dict, List, Mapping, Optional, Sequence

import numpy as np

from modelbuild_runtime.dataplane.arrays import stack
from modelbuild_runtime.dataplane.complaints import no_rows, quoted
from modelbuild_runtime.dataplane.fields import fields_of
from modelbuild_runtime.dataplane.job import ALONE, Job, Outcome
from modelbuild_runtime.dataplane.open_inputs import join_open, open_columns, open_tensors
from modelbuild_runtime.dataplane.parts import Step, started
from modelbuild_runtime.dataplane.pipeline import Outputs, Pipeline
from modelbuild_runtime.dataplane.prepared import Prepared
from modelbuild_runtime.dataplane.records import columns_from
from modelbuild_runtime.dataplane.shares import FEW, Share, Whole
from modelbuild_runtime.dataplane.tensors import check_tensors
from modelbuild_runtime.errors import (
    DeadlineExceeded,
    InvalidInput,
    PredictionFailed,
    ServerError,
    Unsupported,
    UnsupportedMediaType,
)
from modelbuild_runtime.log import about
from modelbuild_runtime.request import Columns, Packed, Parts, Raw, RawAnswer, RawItem, Request, Response, Rows

logger = logging.getLogger(__name__)


class Dataplane:
    """Drives one pipeline. ``run`` is called by one thread at a time, not always by the same."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.contract = contract = pipeline.contract
        self._pipeline = pipeline
        self._key_of_rows = getattr(pipeline, "key", None)
        self._joins = pipeline.batchable
        self._streams = getattr(pipeline, "streams", False)
        self._explains = getattr(pipeline, "explains", False)
        self._batched = contract.batched
        self._open = contract.open or not contract.inputs
        self._fields = fields_of(contract, guessed=getattr(pipeline, "guessed", False))
        self._shapes = [(field.name, field, self._fields.shape(field)) for field in self._fields.all]
        self._sole = self._fields.all[0].name if self._fields.simple and len(self._fields.all) == 1 else ""
        self._outputs = tuple(spec.name for spec in contract.outputs)
        self._prepare = {"columns": self._as_columns, "rows": self._as_rows, "raw": _as_raw}[pipeline.wants]
        self._join = {"columns": self._join_columns, "rows": _join_items, "raw": _join_items}[pipeline.wants]

    def prepare(self, job: Job) -> None:
        """Check the job's request; put its inputs, its number of rows and its key into the job.

        Raises:
            ServerError: the request does not fit the contract.
        """
        request = job.request
        if request.outputs and self._outputs:
            _check_outputs(request.outputs, self._outputs)
        job.inputs, job.count, key = self._prepare(request)
        if request.stream or request.explain:
            self._check_kind(job)
            key = ("explain", key)
        if not self._joins or (request.stream and self._streams):
            job.key = ALONE
        elif request.parameters:
            job.key = (key, repr(request.parameters))  # 1, 1.0 and true are equal, and not the same to a handler
        else:
            job.key = key

    def run(self, jobs: Sequence[Job]) -> List[Outcome]:
        """One outcome a job, in order. A job that makes the run fail fails alone: the others are run without it."""
        try:
            if jobs[0].key is ALONE and (jobs[0].request.stream or isinstance(jobs[0].inputs, Step)):
                return [self._part(jobs[0])]
            return self._run(jobs)
        except ServerError as error:
            return [error] if len(jobs) == 1 else self._run_valid(jobs)
        except BaseException as error:  # noqa: BLE001  # a handler or a model may raise anything
            if len(jobs) == 1:
                return [_failure(jobs[0], error)]
        return [self._run_alone(job) for job in jobs]

    def _run_alone(self, job: Job) -> Outcome:
        """One job of a run that failed, decoded anew: the handler may have changed what it was given."""
        if job.cancelled or 0 < job.deadline < monotonic():
            return DeadlineExceeded("the deadline passed before the prediction was made")
        try:
            job.request = job.again()
            self.prepare(job)
        except ServerError as error:
            return error
        return self.run([job])[0]

    def _run(self, jobs: Sequence[Job]) -> List[Outcome]:
        request = jobs[0].request
        run = self._pipeline.explain if request.explain else self._pipeline.run  # type: ignore[attr-defined]
        return self._split(jobs, run(self._join(jobs), request.parameters))

    def _split(self, jobs: Sequence[Job], outputs: Outputs) -> List[Outcome]:
        return self._split_columns(jobs, outputs) if isinstance(outputs, dict) else _split_items(jobs, outputs)

    def _part(self, job: Job) -> Outcome:
        """The beginning of an answer in parts, or one more of them."""
        if isinstance(job.inputs, Step):
            return Response(1, raw=job.inputs.make())
        if not self._streams:
            return self._run([job])[0]
        found = self._pipeline.stream(self._join([job]), job.request.parameters)  # type: ignore[attr-defined]
        if isinstance(found, Parts):
            return started(found, lambda error: _failure(job, error))
        return self._split([job], found)[0]

    def _check_kind(self, job: Job) -> None:
        """What not every handler does, and not for any number of rows."""
        if job.request.explain and not self._explains:
            raise Unsupported("this model's handler does not explain its predictions")
        if job.request.stream and self._streams and job.count != 1:
            raise InvalidInput(f"an answer in parts is the answer to one row, and this request has {job.count}")

    def _run_valid(self, jobs: Sequence[Job]) -> List[Outcome]:
        """Values are checked when they are joined: leave out the jobs whose are wrong, and join the rest again."""
        complaints = [self._complaint(job) for job in jobs]
        valid = [job for job, complaint in zip(jobs, complaints) if complaint is None]
        if len(valid) == len(jobs):  # the complaint is the model's own
            return [self._run_alone(job) for job in jobs]
        outcomes = iter(self.run(valid) if valid else ())
        return [complaint or next(outcomes) for complaint in complaints]

    def _complaint(self, job: Job) -> Optional[ServerError]:
        try:
            self._join([job])
        except ServerError as error:
            return error
        return None

    def _as_columns(self, request: Request) -> Prepared:
        payload = request.payload
        if isinstance(payload, Packed):
            return ({self._sole: payload.data}, payload.count, None)
        if isinstance(payload, Rows):
            return open_columns(payload.items) if self._open else columns_from(self._fields, payload.items)
        if isinstance(payload, Columns):
            if self._open:
                return open_tensors(payload.tensors, batched=self.contract.batched)
            return check_tensors(self._fields, payload.tensors)
        raise UnsupportedMediaType("this model takes JSON, CSV or tensors, not a body of this content type")

    def _as_rows(self, request: Request) -> Prepared:
        payload = request.payload
        if isinstance(payload, Rows):
            if not payload.items:
                raise no_rows()
            records = self._converted(payload.items)
        else:
            prepared = self._as_columns(request)
            records = self._pipeline.rows(self._arrays([prepared[0]]))
        return (records, len(records), None if self._key_of_rows is None else self._key_of_rows(records))

    def _converted(self, items: List[Any]) -> List[Any]:
        try:
            return self._pipeline.convert(items)
        except Exception:
            raise
        except BaseException as error:  # a record type's own check may raise anything, and must not end the loop
            raise RuntimeError(f"a row cannot be converted: {type(error).__name__}") from error

    def _join_columns(self, jobs: Sequence[Job]) -> Dict[str, np.ndarray]:
        return self._arrays([job.inputs for job in jobs])

    def _arrays(self, inputs: Sequence[Dict[str, Any]]) -> Dict[str, np.ndarray]:
        """One array a name, of the rows of all ``inputs``, which have the same names."""
        if self._open:
            return join_open(inputs)
        first = inputs[0]
        return {
            name: stack(field, [part[name] for part in inputs], shape)
            for name, field, shape in self._shapes
            if name in first
        }

    def _split_columns(self, jobs: Sequence[Job], outputs: Dict[str, np.ndarray]) -> List[Outcome]:
        if self._batched:
            rows = 0
            for job in jobs:
                rows += job.count
            for name, array in outputs.items():
                if len(array) != rows:
                    raise RuntimeError(f"output {name!r} has {len(array)} rows for {rows} rows of input")
        if len(jobs) == 1:
            asked = jobs[0].request.outputs
            return [Response(jobs[0].count, _asked(jobs[0].request, outputs) if asked else outputs)]
        few = sum([array.size for array in outputs.values()]) <= FEW
        whole = Whole(outputs)
        items = list(outputs.items())
        outcomes: List[Outcome] = []
        start = 0
        for job in jobs:
            count = job.count
            end = start + count
            columns: Any = Share(whole, start, end) if few else {name: array[start:end] for name, array in items}
            start = end
            outcomes.append(Response(count, _asked(job.request, columns) if job.request.outputs else columns))
        return outcomes


def _as_raw(request: Request) -> Prepared:
    payload = request.payload
    if not isinstance(payload, Raw):
        raise UnsupportedMediaType("this model's handler reads bodies by itself; send them to POST /predict")
    item = RawItem(payload.fields, payload.content_type, accept=request.accept, headers=request.headers, id=request.id)
    item.types = payload.types
    item.explain = request.explain
    return ([item], 1, None)


def _join_items(jobs: Sequence[Job]) -> List[Any]:
    if len(jobs) == 1:
        return jobs[0].inputs  # type: ignore[no-any-return]
    return [item for job in jobs for item in job.inputs]


def _split_items(jobs: Sequence[Job], items: List[Any]) -> List[Outcome]:
    rows = sum([job.count for job in jobs])
    if len(items) != rows:
        raise RuntimeError(f"the handler answered {len(items)} items for {rows} rows")
    outcomes: List[Outcome] = []
    start = 0
    for job in jobs:
        end = start + job.count
        outcomes.append(_item_response(items[start:end]))
        start = end
    return outcomes


def _item_response(items: List[Any]) -> Response:
    first = items[0]
    if not isinstance(first, RawAnswer):
        return Response(len(items), rows=items)
    return Response(1, raw=first.body, content_type=first.content_type, status=first.status, headers=first.headers)


def _check_outputs(asked: Sequence[str], known: Sequence[str]) -> None:
    for name in asked:
        if name not in known:
            raise InvalidInput(f"output {name!r} is unknown; this model gives {quoted(known)}", field=name)


def _asked(request: Request, columns: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
    _check_outputs(request.outputs, tuple(columns))
    return {name: columns[name] for name in request.outputs}


def _failure(job: Job, error: BaseException) -> PredictionFailed:
    logger.error("prediction failed: %s", type(error).__name__, exc_info=error, extra=about(job))
    failure = PredictionFailed(f"the model or its handler failed; the server's log says why, under request id {job.id}")
    failure.__cause__ = error
    return failure
