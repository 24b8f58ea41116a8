"""JSON bodies as people write them: a record, rows, {"instances": rows} or {"inputs": {name: column}}."""

from __future__ import annotations

from math import prod
from typing import Any, Dict, List, Mapping, Optional, Tuple

import numpy as np

from modelbuild_runtime.bodies import base64_text, exact, flat_buffer, json_body
from modelbuild_runtime.bodies.json_body import Body
from modelbuild_runtime.bodies.question import INPUTS, INSTANCES, RECORD, ROWS, Question, is_open, only_input
from modelbuild_runtime.bodies.tensor_data import flatten
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.request import Columns, Rows
from modelbuild_runtime.tensor import DATATYPES, NUMPY, Tensor

ALIASES = ("data", "features", "input")
"""Names that clients of hand-written servers put around their rows."""

_BESIDE = {"instances", "inputs", "parameters", "signature_name", "id"}


class NaturalJson:
    """Reads JSON for one contract, which tells one row from many and knows the datatypes."""

    def __init__(self, contract: Contract) -> None:
        self._names = {spec.name: spec for spec in contract.inputs}
        self._batched = contract.batched
        self._open = is_open(contract)
        self._single = only_input(contract)
        self._exact = exact.reader(contract)
        self._records = contract.row is not None
        self._takes_bytes = (
            self._open or bool(contract.record) or any(spec.datatype == "BYTES" for spec in contract.inputs)
        )
        self._numeric = self._single is not None and NUMPY[self._single.datatype].kind in "iuf"

    def read(self, body: Body) -> Question:
        """Read a body.

        Raises:
            ServerError: it is not JSON, or not in any of these shapes.
        """
        small = len(body) < flat_buffer.LARGE
        question = None if small else self.large(body)
        if question is None and (small or self._records):
            question = self._exact(body)
        return self.question(self.value(body)) if question is None else question

    def value(self, body: Body) -> Any:
        """Any JSON value, with bytes in place of each {"b64": text} where the model may take bytes."""
        value = json_body.read(body)
        return base64_text.with_bytes(value, _decode) if self._takes_bytes and b'"b64"' in body else value

    def lines(self, rows: List[Any]) -> Question:
        """Rows that came one a line."""
        return Question(_rows(rows), ROWS)

    def columns(self, inputs: Any) -> Columns:
        """What stands under "inputs": a list a name, or the only input's own."""
        if isinstance(inputs, list) and inputs and isinstance(inputs[0], dict) and "datatype" in inputs[0]:
            raise InvalidInput("tensors of the Open Inference Protocol go to /v2/models/{name}/infer", field="inputs")
        if not isinstance(inputs, dict):
            if self._single is None:
                raise InvalidInput("'inputs' must be an object of columns by name", field="inputs")
            inputs = {self._single.name: inputs}
        return Columns({name: self._column(name, data) for name, data in inputs.items()})

    def large(self, body: Body) -> Optional[Question]:
        """Many numbers for a model with one input; None leaves the body to the ordinary way."""
        if not self._numeric or len(body) < flat_buffer.LARGE:
            return None
        part, form = self._numbers_in(flat_buffer.document(body))
        found = flat_buffer.only_array(body, part, self._single.datatype) if self._single is not None else None
        if self._single is None or found is None:
            return None
        rank = len(self._single.shape)
        if form in (ROWS, RECORD) and self._batched and found.ndim == rank - 1:
            found, form = found[np.newaxis], RECORD
        if found.ndim != rank or not len(found):
            return None
        return Question(Columns({self._single.name: Tensor(self._single.datatype, found.shape, found)}), form)

    def question(self, value: Any) -> Question:
        """The question that is a value, of JSON that was read already."""
        if not isinstance(value, dict):
            return self._bare(value)
        if "instances" in value and "instances" not in self._names:
            parameters = _parameters(value, "instances") if len(value) > 1 else None
            rows = value["instances"]
            if not isinstance(rows, list):
                raise InvalidInput("'instances' must be a list of rows", field="instances")
            return Question(_rows(rows) if len(rows) > 1 else Rows(rows), INSTANCES, parameters)
        if "inputs" in value and "inputs" not in self._names:
            return Question(self.columns(value["inputs"]), INPUTS, _parameters(value, "inputs"))
        alias = next(iter(value)) if len(value) == 1 and not self._open else ""
        if alias in ALIASES and alias not in self._names:
            return self._bare(value[alias])
        return Question(Rows([value]), RECORD)

    def _bare(self, value: Any) -> Question:
        """A value without a name around it: rows, or one row, which the contract tells apart."""
        if isinstance(value, list) and self._are_rows(value):
            return Question(_rows(value), ROWS)
        if isinstance(value, (list, dict)) or (self._single is not None and value is not None):
            return Question(Rows([value]), RECORD)
        raise InvalidInput("the body must be an object, or a list of rows")

    def _are_rows(self, value: List[Any]) -> bool:
        depth, inner = 1, value[0] if value else None
        while isinstance(inner, list):
            depth, inner = depth + 1, inner[0] if inner else None
        if not value or self._open or isinstance(inner, dict):
            return True
        if self._single is None:
            return depth > 1
        row = self._single.shape[1:]
        return self._batched and (depth > len(row) or (depth == 1 and prod(row) == 1))

    def _column(self, name: str, data: Any) -> Tensor:
        if not isinstance(data, list) and self._batched:
            raise InvalidInput(f"input {name!r} must be a list with one entry a row", field=name)
        shape, flat = flatten(name, data) if isinstance(data, list) else ((), [data])
        if not self._open:
            spec = self._names.get(name)
            return Tensor(spec.datatype if spec else "BYTES", shape, flat)
        return _guessed(shape, flat)

    def _numbers_in(self, document: Any) -> Tuple[Any, str]:
        """The part of a document that may be the only input, and the shape of such a question."""
        single = self._single
        if single is None or not flat_buffer.is_object(document):
            return document, ROWS if self._batched else RECORD
        keys = list(document.keys())
        if keys == [single.name]:
            return document[single.name], RECORD
        if keys == ["instances"] and self._batched:
            return document["instances"], INSTANCES
        if keys == ["inputs"]:
            inner = document["inputs"]
            if flat_buffer.is_object(inner) and list(inner.keys()) == [single.name]:
                return inner[single.name], INPUTS
            if flat_buffer.is_array(inner):
                return inner, INPUTS
        return None, ""


def _rows(rows: List[Any]) -> Rows:
    if len(rows) > 1 and dict in (kinds := set(map(type, rows))) and len(kinds) > 1:
        raise InvalidInput("the rows must be all objects, or all lists or values")
    return Rows(rows)


def _guessed(shape: Tuple[int, ...], flat: List[Any]) -> Tensor:
    """A tensor whose datatype nobody declared."""
    kinds = set(map(type, flat))
    if kinds in ({bool}, {int}, {float}, {int, float}):
        array = np.array(flat)
        if array.dtype in DATATYPES and array.dtype.kind != "O":
            return Tensor(DATATYPES[array.dtype], shape, array.reshape(shape))
    return Tensor("BYTES", shape, flat)


def _parameters(value: Dict[str, Any], name: str) -> Optional[Mapping[str, Any]]:
    if len(value) == 1:
        return None
    for key in value:
        if key not in _BESIDE or (key in ("instances", "inputs") and key != name):
            raise InvalidInput(f"{key!r} cannot stand beside {name!r}", field=key)
    parameters = value.get("parameters")
    if parameters is not None and not isinstance(parameters, dict):
        raise InvalidInput("'parameters' must be an object", field="parameters")
    return parameters


def _decode(text: str) -> bytes:
    return base64_text.decode(text, "what stands under 'b64'", "b64")
