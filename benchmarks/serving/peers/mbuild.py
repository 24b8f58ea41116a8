"""The packaged server, as an image, with everything on."""

import contextlib

import image
from forms import instances, v2, v2_binary
from load import Question
from peer import Work

TITLE = "mbuild"
PACKAGES: tuple[str, ...] = ()
QUESTIONS = {
    "W1": (Question("/predict", instances()),),
    "W1-single": (Question("/predict", instances("values")),),
    "W3": (Question("/v2/models/w3/infer", v2_binary("classes", "image")),),
    "W4": (Question("/v2/models/w4/infer", v2("probabilities", "X", "FP64")),),
    "W5": (
        Question("/v2/models/w5/infer", v2("probabilities"), "JSON"),
        Question("/v2/models/w5/infer", v2_binary("probabilities"), "binary"),
    ),
}


def start(work: Work) -> contextlib.AbstractContextManager[int]:
    return image.running(reference(work))


def reference(work: Work) -> str:
    return image.packaged(work.workload, work.folder)
