"""What a runtime's ``optimise.py`` offers: other forms of its model, each of which may be quicker."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Protocol, Sequence, Tuple

from modelbuild_runtime.engines import Engine
from modelbuild_runtime.signature import TensorSpec


class Candidate(NamedTuple):
    """``name`` is what people read. ``make`` writes the model to a path and returns the options with which the other
    runtime's engine loads it; it may raise anything: then this candidate is none.
    """

    name: str
    make: Callable[[Path], Mapping[str, Any]]


class Candidates(Protocol):
    """``candidates`` of an ``optimise.py``: the best first. ``engine`` is this runtime's, with the model loaded from
    ``path`` with the ``options`` of the manifest.
    """

    def __call__(self, engine: Engine, path: Path, options: Mapping[str, Any]) -> Iterator[Candidate]: ...


class CannotConvert(Exception):  # noqa: N818  # named as ``make`` says it
    """Why a candidate cannot be made, for people."""


def side_by_side(graph_input: str, columns: Sequence[str], datatype: str) -> Dict[str, Any]:
    """A graph's input: the contract's inputs as columns of one array of a datatype, (rows, columns)."""
    return {"name": graph_input, "inputs": list(columns), "datatype": datatype, "stacked": True}


def columns_of_numbers(specs: Sequence[TensorSpec]) -> Tuple[List[str], int]:
    """The inputs' names, and how many columns they are together.

    Raises:
        CannotConvert: one of them takes categories or texts.
    """
    for spec in specs:
        if spec.labels or spec.datatype == "BYTES":
            raise CannotConvert(f"the input {spec.name!r} takes categories or texts")
    return [spec.name for spec in specs], sum(spec.shape[1] if len(spec.shape) > 1 else 1 for spec in specs)


def as_it_is(graph_input: str, name: str, datatype: str) -> Dict[str, Any]:
    """A graph's input: one of the contract's, in its own shape."""
    return {"name": graph_input, "inputs": [name], "datatype": datatype, "stacked": False}


def stand_in(
    feeds: Sequence[Mapping[str, Any]],
    outputs: Sequence[str],
    graph_outputs: Sequence[str],
    refuse: Optional[Mapping[str, List[str]]] = None,
) -> Dict[str, Any]:
    """Options for the engine of ONNX: how the contract's inputs and outputs are the graph's, by their order. ``refuse``
    are kinds of values by input that mean nothing to the model: they are refused, whatever the original makes of them.

    Raises:
        CannotConvert: the graph has fewer outputs than the contract.
    """
    if len(graph_outputs) < len(outputs):
        raise CannotConvert(f"its graph has the outputs {', '.join(graph_outputs)} for {', '.join(outputs)}")
    answers: List[Dict[str, str]] = [{"name": name, "output": output} for name, output in zip(outputs, graph_outputs)]
    return {"stands_for": {"feeds": [dict(feed) for feed in feeds], "answers": answers, "refuse": dict(refuse or {})}}
