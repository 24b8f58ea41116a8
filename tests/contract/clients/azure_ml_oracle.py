"""Runs in an environment of its own: asks Azure Machine Learning's scoring server what the server is asked too.

usage: azure_ml_oracle.py < [[method, target, {header: value}, body], ...]   > [[status, {header: value}, body], ...]
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

SCRIPT = """
from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType
from inference_schema.schema_decorators import input_schema

def init():
    pass

@input_schema("data", StandardPythonParameterType([[1.0]]))
def run(data):
    return [[value / 2 for value in row] for row in data]
"""


def main() -> None:
    asked: list[tuple[str, str, dict[str, str], str]] = json.load(sys.stdin)
    found: list[list[Any]] = []
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        (Path(folder) / "main.py").write_text(SCRIPT)
        os.environ.update(AML_APP_ROOT=folder, HTTP_X_MS_SERVER_VERSION="azmlinfsrv/1.5.1")
        from azureml_inference_server_http.server.create_app import create

        client = create().test_client()
        for method, target, headers, body in asked:
            answer = client.open(target, method=method, headers=headers, data=body)
            found.append([answer.status_code, dict(answer.headers), answer.get_data(as_text=True)])
    sys.__stdout__.write(json.dumps(found))  # ``print`` is the log by now


if __name__ == "__main__":
    main()
