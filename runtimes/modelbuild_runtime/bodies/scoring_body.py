"""Bodies of MLflow's scoring protocol: a data frame, instances or inputs, under one of four names.

After MLflow's ``scoring_server`` and ``proto_json_utils``, which say what pandas and NumPy are to make of them.
"""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional, Tuple, Union

from modelbuild_runtime.bodies import exact, flat_buffer, frames
from modelbuild_runtime.bodies.json_body import Body
from modelbuild_runtime.bodies.natural_json import NaturalJson
from modelbuild_runtime.bodies.question import INPUTS, INSTANCES, RECORD, Question, is_open, only_input
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.request import Columns, Rows

SPLIT, RECORDS = "dataframe_split", "dataframe_records"
KEYS = (SPLIT, RECORDS, INSTANCES, INPUTS)
LLM_KEYS = ("messages", "prompt", "input")
"""Names of bodies that a language model takes as they are, and answers without "predictions" around."""

Payload = Union[Columns, Rows]


class ScoringBody:
    """Reads bodies for one contract. A question's form is INPUTS for columns, INSTANCES for rows, RECORD for a body
    that is taken whole. What else stands at the top of a body says nothing, as in MLflow.
    """

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._open = is_open(contract)
        self._single = only_input(contract)
        self._json = NaturalJson(contract)
        self._exact = exact.reader(contract, bare=False)

    def read(self, body: Body) -> Question:
        """Read a JSON object.

        Raises:
            ServerError: it is none, has not just one of the four names, or under it something else than belongs there.
        """
        if len(body) < flat_buffer.LARGE:
            question = self._exact(body)
            if question is not None:
                return question
        question = self._json.large(body)
        if question is not None:
            return Question(question.payload, INSTANCES if question.form == INSTANCES else INPUTS)
        value = self._json.value(body)
        if self._open and any(key in value for key in LLM_KEYS):
            return Question(Rows([value]), RECORD)
        payload, form = self._payload(value)
        return Question(payload, form, parameters(value))

    def data(self, value: Any, field: str) -> Payload:
        """What Azure ML puts around a model of MLflow: a frame in the orientation "split", or inputs."""
        if isinstance(value, dict) and "data" in value and value.keys() <= {"columns", "index", "data"}:
            return frames.split(value, self._contract, field)
        return self._inputs(value)

    def _payload(self, value: Mapping[str, Any]) -> Tuple[Payload, str]:
        found = [key for key in KEYS if key in value]
        if len(found) != 1:
            raise InvalidInput(
                f"The input must be a JSON dictionary with exactly one of the input fields {', '.join(KEYS)}. "
                f"Received dictionary with input fields: {list(value)[:20]}"
            )
        key, data = found[0], value[found[0]]
        if key == SPLIT:
            return frames.split(data, self._contract, SPLIT), INSTANCES
        if key == RECORDS:
            return frames.records(data, self._contract, RECORDS), INSTANCES
        if key == INPUTS:
            return self._inputs(data), INPUTS
        if not isinstance(data, list):
            raise InvalidInput("'instances' must be a list of rows", field=INSTANCES)
        return Rows(frames.known(data, self._contract)), INSTANCES

    def _inputs(self, data: Any) -> Payload:
        """Columns by name, the only input's tensor, or rows; values that are no lists are those of one row."""
        if isinstance(data, dict):
            complaint = frames.missing(list(data), self._contract)
            if complaint is not None:
                raise complaint
            kept: Dict[str, Any] = frames.known([data], self._contract)[0]
            return self._json.columns(kept) if any(isinstance(one, list) for one in kept.values()) else Rows([kept])
        if not isinstance(data, list):
            return Rows([data])
        if self._open or self._single is None or (data and isinstance(data[0], dict)):
            return Rows(frames.known(data, self._contract))
        return self._json.columns(data)


def parameters(value: Mapping[str, Any]) -> Optional[Mapping[str, Any]]:
    """``params``, or as the containers of Hugging Face on SageMaker call them, ``parameters``."""
    for key in ("params", "parameters"):
        found = value.get(key)
        if found is not None and not isinstance(found, dict):
            raise InvalidInput(f"{key!r} must be an object", field=key)
        if found:
            return found
    return None
