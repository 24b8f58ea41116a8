"""What the model and postprocess returned, made into arrays by name or into one JSON-able item a row."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Dict, List, Mapping, Sequence, Union

import msgspec
import numpy as np

from modelbuild_runtime.handler.annotations import is_frame
from modelbuild_runtime.handler.records import is_pydantic
from modelbuild_runtime.handler.shaping import fields_of

Answer = Union[Dict[str, np.ndarray], List[Any]]


def answer(value: Any, names: Sequence[str], count: int, source: str) -> Answer:
    """Whatever a function returned for a batch of ``count`` rows. ``names`` are the model's outputs: a value without
    a name gets theirs.

    Raises:
        ValueError: it is not one entry a row.
    """
    value = fields_of(value)
    if is_frame(type(value)):
        value = {str(name): value[name].to_numpy() for name in value.columns}
    if isinstance(value, Mapping):
        return {str(name): _entries(column, str(name), count, source) for name, column in value.items()}
    if isinstance(value, np.ndarray) or hasattr(value, "__array__"):
        return {_name(names): _entries(value, _name(names), count, source)}
    if isinstance(value, (list, tuple)):
        if len(value) != count:
            raise ValueError(f"{source} returned {len(value)} items for {count} rows")
        return plain(value)
    raise TypeError(
        f"{source} returned {'nothing' if value is None else 'a ' + type(value).__name__}; return a dict of arrays by "
        f"name, an array, a DataFrame, or a list with one item a row"
    )


def arrays(value: Any, names: Sequence[str], count: int, source: str) -> Dict[str, np.ndarray]:
    """The same, as arrays by name whatever was returned."""
    made = answer(value, names, count, source)
    if isinstance(made, dict):
        return made
    if made and all(isinstance(item, dict) for item in made):
        return {name: _entries([item.get(name) for item in made], name, count, source) for name in made[0]}
    return {_name(names): _entries(made, _name(names), count, source)}


def plain(items: Sequence[Any]) -> List[Any]:
    """Items of nothing but JSON's types: records become objects, numpy's values Python's."""
    made: List[Any] = msgspec.to_builtins(items, enc_hook=_plain_value, str_keys=True)
    return made


def by_row(outputs: Mapping[str, np.ndarray]) -> List[Dict[str, Any]]:
    """One dict a row: Python's values for single ones, arrays for the rest."""
    columns = [array.tolist() if array.ndim == 1 else list(array) for array in outputs.values()]
    names = list(outputs)
    return [dict(zip(names, values)) for values in zip(*columns)]


def text(array: np.ndarray) -> np.ndarray:
    """Strings as ``str`` in an object array, however they were held."""
    if array.dtype.kind in "US":
        array = array.astype(object)
    flat = array.ravel().tolist()
    if not any(isinstance(item, bytes) for item in flat):
        return array
    decoded = np.empty(len(flat), object)
    decoded[:] = [item.decode("utf-8", "replace") if isinstance(item, bytes) else item for item in flat]
    return decoded.reshape(array.shape)


def _entries(value: Any, name: str, count: int, source: str) -> np.ndarray:
    """An array with ``count`` entries that a wire can carry. A negative count means that rows are not counted."""
    array = np.asarray(value) if not isinstance(value, list) else _from_list(value)
    if array.dtype.kind in "US":
        array = text(array)
    if array.dtype.kind in "mM":
        array = array.astype(str).astype(object)
    if array.dtype.kind == "c":
        raise TypeError(f"{source} returned {name!r} as complex numbers, which no protocol can carry")
    if count >= 0 and array.shape[:1] != (count,):
        got = f"{array.shape[0]} entries" if array.ndim else "one value"
        raise ValueError(f"{source} returned {name!r} with {got} for {count} rows; return one entry a row")
    return array


def _from_list(values: List[Any]) -> np.ndarray:
    if set(map(type, values)) != {str}:  # text would be as wide as the longest everywhere
        with suppress(ValueError):  # rows of different lengths
            return np.array(values)
    array = np.empty(len(values), object)
    array[:] = values
    return array


def _name(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else "output"


def _plain_value(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if is_pydantic(type(value)):
        return value.model_dump(mode="json")
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"a {type(value).__name__} in the answer is not JSON")
