from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from modelbuild.artifact import read_artifact
from modelbuild.errors import ArtifactError, MbuildError, UnsupportedModelError
from modelbuild.formats.detect import detect
from modelbuild.runtime import Reading, builtin_runtimes, read, supported_python
from modelbuild.signature import TensorSpec

RUNTIMES = builtin_runtimes()
SPACY = next(runtime for runtime in RUNTIMES if runtime.name == "spacy")
TEXT = TensorSpec("text", "BYTES", (-1,))


def pipeline(folder: Path, *factories: str, config: str = "", disabled: tuple[str, ...] = (), **meta: Any) -> Path:
    """A pipeline's folder without its weights; each component is called as its factory."""
    labels = {name: ["A", "B"] for name in factories if name.startswith("textcat")}
    told = {"lang": "en", "name": "pipeline", "spacy_version": ">=3.8.18,<3.9.0", "labels": labels, **meta}
    text = f'[nlp]\nlang = "en"\npipeline = {json.dumps(factories)}\ndisabled = {json.dumps(disabled)}\n'
    text += "".join(f'\n[components.{name}]\nfactory = "{name}"\n' for name in factories)
    files = {"meta.json": json.dumps(told), "config.cfg": text + config, "tokenizer": "?", "vocab/strings.json": "[]"}
    for name, content in {**files, **{f"{name}/model": "?" for name in factories}}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


def reading(folder: Path, **chosen: str) -> Reading:
    artifact = read_artifact(folder, cache=folder.parent / "cache")
    assert detect(artifact, RUNTIMES).name == "spacy"
    return read(SPACY, artifact, chosen)


SIGNATURES: dict[str, tuple[tuple[str, ...], list[str]]] = {
    "entities": (("tok2vec", "ner"), ["ents"]),
    "a small English one": (
        ("tok2vec", "tagger", "parser", "attribute_ruler", "lemmatizer", "ner"),
        ["ents", "sents", "tokens"],
    ),
    "classes": (("textcat",), ["label", "probabilities"]),
    "classes that exclude nothing": (("textcat_multilabel",), ["probabilities"]),
    "both": (("textcat", "textcat_multilabel"), ["probabilities"]),
    "spans": (("spancat", "sentencizer"), ["spans", "sents"]),
    "nothing": ((), ["tokens"]),
    "something else": (("mine",), ["tokens"]),
}


@pytest.mark.parametrize("kind", SIGNATURES)
def test_outputs_are_what_the_components_give(kind, tmp_path):
    factories, names = SIGNATURES[kind]
    found = reading(pipeline(tmp_path / "m", *factories)).signature
    assert found.inputs == (TEXT,)
    assert [spec.name for spec in found.outputs] == names
    assert all(spec.labels == ("A", "B") for spec in found.outputs if spec.name in {"label", "probabilities"})


def test_what_is_disabled_gives_nothing(tmp_path):
    found = reading(pipeline(tmp_path / "m", "ner", "sentencizer", disabled=("ner",)))
    assert [spec.name for spec in found.signature.outputs] == ["sents"]


def test_what_is_excluded_gives_nothing(tmp_path):
    found = reading(pipeline(tmp_path / "m", "ner", "sentencizer", "parser"), exclude="ner, parser")
    assert [spec.name for spec in found.signature.outputs] == ["sents"]


def test_the_spacy_that_it_is_for(tmp_path):
    found = reading(pipeline(tmp_path / "m", "ner", name="core_web_sm", requirements=["spacy-lookups-data>=1", "?"]))
    assert (found.version, found.name) == ("3.8.18", "en_core_web_sm")
    assert found.requirements == ("spacy<3.9.0,>=3.8.18", "spacy-lookups-data>=1")
    assert found.metadata["spaCy"] == "<3.9.0,>=3.8.18"


def test_an_older_spacy_wants_an_older_numpy_and_python(tmp_path):
    found = reading(pipeline(tmp_path / "m", "ner", spacy_version=">=3.7.2,<3.8.0"))
    assert found.requirements == ("spacy<3.8.0,>=3.7.2", "numpy<2")
    assert "<3.13" in supported_python(SPACY, found.version)


def test_packages_that_bring_components_and_languages(tmp_path):
    found = reading(pipeline(tmp_path / "m", "transformer", lang="vi"))
    assert found.requirements == ("spacy<3.9.0,>=3.8.18", "spacy-transformers", "pyvi")
    assert found.findings == ()
    function = '\n[components.ner.model]\n@architectures = "spacy-experimental.Some.v1"\n'
    found = reading(pipeline(tmp_path / "f", "ner", config=function))
    assert found.requirements[1:] == ("spacy-experimental",)


def test_code_that_is_not_in_the_folder(tmp_path):
    functions = (
        '\n[components.ner.model]\n@architectures = "mine.v1"\n\n[components.ner.model.x]\n@layers = "chain.v1"\n'
    )
    found = reading(pipeline(tmp_path / "m", "ner", "negations", config=functions)).findings
    assert [(finding.severity, finding.what) for finding in found] == [
        ("review", "the component 'negations'"),
        ("review", "the function 'mine.v1'"),
    ]


def test_a_configuration_that_reads_other_files(tmp_path):
    function = '\n[nlp.before_creation]\n@callbacks = "spacy.copy_from_base_model.v1"\ntokenizer = "/etc"\n'
    assert [item.severity for item in reading(pipeline(tmp_path / "m", config=function)).findings] == ["danger"]
    trains = '\n[corpora.train]\n@readers = "spacy.Corpus.v1"\n'
    assert reading(pipeline(tmp_path / "t", config=trains)).findings == ()


def test_a_package_around_it(tmp_path):
    package = tmp_path / "en_mine"
    pipeline(package / "en_mine-1.0.0", "ner")
    for name in ("__init__.py", "meta.json", "rules.py"):
        (package / name).write_text("{}")
    found = reading(package)
    assert found.folder == "en_mine-1.0.0"
    assert [finding.what for finding in found.findings] == ["code of its package (rules.py)"]


def test_what_training_leaves(tmp_path):
    for name in ("model-best", "model-last"):
        pipeline(tmp_path / "m" / name, "ner")
    with pytest.raises(UnsupportedModelError, match="holds 2 spaCy pipelines: model-best, model-last") as caught:
        reading(tmp_path / "m")
    assert caught.value.hint.endswith("model-best")


def test_a_pipeline_of_spacy_2(tmp_path):
    (pipeline(tmp_path / "m", "ner", spacy_version=">=2.3.0,<2.4.0") / "config.cfg").unlink()
    with pytest.raises(UnsupportedModelError, match=r"m is a pipeline of spaCy <2\.4\.0,>=2\.3\.0"):
        reading(tmp_path / "m")


def test_files_that_are_missing(tmp_path):
    folder = pipeline(tmp_path / "m", "ner", "sentencizer")
    for name in ("tokenizer", "ner/model", "sentencizer/model"):
        (folder / name).unlink()
    with pytest.raises(ArtifactError, match=r"m lacks tokenizer, ner/model, which its config\.cfg"):
        reading(folder)


@pytest.mark.parametrize("name", ["meta.json", "config.cfg"])
def test_cut_off_or_changed_ends_well(name, tmp_path):
    """With an answer, or an error for people."""
    folder = pipeline(tmp_path / "m", "ner", "textcat")
    whole = (folder / name).read_bytes()
    for end in range(1, len(whole), 5):
        for data in (whole[:end], whole[:end] + b"\xff" + whole[end:], whole[:end] + b"[]" + whole[end:]):
            (folder / name).write_bytes(data)
            with contextlib.suppress(MbuildError):
                reading(folder)
    (folder / name).write_text("{")
    with pytest.raises(ArtifactError, match=f"{name} in m is no"):
        reading(folder)
