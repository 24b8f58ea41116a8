"""Runs in MLflow's environment, with spaCy behind it: saves folders of its flavor, and asks MLflow's scoring app.

usage: mlflow_spacy_folders.py SITE_PACKAGES FOLDER   > {"name": [[body, status, answer], ...], ...}
"""

# ruff: noqa: E402  # the framework has to be found first

from __future__ import annotations

import sys
import warnings
from typing import Any

sys.path.append(sys.argv[1])
warnings.simplefilter("ignore")

import mlflow.spacy
import pandas as pd
import spacy
from mlflow_asking import Folders, run

TEXTS = ["A great film, and a dull book.", "", "dull", "no word of it", "great great great"]


def classifier(factory: str, *labels: str) -> Any:
    """A pipeline that has learnt a little."""
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    small = {"@architectures": "spacy.TextCatBOW.v3", "exclusive_classes": factory == "textcat", "length": 64}
    model = {**small, "ngram_size": 1, "no_output_layer": False}
    pipe = nlp.add_pipe(factory, config={"model": model})
    for label in labels:
        pipe.add_label(label)
    texts = {"a great film": labels[0], "a dull film": labels[1]}
    examples = [
        spacy.training.Example.from_dict(nlp.make_doc(text), {"cats": {each: float(each == label) for each in labels}})
        for text, label in texts.items()
    ]
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(3):
        nlp.update(examples, sgd=optimizer)
    return nlp


def make(folders: Folders) -> None:
    frame = pd.DataFrame({"review": TEXTS})
    for name, factory, labels in (
        ("one-of", "textcat", ("good", "bad", "so so")),
        ("any-of", "textcat_multilabel", ("fun", "dull")),
    ):
        nlp = classifier(factory, *labels)
        answered = pd.DataFrame({"predictions": [nlp(text).cats for text in TEXTS]})
        folders.save(name, mlflow.spacy, nlp, frame, answered)
        split = {"columns": ["review"], "data": [[text] for text in TEXTS]}
        folders.bodies[name] = [{"dataframe_split": split}, {"dataframe_records": [{"review": TEXTS[0]}]}]


if __name__ == "__main__":
    run(make)
