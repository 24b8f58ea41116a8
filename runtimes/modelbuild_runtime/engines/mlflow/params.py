"""The params of an MLflow signature: what a request may set beside its rows, told as JSON Schema and checked.

MLflow's own rules: what the signature does not name is left out, what the request does not set has its default, and
whole numbers may stand for others.
"""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional

from modelbuild_runtime.errors import InvalidInput

KINDS: Mapping[str, Any] = {
    "boolean": ({"type": "boolean"}, "true or false"),
    "integer": ({"type": "integer"}, "a whole number"),
    "long": ({"type": "integer"}, "a whole number"),
    "float": ({"type": "number"}, "a number"),
    "double": ({"type": "number"}, "a number"),
    "string": ({"type": "string"}, "text"),
    "datetime": ({"type": "string"}, "a time in ISO 8601"),
}
"""MLflow's types, and what a value of each is. All others are objects."""
_WHOLE = frozenset({"integer", "long"})


class Params:
    """``schema`` is MLflow's, None where the signature has no params."""

    def __init__(self, schema: Any) -> None:
        self._specs = {spec.name: spec for spec in schema or ()}
        self.described: Dict[str, Any] = {name: _described(spec) for name, spec in self._specs.items()}

    def checked(self, given: Optional[Mapping[str, Any]]) -> Dict[str, Any]:
        """Those that the signature names, as its types.

        Raises:
            InvalidInput: one is of another type.
        """
        return {name: self._value(name, value) for name, value in (given or {}).items() if name in self._specs}

    def _value(self, name: str, value: Any) -> Any:
        from mlflow.exceptions import MlflowException

        spec = self._specs[name]
        if spec.shape is None and _kind(spec) in _WHOLE:
            value = _whole(value)
        elif _kind(spec) in _WHOLE and isinstance(value, list):
            value = [_whole(item) for item in value]
        try:
            return spec.validate_param_spec(value, spec)
        except (MlflowException, ValueError, TypeError, OverflowError) as error:
            raise InvalidInput(f"the parameter {name!r} must be {_words(spec)}", field=name) from error


def _kind(spec: Any) -> str:
    return str(getattr(spec.dtype, "name", ""))


def _words(spec: Any) -> str:
    _, words = KINDS.get(_kind(spec), ({}, "an object with the properties of MLflow's signature"))
    return f"a list, each {words}" if spec.shape is not None else str(words)


def _described(spec: Any) -> Dict[str, Any]:
    one, _ = KINDS.get(_kind(spec), ({"type": "object"}, ""))
    many = spec.shape is not None
    default = spec.to_dict()["default"]
    told = {"type": "array", "items": one} if many else {**one, "type": [one["type"], "null"]}
    return told if default is None else {**told, "default": default}


def _whole(value: Any) -> Any:
    """JSON does not tell 1.0 from 1."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
