"""Runs in an environment of its own: asks the server with MLflow's scoring client, and prints what it got as JSON.

usage: mlflow_session.py HOST PORT
"""

from __future__ import annotations

import json
import sys
from typing import Any

import pandas as pd
from mlflow.pyfunc.scoring_server.client import ScoringServerClient

FRAME = pd.DataFrame({"a": [1.5, float("nan")], "b": ["x", "y"]}, index=[7, 9])


def main(host: str, port: str) -> dict[str, Any]:
    client = ScoringServerClient(host, int(port))
    client.wait_server_ready(timeout=5)
    found: dict[str, Any] = {"version": client.get_version()}
    answer = client.invoke(FRAME).get_predictions()
    found["frame"] = answer.astype(object).where(answer.notna(), None).to_dict(orient="list")
    found["records"] = client.invoke([{"a": 1.5, "b": "x"}]).get_predictions().to_dict(orient="list")
    found["params"] = client.invoke(FRAME[:1], params={"any": 1}).get_predictions().to_dict(orient="list")
    try:
        client.invoke(FRAME[["b"]])
    except Exception as error:
        found["error"] = str(error)
    return found


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
