"""Requests to predict, in row ("instances") and in column ("inputs") form, to what a contract asks for.

Each request is first tried as what it should be, in a few passes over whole lists. Only where that fails, ``refusals``
walks through it value by value, as TensorFlow Serving does, to say what is wrong and where.
"""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple

import numpy as np

from modelbuild_runtime.bodies import exact, flat_buffer
from modelbuild_runtime.bodies.json_body import Body
from modelbuild_runtime.bodies.natural_json import NaturalJson
from modelbuild_runtime.bodies.question import INPUTS, INSTANCES, Question, is_open, only_input
from modelbuild_runtime.bodies.tensor_data import flatten
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.request import Columns, Rows
from modelbuild_runtime.signature import TensorSpec
from modelbuild_runtime.tensor import NUMPY, Tensor
from modelbuild_runtime.tensorflow_serving import json_text, refusals
from modelbuild_runtime.tensorflow_serving.json_text import shown
from modelbuild_runtime.tensorflow_serving.model_spec import SIGNATURE

NO_SIGNATURE = 'Serving signature name: "{}" not found in signature def'


class PredictReader:
    """Reads bodies for one contract, whose inputs are those of the signature."""

    def __init__(self, contract: Contract) -> None:
        self._specs = contract.inputs
        self._required = {spec.name for spec in contract.inputs if not spec.optional}
        self._names = {spec.name for spec in contract.inputs}
        self._records = bool(contract.record)
        self._open = is_open(contract)
        self._single = only_input(contract)
        self._numeric = self._single is not None and NUMPY[self._single.datatype].kind in "iuf"
        self._takes_bytes = self._open or self._records or any(spec.datatype == "BYTES" for spec in contract.inputs)
        self._natural = NaturalJson(contract)
        self._exact = exact.reader(contract, bare=False)

    def read(self, body: Body) -> Question:
        """Read a body.

        Raises:
            ServerError: it is not JSON, or not what the signature asks for.
        """
        large = self._numeric and len(body) >= flat_buffer.LARGE
        question = self._large(body) if large else self._exact(body)
        if question is not None:
            return question
        document = json_text.read(body)
        json_text.check_signature(document, NO_SIGNATURE)
        if "instances" in document and "inputs" in document:
            wanted = "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist "
            raise InvalidInput(f"JSON Value: {shown(document)} {wanted}", field="inputs")
        for form in (INSTANCES, INPUTS):
            if form in document:
                return self._question(document, form, bytes_in=self._takes_bytes and b'"b64"' in body)
        raise InvalidInput("Missing 'inputs' or 'instances' key")

    def _question(self, document: Dict[str, Any], form: str, *, bytes_in: bool) -> Question:
        if form == INSTANCES:
            _check_list(document)
        value = json_text.with_bytes(document[form]) if bytes_in else document[form]
        if self._open:
            return self._natural.question({form: value})
        if form == INPUTS:
            return Question(Columns(self._columns(value)), INPUTS)
        refusals.check_kinds(value, several=len(self._specs) > 1)
        if isinstance(value[0], dict):
            return Question(self._objects(value), INSTANCES)
        if self._records:
            return Question(Rows([{self._specs[0].name: item} for item in value]), INSTANCES)
        shape, flat = _tensor(self._specs[0], value, refusals.of_rows)
        return Question(Columns({self._specs[0].name: Tensor(self._specs[0].datatype, shape, flat)}), INSTANCES)

    def _objects(self, rows: List[Dict[str, Any]]) -> Any:
        """Rows as objects, each with all names of the signature but for those that may be left out."""
        if not all(self._required <= set(names) <= self._names for names in set(map(tuple, rows))):
            raise refusals.of_names(rows, self._required, self._names)
        if self._records:
            return Rows(rows)
        tensors: Dict[str, Tensor] = {}
        gaps = False
        for spec in self._specs:
            cells = [row[spec.name] for row in rows if spec.name in row]
            if spec.optional:
                cells = [cell for cell in cells if cell is not None]
            if cells:
                shape, flat = _tensor(spec, cells, refusals.of_cells)
                tensors[spec.name] = Tensor(spec.datatype, shape, flat)
            gaps = gaps or 0 < len(cells) < len(rows)
        return Rows(rows) if gaps else Columns(tensors)

    def _columns(self, inputs: Any) -> Dict[str, Tensor]:
        if not isinstance(inputs, dict):
            if self._single is None:
                raise InvalidInput(
                    "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
                    "tensorinfo_map",
                    field="inputs",
                )
            inputs = {self._single.name: inputs}
        tensors = {}
        for spec in self._specs:
            if spec.name in inputs:
                tensors[spec.name] = self._column(spec, inputs[spec.name])
            elif not spec.optional:
                raise InvalidInput(f"Missing named input: {spec.name} in 'inputs' object.", field=spec.name)
        return tensors

    def _column(self, spec: TensorSpec, value: Any) -> Tensor:
        if self._records:  # what a field may be is the record type's business
            shape, flat = flatten(spec.name, value) if isinstance(value, list) else ((), [value])
        elif isinstance(value, list):
            shape, flat = _tensor(spec, value, refusals.of_column)
        else:
            shape, flat = _tensor(spec, [value], refusals.of_value)
            shape = ()
        return Tensor(spec.datatype, shape, flat)

    def _large(self, body: Body) -> Optional[Question]:
        """Many numbers for a model with one input; None leaves the body to the ordinary way."""
        spec = self._single
        document = flat_buffer.document(body)
        if spec is None or not flat_buffer.is_object(document):
            return None
        keys = set(document.keys())
        form = INSTANCES if INSTANCES in keys else INPUTS
        if not keys <= {form, "signature_name"} or form not in keys:
            return None
        if "signature_name" in keys and document["signature_name"] not in ("", SIGNATURE):
            return None
        part = document[form]
        if form == INPUTS and flat_buffer.is_object(part) and list(part.keys()) == [spec.name]:
            part = part[spec.name]
        found = flat_buffer.only_array(body, part, spec.datatype)
        if found is None or not found.size or found.ndim != len(spec.shape):
            return None
        return Question(Columns({spec.name: Tensor(spec.datatype, found.shape, found)}), form)


def _check_list(document: Dict[str, Any]) -> None:
    rows = document["instances"]
    if not isinstance(rows, list):
        raise InvalidInput(
            f"JSON Value: {shown(document)} Expecting 'instances' to be an list/array", field="instances"
        )
    if not rows:
        raise InvalidInput(f"JSON Value: {shown(document)} No values in 'instances' array", field="instances")


def _tensor(spec: TensorSpec, values: List[Any], refuse: Any) -> Tuple[Tuple[int, ...], List[Any]]:
    """The shape and the flat values of nested lists, all of the input's datatype and in its range."""
    try:
        shape, flat = flatten(spec.name, values)
    except InvalidInput:
        refuse(spec, values)
        raise
    dtype = NUMPY[spec.datatype]
    if set(map(type, flat)) <= refusals.LEAVES[dtype.kind] and _in_range(flat, dtype):
        return shape, flat
    refuse(spec, values)
    raise InvalidInput(f"input {spec.name!r} is not of type {spec.datatype}", field=spec.name)


def _in_range(flat: List[Any], dtype: np.dtype) -> bool:
    if dtype.kind not in "iu" or not flat:
        return True
    limits = np.iinfo(dtype)
    return bool(limits.min <= min(flat) and max(flat) <= limits.max)
