"""What MLeap's server tells of a model: its bundle and its schemas, in the JSON of their protobuf messages."""

from __future__ import annotations

from typing import Any, Dict, List, Sequence
from uuid import NAMESPACE_URL, uuid5

from modelbuild_runtime.contract import Contract
from modelbuild_runtime.leap_frame import schema
from modelbuild_runtime.leap_frame.frame import BASIC, Kind
from modelbuild_runtime.leap_frame.tensors import kind_of
from modelbuild_runtime.signature import TensorSpec


def model(name: str, version: str) -> Dict[str, Any]:
    """The model as something that was loaded. It was not loaded from anywhere that a client could reach."""
    return {"name": name, "uri": _urn(name, version), "config": {}}


def meta(name: str, version: str, contract: Contract) -> Dict[str, Any]:
    """The bundle with its two schemas."""
    bundle = {
        "uid": str(uuid5(NAMESPACE_URL, _urn(name, version))),
        "name": name,
        "format": "JSON",
        "version": version,
        "timestamp": "",
    }
    batched = contract.batched
    return {
        "bundle": bundle,
        "inputSchema": {"fields": _fields(contract.inputs, batched=batched)},
        "outputSchema": {"fields": _fields(contract.outputs, batched=batched)},
    }


def whole_schema(contract: Contract) -> Dict[str, Any]:
    """The schema of a frame that went through the model, as the older server tells it."""
    found = {spec.name: kind_of(spec, batched=contract.batched) for spec in (*contract.inputs, *contract.outputs)}
    return schema.write(list(found.items()))


def _fields(specs: Sequence[TensorSpec], *, batched: bool) -> List[Dict[str, Any]]:
    return [{"name": spec.name, "dataType": _data_type(kind_of(spec, batched=batched))} for spec in specs]


def _data_type(kind: Kind) -> Dict[str, Any]:
    shape: Dict[str, Any] = {"base": "SCALAR" if kind.shape == BASIC else "TENSOR", "isNullable": kind.nullable}
    if kind.dimensions is not None:
        shape["tensorShape"] = {"dimensions": [{"size": size, "name": ""} for size in kind.dimensions]}
    return {"base": kind.base.upper(), "shape": shape}


def _urn(name: str, version: str) -> str:
    return f"urn:modelbuild:{name}:{version}"
