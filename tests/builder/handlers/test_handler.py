"""Entry points: which are found, and what is refused."""

from __future__ import annotations

import pytest

from modelbuild.errors import HandlerError
from modelbuild.handlers.handler import read_handler

PREPROCESS = "def preprocess(inputs):\n    return inputs\n"


STYLES = {
    PREPROCESS: ("functions", ("preprocess",)),
    "def load(context): ...\ndef predict(model, inputs): ...": ("functions", ("predict", "load")),
    "def postprocess(outputs, inputs): ...": ("functions", ("postprocess",)),
    "def preprocess(inputs, *, parameters): ...": ("functions", ("preprocess",)),
    "def preprocess(inputs, parameters): ...": ("functions", ("preprocess",)),
    "def preprocess(*inputs): ...": ("functions", ("preprocess",)),
    "def preprocess(inputs, scale=1): ...": ("functions", ("preprocess",)),
    "from features import preprocess": ("functions", ("preprocess",)),
    "preprocess = lambda inputs: inputs": ("functions", ("preprocess",)),
    "if True:\n    def preprocess(inputs): ...": ("functions", ("preprocess",)),
    "try:\n    import a\nexcept ImportError:\n    def preprocess(inputs): ...": ("functions", ("preprocess",)),
    "def preprocess(x): ...\ndef handle(data, context): ...": ("torchserve", ("handle",)),
    "class A:\n    def handle(self, data, context): ...": ("torchserve", ("A",)),
    "from ts.torch_handler.base_handler import BaseHandler\nclass A(BaseHandler): ...": ("torchserve", ("A",)),
    "def model_fn(model_dir): ...": ("sagemaker", ("model_fn",)),
    "def model_fn(d, context): ...\ndef predict_fn(x, model): ...": ("sagemaker", ("model_fn", "predict_fn")),
    "def transform_fn(model, body, kind, accept): ...": ("sagemaker", ("transform_fn",)),
}


CLIPPED = "class Clipped: ...\ndef unrelated(x): ..."
DEFINITIONS = {
    CLIPPED: ("definitions", ("Clipped",)),
    "from clips import Clipped": ("definitions", ("Clipped",)),
    f"{CLIPPED}\n{PREPROCESS}": ("functions", ("preprocess",)),
}


@pytest.mark.parametrize("text", DEFINITIONS)
@pytest.mark.parametrize("owner", ["__main__", "features"])
def test_what_a_pickle_refers_to_is_a_handler(owner, text, write):
    path = write({"features.py": text, "clips.py": ""})
    handler = read_handler(path, referred=[("sklearn.svm", "SVC"), (owner, "Clipped"), (owner, "Gone.inner")])
    assert (handler.style, handler.entry_points) == DEFINITIONS[text]


@pytest.mark.parametrize("owner, name", [("clips", "Clipped"), ("__main__", "Other"), ("sklearn.svm", "Clipped")])
def test_what_no_pickle_refers_to_is_none(owner, name, write):
    with pytest.raises(HandlerError, match=r"has no entry point; it defines unrelated, Clipped"):
        read_handler(write({"features.py": CLIPPED}), referred=[(owner, name)])


def test_a_load_that_nobody_would_call_is_not_passed_over(write):
    with pytest.raises(HandlerError, match="has no entry point"):
        read_handler(write({"features.py": f"{CLIPPED}\ndef load(context): ..."}), referred=[("__main__", "Clipped")])


def test_the_module_of_a_folder_that_has_what_a_pickle_refers_to(write, tmp_path):
    write({"h/clips.py": CLIPPED, "h/other.py": "x = 1"})
    assert read_handler(tmp_path / "h", referred=[("clips", "Clipped")]).module == "clips"


@pytest.mark.parametrize("text", STYLES)
def test_styles(text, write):
    handler = read_handler(write({"features.py": text}))
    assert (handler.style, handler.entry_points) == STYLES[text]
    assert handler.module == "features"


REFUSED = {
    "": ("has no entry point.", "Define preprocess"),
    "def preproces(x): ...": ("it defines preproces (did you mean preprocess?)", "Define preprocess"),
    "def scale(x): ...\nclass Thing: ...": ("has no entry point; it defines scale, Thing", "Define preprocess"),
    "def load(context): ...": ("has no entry point", "Define"),
    "def handle(x): ...": ("has no entry point", "handle(data, context)"),
    "def preprocess(): ...": ("line 1: preprocess takes 0 arguments", "preprocess(inputs)"),
    "x = 1\n\ndef preprocess(a, b, c): ...": ("line 3: preprocess takes 3 arguments", "preprocess(inputs)"),
    "def predict(inputs): ...": ("line 1: predict takes 1 argument.", "predict(model, inputs)"),
    "def postprocess(a, b, c): ...": ("postprocess takes 3 arguments", "postprocess(outputs)"),
    PREPROCESS + "def load(a, b): ...": ("load takes 2 arguments", "load(context)"),
    "def model_fn(): ...": ("model_fn takes 0 arguments", "model_fn(model_dir)"),
    "def predict_fn(x): ...": ("predict_fn takes 1 argument", "predict_fn(data, model)"),
    "async def preprocess(x): ...": ("line 1: preprocess is async", "plain function"),
    "def preprocess(x):\n    yield x": ("line 1: preprocess is a generator", "plain function"),
    "def postprocess(x):\n    yield x": ("line 1: postprocess is a generator", "plain function"),
    "async def handle(data, context): ...": ("handle is async", "plain function"),
    "def handle(data, context): ...\ndef model_fn(d): ...": (
        "entry points of two kinds: handle and model_fn",
        "one kind",
    ),
    "class A:\n    def handle(self, d, c): ...\nclass B(A): ...": ("2 classes that handle requests: A, B", "Keep one"),
    "def preprocess(x:\n    pass": ("line 1: '(' was never closed", "syntax"),
    "def preprocess(x):\n  a\n b": ("line 3: unindent does not match", "syntax"),
    "print 'hello'": ("line 1: Missing parentheses", "syntax"),
    "x = '\0'": ("null bytes", ""),
    "# -*- coding: no-such-encoding -*-\n": ("no-such-encoding", ""),
    "x = " + "(" * 300: ("too many nested parentheses", ""),
    "x = 1" + "+1" * 50_000: ("nested too deeply", ""),
    "from . import x\n" + PREPROCESS: ("is no package", "__init__.py"),
}


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: text[:30])
def test_refused(text, write):
    message, hint = REFUSED[text]
    with pytest.raises(HandlerError) as caught:
        read_handler(write({"bad.py": text}))
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.exit_code == 14


def test_a_syntax_error_shows_its_line(write):
    with pytest.raises(HandlerError) as caught:
        read_handler(write({"bad.py": "x = 1\ny = = 2\n"}))
    assert caught.value.details == "y = = 2\n    ^"


@pytest.mark.parametrize(
    "name, message, hint",
    [
        ("notebook.ipynb", "is a notebook", "Python file"),
        ("model.onnx", "is no Python file", "a .py file"),
        ("my-features.py", "cannot be imported", "my_features.py"),
        ("2nd.py", "cannot be imported", "2nd.py"),
        ("json.py", "cannot be called json.py", "Rename"),
        ("numpy.py", "cannot be called numpy.py", "Rename"),
    ],
)
def test_files_that_can_be_no_handler(name, message, hint, write):
    with pytest.raises(HandlerError) as caught:
        read_handler(write({name: PREPROCESS}))
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_a_handler_that_is_not_there(tmp_path):
    with pytest.raises(HandlerError, match="There is no handler"):
        read_handler(tmp_path / "gone.py")


def test_nothing_of_it_runs(write, tmp_path):
    mark = tmp_path / "ran"
    read_handler(write({"features.py": f"open({str(mark)!r}, 'w')\n{PREPROCESS}"}))
    assert not mark.exists()
