"""Imputers for graphs of 64-bit floats: onnxruntime runs ONNX's own for 32 bits only."""

from __future__ import annotations

from typing import Any, Dict

import numpy as np
from onnx import TensorProto
from skl2onnx.common.data_types import DoubleTensorType

from modelbuild_runtime.engines.sklearn import estimator


def converters(model: Any, *, wide: bool) -> Dict[str, Any]:
    """Arguments of ``convert_sklearn`` that replace its imputer, where numbers are ``wide`` and all imputers are plain
    ones of numbers.
    """
    from sklearn.impute import SimpleImputer

    # A ColumnTransformer also keeps those that it was given, which were never fitted.
    found = [part for part in estimator.parts(model) if type(part) is SimpleImputer and hasattr(part, "statistics_")]
    if not (wide and found and all(map(_is_plain, found))):
        return {}
    return {
        "custom_conversion_functions": {SimpleImputer: _convert},
        "custom_shape_calculators": {SimpleImputer: _shape},
    }


def _is_plain(imputer: Any) -> bool:
    """Nothing but a number for each missing one."""
    statistics = np.asarray(imputer.statistics_)
    numeric = statistics.dtype.kind == "f" and isinstance(imputer.missing_values, float)
    return (
        numeric
        and not imputer.add_indicator
        and bool(np.isnan(imputer.missing_values) and not np.isnan(statistics).any())
    )


def _shape(operator: Any) -> None:
    width = len(operator.raw_operator.statistics_)
    operator.outputs[0].type = DoubleTensorType([operator.inputs[0].get_first_dimension(), width])


def _convert(scope: Any, operator: Any, container: Any) -> None:
    """Where a number is none, the statistic of its column."""
    statistics = np.asarray(operator.raw_operator.statistics_, np.float64)
    names = [variable.full_name for variable in operator.inputs]
    rows, missing, fill = (scope.get_unique_variable_name(name) for name in ("rows", "missing", "fill"))
    container.add_initializer(fill, TensorProto.DOUBLE, [1, len(statistics)], statistics.tolist())
    container.add_node("Concat", names, rows, name=scope.get_unique_operator_name("Concat"), op_version=13, axis=1)
    container.add_node("IsNaN", [rows], missing, name=scope.get_unique_operator_name("IsNaN"), op_version=13)
    outputs = [variable.full_name for variable in operator.outputs]
    container.add_node(
        "Where", [missing, fill, rows], outputs, name=scope.get_unique_operator_name("Where"), op_version=16
    )
