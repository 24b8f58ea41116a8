"""A contract as TensorFlow's SignatureDef, in the JSON of its protobuf message."""

from __future__ import annotations

from typing import Any, Dict

from modelbuild_runtime.contract import Contract
from modelbuild_runtime.signature import TensorSpec
from modelbuild_runtime.tensorflow_serving.data_type import DATA_TYPES
from modelbuild_runtime.tensorflow_serving.model_spec import SIGNATURE

METHOD = "tensorflow/serving/predict"


def signature_defs(contract: Contract) -> Dict[str, Any]:
    """The only signature, by its name. A contract that knows no names has no inputs and outputs here."""
    one = {
        "inputs": {spec.name: _tensor_info(spec) for spec in contract.inputs},
        "outputs": {spec.name: _tensor_info(spec) for spec in contract.outputs},
        "method_name": METHOD,
        "defaults": {},
    }
    return {"signature_def": {SIGNATURE: one}}


def _tensor_info(spec: TensorSpec) -> Dict[str, Any]:
    sizes = [{"size": str(size), "name": ""} for size in spec.shape]
    shape = {"dim": sizes, "unknown_rank": False}
    return {"dtype": DATA_TYPES[spec.datatype].name, "tensor_shape": shape, "name": f"{spec.name}:0"}
