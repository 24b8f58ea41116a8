"""What the scripts that run in MLflow's environment share: folders saved with a signature and an example, and asked."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import mlflow.pyfunc
import numpy as np
import pandas as pd
from mlflow.models import infer_signature
from mlflow.pyfunc import scoring_server


class Folders:
    """Saves models, and remembers what to ask them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bodies: dict[str, list[Any]] = {}

    def save(self, name: str, flavor: Any, model: Any, taken: Any, answered: Any, **more: Any) -> None:
        """Signature and example are those of what it was tried with."""
        example = taken[:3]
        signature = infer_signature(taken, answered)
        arguments = {"path": str(self.folder / name), "signature": signature, "input_example": example, **more}
        call: Callable[..., Any] = flavor.save_model
        if model is None:
            call(**arguments, pip_requirements=[f"mlflow=={mlflow.__version__}"])
        else:
            call(model, **arguments, pip_requirements=requirements())
        if isinstance(example, pd.DataFrame):
            split = json.loads(example.to_json(orient="split", index=False))
            lacking = [[None, *split["data"][0][1:]], *split["data"][1:]]
            self.bodies[name] = [{"dataframe_split": split}, {"dataframe_split": {**split, "data": lacking}}]
        else:
            self.bodies[name] = [{"inputs": example.tolist()}, {"instances": example.tolist()}]

    def tell(self) -> None:
        """Print what MLflow answers to each body of each folder: {"name": [[body, status, answer], ...], ...}."""
        print(json.dumps(asyncio.run(self._answers())))

    async def _answers(self) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {}
        for name, bodies in self.bodies.items():
            app = scoring_server.init(mlflow.pyfunc.load_model(str(self.folder / name)))
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://mlflow") as client:
                answered = [await client.post("/invocations", json=body) for body in bodies]
            pairs = zip(bodies, answered, strict=True)
            found[name] = [[body, answer.status_code, answer.json()] for body, answer in pairs]
        return found


def requirements() -> list[str]:
    """What MLflow would find out by loading each model once more in a process of its own."""
    return [f"mlflow=={mlflow.__version__}", f"pandas=={pd.__version__}", f"numpy=={np.__version__}"]


def run(make: Callable[[Folders], None]) -> None:
    """Save folders into the one that the command line names second, and ask them."""
    folders = Folders(Path(sys.argv[2]))
    make(folders)
    folders.tell()
