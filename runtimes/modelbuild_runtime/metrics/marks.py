"""When the model itself began and ended: what a pipeline notes in each run, so that the time before and after can be
told from it. Two readings of the clock a run, however many requests are in it.
"""

from __future__ import annotations

from typing import NamedTuple, Tuple


class Marks:
    """Of the run of the moment, or of the last one. Runs are made one after the other."""

    __slots__ = ("began", "ended")

    def __init__(self) -> None:
        self.began = 0.0
        self.ended = 0.0


class Ran(NamedTuple):
    """One run as a request saw it: the moments between its stages, and with how many it was joined."""

    began: float
    model_began: float
    model_ended: float
    ended: float
    requests: int
    rows: int

    @property
    def preprocess(self) -> float:
        """Seconds from the start of the run to the model's."""
        return self.model_began - self.began

    @property
    def predict(self) -> float:
        """Seconds in the model."""
        return self.model_ended - self.model_began

    @property
    def postprocess(self) -> float:
        """Seconds from the model's answer to the end of the run."""
        return self.ended - self.model_ended


def split(marks: Marks, began: float, ended: float) -> Tuple[float, float]:
    """When the model began and ended in a run. What a pipeline does not note is the model's, and what it did not come
    to did not take any time.
    """
    if not marks.began:
        return began, ended
    if marks.began < began:  # it failed before
        return ended, ended
    return marks.began, marks.ended if marks.ended >= marks.began else ended
