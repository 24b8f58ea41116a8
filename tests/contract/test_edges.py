"""At the edges of its contract every runtime answers what its framework answers, or says what is wrong.

Missing and infinite values, unseen categories, integers and floats at the ends of their datatypes, odd texts, empty
batches: each is asked of the framework itself, by ``answers`` of the runtime's sample.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from contract.edges import Edge, edges
from contract.engines import NAMES, Served, as_rows
from modelbuild_runtime.dataplane.job import Outcome
from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.process.models.differences import differs
from modelbuild_runtime.request import Columns, Response
from modelbuild_runtime.tensor import NUMPY, Tensor

TOLERANCE = 1e-6


@pytest.fixture(scope="module", params=NAMES)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Served:
    return Served(request.param, tmp_path_factory.mktemp(request.param))


STRICTER = {("statsmodels", "city='nan'"): "patsy takes the word for a missing value"}
"""What is refused for a reason although the framework answers."""


def edges_of(served: Served) -> list[Edge]:
    return list(edges(served.signature, served.rows[0], truths=getattr(served.pipeline, "guessed", False)))


def framework(served: Served, row: dict[str, Any]) -> Any:
    """What the framework answers to a row; the exception, where it refuses it."""
    try:
        (answer,) = served.module.answers(served.sample.path, [row])
    except Exception as error:
        return error
    return answer


def complaint(served: Served, edge: Edge, outcome: Outcome) -> str:
    """What is wrong with an answer; empty where it is right."""
    if isinstance(outcome, InvalidInput) and not edge.carried:
        return "" if outcome.field == edge.field else f"{edge.name}: the error does not name the input: {outcome}"
    if not isinstance(outcome, (Response, InvalidInput)):
        return f"{edge.name}: {type(outcome.__cause__ or outcome).__name__}: {outcome.__cause__ or outcome}"
    if not edge.carried:
        return f"{edge.name}: is answered, and is no value of this contract"
    expected = framework(served, edge.row)
    if isinstance(outcome, InvalidInput):
        meant = isinstance(expected, Exception) or (served.manifest.runtime.name, edge.name) in STRICTER
        return "" if meant else f"{edge.name}: refused ({outcome}), expected {expected}"
    if isinstance(expected, Exception):
        return f"{edge.name}: {as_rows(outcome)}, and the framework: {type(expected).__name__}: {str(expected)[:200]}"
    found = differs(as_rows(outcome), [expected], tolerance=TOLERANCE)
    return f"{edge.name}: {found}" if found else ""


def test_the_framework_answers_what_the_sample_says(served: Served) -> None:
    assert differs(served.module.answers(served.sample.path, served.rows), served.expected) == ""


def test_what_the_framework_answers_or_a_clear_error(served: Served) -> None:
    asked = edges_of(served)
    found = [complaint(served, edge, served.ask([edge.row])[0]) for edge in asked]
    assert [text for text in found if text] == []


def test_a_batch_of_edges_is_its_rows(served: Served) -> None:
    alone = [(edge.row, served.ask([edge.row])[0]) for edge in edges_of(served)]
    answered = [(row, as_rows(outcome)[0]) for row, outcome in alone if isinstance(outcome, Response)]
    assert len(answered) > 1
    # Whether an input was sent is the same for all rows of a request.
    whole = [(row, answer) for row, answer in answered if row.keys() == served.rows[0].keys()]
    (together,) = served.ask([row for row, _ in whole])
    assert differs(as_rows(together), [answer for _, answer in whole], tolerance=TOLERANCE) == ""


def test_a_row_that_is_refused_disturbs_no_other(served: Served) -> None:
    asked = [edge.row for edge in edges_of(served)]
    alone = [served.ask([row])[0] for row in asked]
    assert any(isinstance(outcome, InvalidInput) for outcome in alone)
    for row, first, outcome in zip(asked, alone, served.ask(*[[row] for row in asked]), strict=True):
        if isinstance(first, Response):
            assert differs(as_rows(outcome), as_rows(first), tolerance=TOLERANCE) == "", row
        else:
            assert (type(outcome), str(outcome)) == (type(first), str(first)), row


def test_no_rows_are_no_question(served: Served) -> None:
    nothing = {
        spec.name: Tensor(spec.datatype, (0, *[max(size, 1) for size in spec.shape[1:]]), [])
        for spec in served.signature.inputs
    }
    for outcome in served.ask([], Columns(nothing)):
        assert isinstance(outcome, InvalidInput)
        assert "no row" in outcome.message


def test_tensors_are_what_rows_are(served: Served) -> None:
    """Arrays, as binary protocols make them: text comes as bytes."""
    tensors = {}
    for spec in served.signature.inputs:
        cells = [row[spec.name] for row in served.rows]
        if spec.datatype == "BYTES":
            cells = [[text.encode() for text in cell] if isinstance(cell, list) else cell.encode() for cell in cells]
        wide = np.array([math.nan if cell is None else cell for cell in cells], NUMPY[spec.datatype])
        tensors[spec.name] = Tensor(spec.datatype, wide.shape, wide)
    (outcome,) = served.ask(Columns(tensors))
    assert differs(as_rows(outcome), served.expected) == ""


def test_bytes_that_are_no_text(served: Served) -> None:
    """They are answered or refused, and never the server's fault."""
    texts = [spec for spec in served.signature.inputs if spec.datatype == "BYTES"]
    for spec in texts:
        tensors = {}
        for other in served.signature.inputs:
            array = np.array([served.rows[0][other.name]], NUMPY[other.datatype])
            tensors[other.name] = Tensor(other.datatype, array.shape, array)
        broken = np.full(tensors[spec.name].shape, b"\xff\xfe", object)
        (outcome,) = served.ask(Columns({**tensors, spec.name: Tensor("BYTES", broken.shape, broken)}))
        assert isinstance(outcome, (Response, InvalidInput)), (spec.name, outcome.__cause__)
