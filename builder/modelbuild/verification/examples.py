"""Examples: requests to ask the image before it is tagged, with the expected answers where they are known.

A file holds the body of POST /predict as JSON, or ``{"request": ..., "expected": ...}``. Without --example, the
usual names beside the model or the handler are taken.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from modelbuild.errors import UsageError
from modelbuild.planning.manifest import Example

REQUESTS = ("request.json", "example.json", "input_example.json")
ANSWERS = ("response.json", "expected.json")


def find_examples(model: Path, handler: Path | None, given: Sequence[Path]) -> tuple[Example, ...]:
    """The given examples; without any, those that lie beside the model or the handler.

    Raises:
        UsageError: a file cannot be read or is no JSON.
    """
    if given:
        return tuple(read_example(path) for path in given)
    for folder in _folders(model, handler):
        for name in REQUESTS:
            if (folder / name).is_file() and folder / name != model:
                return (_with_answer(read_example(folder / name), folder),)
    return ()


def read_example(path: Path) -> Example:
    """Read one file.

    Raises:
        UsageError: it cannot be read or is no JSON.
    """
    value = _read(path)
    if isinstance(value, dict) and "request" in value and set(value) <= {"request", "expected", "name"}:
        return Example(value["request"], value.get("expected"), str(value.get("name") or path.name))
    return Example(_from_mlflow(value), None, path.name)


def _folders(model: Path, handler: Path | None) -> Iterator[Path]:
    """MLflow keeps its example inside the model's folder."""
    if model.is_dir():
        yield model
    yield model.absolute().parent
    if handler is not None:
        yield handler if handler.is_dir() else handler.absolute().parent


def _with_answer(example: Example, folder: Path) -> Example:
    for name in ANSWERS:
        if example.expected is None and (folder / name).is_file():
            return Example(example.request, _read(folder / name), example.name)
    return example


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise UsageError(
            f"The example {path} cannot be read: {error.strerror}.", hint="Check the path given with --example."
        ) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"The example {path} is no JSON: {error}.", hint="It holds the body of POST /predict, as a client sends it."
        ) from error


def _from_mlflow(value: Any) -> Any:
    """A data frame that pandas wrote with orient="split", alone or as MLflow's server takes it, as records; with params
    beside it, as rows or columns with parameters.
    """
    if isinstance(value, Mapping) and set(value) in ({"inputs", "params"}, {"dataframe_split", "params"}):
        inner = _from_mlflow(value["inputs"] if "inputs" in value else value["dataframe_split"])
        return {"instances" if isinstance(inner, list) else "inputs": inner, "parameters": value["params"]}
    frame = value.get("dataframe_split", value) if isinstance(value, Mapping) else value
    if isinstance(frame, Mapping) and {"columns", "data"} <= set(frame) <= {"columns", "data", "index"}:
        return [dict(zip(frame["columns"], row, strict=False)) for row in frame["data"]]
    if isinstance(value, Mapping) and set(value) == {"dataframe_records"}:
        return value["dataframe_records"]
    return value
