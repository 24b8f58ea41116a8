"""The packaged server with what ``--optimize`` makes of the model."""

import contextlib

import image
from forms import v2
from load import Question
from peer import Work
from workloads import w4

TITLE = "mbuild --optimize"
PACKAGES: tuple[str, ...] = ()
QUESTIONS = {"W4": (Question("/v2/models/w4-optimize/infer", v2("probabilities", "X", "FP64")),)}


def start(work: Work) -> contextlib.AbstractContextManager[int]:
    return image.running(reference(work))


def reference(work: Work) -> str:
    """The image; the trial compares the forest's answers to the examples, and fails where it keeps nothing."""
    example = str(work.folder / w4.EXAMPLE)
    return image.packaged(work.workload, work.folder, "-optimize", ("--optimize", "--example", example))
