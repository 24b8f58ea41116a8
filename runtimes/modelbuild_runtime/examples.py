"""The examples of POST /predict in the words of other protocols: rows by name, and tensors.

Only what is certain to be answered is made: nothing where a handler takes whatever it is given.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Tuple

import msgspec

from modelbuild_runtime.bodies.natural_json import NaturalJson
from modelbuild_runtime.bodies.question import INPUTS, INSTANCES, RECORD, is_open, only_input
from modelbuild_runtime.bodies.tensor_data import flatten
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.dataplane.arrays import stack
from modelbuild_runtime.dataplane.fields import fields_of
from modelbuild_runtime.dataplane.records import columns_from
from modelbuild_runtime.errors import ServerError
from modelbuild_runtime.protocols import Service

MOST = 10_000
"""Bytes of an example that people are to read."""

Named = Dict[str, Any]


def bodies(service: Service) -> Dict[str, Any]:
    """The bodies of POST /predict, in OpenAPI's words."""
    found = [example for example in service.examples() if len(msgspec.json.encode(example.request)) <= MOST]
    return {
        f"example{at}": {**({"summary": example.name} if example.name else {}), "value": example.request}
        for at, example in enumerate(found, 1)
    }


def one(value: Any, name: str = "example") -> Dict[str, Any]:
    """A media type's ``examples``, of one; none for nothing."""
    return {"examples": {name: {"value": value}}} if value else {}


def row(service: Service) -> Named:
    """The first row of the first example, by name; empty where there is none."""
    contract = service.contract
    if service.takes_raw or is_open(contract):
        return {}
    for example in bodies(service).values():
        found = _row(example["value"], contract)
        if found and _fits(found, contract):
            return found
    return {}


def tensors(service: Service) -> List[Named]:
    """The same row as tensors of the Open Inference Protocol; none where a value cannot be one in JSON."""
    contract, found = service.contract, row(service)
    made = []
    for spec in contract.inputs:
        value = found.get(spec.name)
        if value is None:
            continue
        shape, data = _flat(spec.name, value)
        scalar = not any(isinstance(item, (dict, type(None))) for item in data)
        if not scalar or len(shape) + contract.batched != len(spec.shape):
            return []
        counted = [1, *shape] if contract.batched else [*shape]
        made.append({"name": spec.name, "shape": counted, "datatype": spec.datatype, "data": data})
    return made


def _row(body: Any, contract: Contract) -> Named:
    try:
        form = NaturalJson(contract).read(msgspec.json.encode(body)).form
    except ServerError:
        return {}
    if form == INPUTS:
        columns: Mapping[str, Any] = body["inputs"] if isinstance(body["inputs"], dict) else {}
        if contract.batched and not all(isinstance(column, list) and column for column in columns.values()):
            return {}
        return {name: column[0] if contract.batched else column for name, column in columns.items()}
    rows = [body] if form == RECORD else body["instances"] if form == INSTANCES else body
    return _by_name(rows[0], contract) if isinstance(rows, list) and rows else {}


def _fits(found: Named, contract: Contract) -> bool:
    """Whether the model would take it: an image may have an example that shows what is refused, or a wrong one."""
    fields = fields_of(contract)
    try:
        inputs = columns_from(fields, [found])[0]
        for field in fields.all:
            if field.name in inputs:
                stack(field, [inputs[field.name]], fields.shape(field))
    except (ServerError, ValueError, TypeError, OverflowError):
        return False
    return True


def _by_name(item: Any, contract: Contract) -> Named:
    if isinstance(item, dict):
        return item if item.keys() <= {spec.name for spec in contract.inputs} else {}
    single = only_input(contract)
    if single is not None:
        return {single.name: item}
    return dict(zip([spec.name for spec in contract.inputs], item)) if isinstance(item, list) else {}


def _flat(name: str, value: Any) -> Tuple[Tuple[int, ...], List[Any]]:
    if not isinstance(value, list):
        return (), [value]
    shape, flat = flatten(name, value)
    return tuple(shape), list(flat)
