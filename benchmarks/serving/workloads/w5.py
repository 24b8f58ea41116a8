"""W5: the model of W1, 1000 rows a request."""

from pathlib import Path

import numpy as np
from workloads import w1

TITLE = "the model of W1, 1000 rows a request"
MODEL = w1.MODEL
HANDLER = w1.HANDLER
PACKAGE = w1.PACKAGE
CONNECTIONS = (1,)
LOOPS: dict[str, str] = {}
ROWS = 1000
make = w1.make


def questions(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and right answers: one request of the rows of W1, again and again."""
    inputs, answers = w1.questions(folder)
    again = np.arange(ROWS) % len(inputs)
    return inputs[again, 0][None], answers[again, 0][None]
