"""A client of DeepDetect's API 0.1, after the behaviour of its own one (clients/python in its repository, which is in no
package index): JSON with every request, services made with PUT, an exception for every status that is an error.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any


class DeepDetect:
    """Asks the server at ``address`` ("host:port"). Errors are ``urllib.error.HTTPError``."""

    def __init__(self, address: str) -> None:
        self._url = f"http://{address}"

    def info(self) -> Any:
        return self._ask("GET", "/info")

    def put_service(self, name: str, library: str, connector: str) -> Any:
        parameters = {"input": {"connector": connector}, "mllib": {"nclasses": 3}, "output": {}}
        model = {"repository": f"/models/{name}"}
        body = {"mllib": library, "description": name, "type": "supervised", "parameters": parameters, "model": model}
        return self._ask("PUT", f"/services/{name}", body)

    def get_service(self, name: str) -> Any:
        return self._ask("GET", f"/services/{name}")

    def delete_service(self, name: str) -> Any:
        return self._ask("DELETE", f"/services/{name}?clear=mem")

    def post_predict(self, name: str, data: Sequence[Any], **parameters: Mapping[str, Any]) -> Any:
        wanted = {"input": {}, "mllib": {}, "output": {}, **parameters}
        return self._ask("POST", "/predict", {"service": name, "parameters": wanted, "data": list(data)})

    def post_train(self, name: str, data: Sequence[str]) -> Any:
        return self._ask("POST", "/train", {"service": name, "async": True, "parameters": {}, "data": list(data)})

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(self._url + path, method=method)
        if body is not None:
            request.add_header("Content-Type", "application/json")
            request.data = json.dumps(body).encode()
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)
