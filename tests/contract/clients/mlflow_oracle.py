"""Runs in an environment of its own: asks MLflow's own scoring app what the server is asked too, and prints its answers.

usage: mlflow_oracle.py < {"model": [[content type, body], ...], ...}   > {"model": [[status, content type, body], ...]}
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx
import mlflow.pyfunc
import numpy as np
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.pyfunc import scoring_server
from mlflow.types import ColSpec, DataType, Schema, TensorSpec


class Loan(mlflow.pyfunc.PythonModel):
    """The contract tests' model of that name."""

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> np.ndarray:
        frame = pd.DataFrame(model_input)
        works = (frame["job"] != "none").astype(float)
        return (frame["income"] / frame["age"] * works).to_numpy()


class Halves(mlflow.pyfunc.PythonModel):
    """Half of each of four numbers, and their sum."""

    def predict(self, context: Any, model_input: Any, params: Any = None) -> np.ndarray:
        return np.asarray(model_input, np.float32) / 2


class Sums(mlflow.pyfunc.PythonModel):
    """A frame of two columns."""

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        frame = pd.DataFrame(model_input)
        return pd.DataFrame({"sum": frame["a"] + frame["b"], "large": frame["a"] + frame["b"] > 10})


def column(kind: DataType, name: str, *, required: bool = True) -> ColSpec:
    return ColSpec(kind, name, required=required)


LOAN = Schema(
    [
        column(DataType.long, "age"),
        column(DataType.double, "income"),
        column(DataType.string, "job"),
        column(DataType.boolean, "married", required=False),
    ]
)
PAIR = Schema([column(DataType.double, "a"), column(DataType.double, "b")])
FOUR = Schema([TensorSpec(np.dtype(np.float32), (-1, 4))])
SERVED = {"loan": (Loan(), LOAN), "halves": (Halves(), FOUR), "sums": (Sums(), PAIR)}


async def answers(name: str, requests: list[list[str]], folder: Path) -> list[list[Any]]:
    model, schema = SERVED[name]
    path = str(folder / name)
    mlflow.pyfunc.save_model(path, python_model=model, signature=ModelSignature(schema), pip_requirements=[])
    app = scoring_server.init(mlflow.pyfunc.load_model(path))
    found = []
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://mlflow") as client:
        for kind, body in requests:
            answer = await client.post("/invocations", content=body.encode(), headers={"content-type": kind})
            found.append([answer.status_code, answer.headers["content-type"], answer.text])
    return found


def main() -> None:
    asked: dict[str, list[list[str]]] = json.load(sys.stdin)
    with tempfile.TemporaryDirectory() as folder:
        found = {name: asyncio.run(answers(name, requests, Path(folder))) for name, requests in asked.items()}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
