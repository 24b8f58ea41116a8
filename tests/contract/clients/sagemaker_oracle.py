"""Runs in an environment of its own: calls SageMaker's inference toolkit with a handler that the server runs too.

usage: sagemaker_oracle.py HANDLER.py < [[content type, accept, body], ...]   > [[status, content type, body], ...]
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any


class Processor:
    """One request's headers, as Multi-Model-Server hands them over."""

    def __init__(self, headers: dict[str, str]) -> None:
        self._headers = headers

    def get_request_properties(self) -> dict[str, str]:
        return self._headers


class Context:
    """As much of Multi-Model-Server's context as the toolkit uses."""

    def __init__(self, folder: str, headers: dict[str, str]) -> None:
        self.system_properties = {"model_dir": folder}
        self.request_processor = [Processor(headers)]
        self.status, self.content_type = 200, ""

    def set_response_content_type(self, _index: int, value: str) -> None:
        self.content_type = value

    def set_response_status(self, code: int, phrase: str) -> None:
        self.status = code


def main(handler: str) -> None:
    path = Path(handler)
    sys.path.insert(0, str(path.parent))
    os.environ["SAGEMAKER_PROGRAM"] = path.name
    from sagemaker_inference.transformer import Transformer

    transformer = Transformer()
    found: list[list[Any]] = []
    for content_type, accept, body in json.load(sys.stdin):
        context = Context(str(path.parent), {"Content-Type": content_type, "Accept": accept})
        (answer,) = transformer.transform([{"body": bytearray(body, "latin-1")}], context)
        text = answer.decode("latin-1") if isinstance(answer, (bytes, bytearray)) else answer
        found.append([context.status, context.content_type, text])
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
