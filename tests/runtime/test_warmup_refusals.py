"""The warm-up makes values up: a handler that refuses them is right, and the server starts all the same."""

from typing import Any

import pytest

from modelbuild_runtime.contract import Contract
from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.process.models.warmup import warm_up
from modelbuild_runtime.signature import TensorSpec


class Refuses:
    """A pipeline whose records check themselves."""

    wants = "rows"
    batchable = True
    contract = Contract((TensorSpec("image", "BYTES", (-1,)),), record={"properties": {"image": {"type": "string"}}})

    def convert(self, items: list) -> list:
        raise InvalidInput("image is no picture")

    def rows(self, columns: Any) -> list:
        return self.convert([])

    def run(self, inputs: Any, parameters: Any = None) -> list:
        pytest.fail("nothing was converted")


def test_a_record_that_refuses_is_told_not_raised() -> None:
    told = warm_up(Refuses())

    assert str(told.error) == "image is no picture"
    assert told.seconds == 0.0
