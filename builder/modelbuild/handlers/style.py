"""How a handler is written: plain functions, TorchServe's (and MMS's) way, SageMaker's, or nothing but definitions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import NamedTuple

from modelbuild.errors import HandlerError
from modelbuild.handlers.module_source import Function, Module


class Arity(NamedTuple):
    """How many arguments a function is called with, and what they are."""

    least: int
    most: int
    call: str


FUNCTIONS: Mapping[str, Arity] = {
    "preprocess": Arity(1, 1, "preprocess(inputs)"),
    "predict": Arity(2, 2, "predict(model, inputs)"),
    "postprocess": Arity(1, 2, "postprocess(outputs) or postprocess(outputs, inputs)"),
    "explain": Arity(2, 2, "explain(model, inputs)"),
    "load": Arity(0, 1, "load(context)"),
    "build_model": Arity(0, 0, "build_model()"),
}
SAGEMAKER: Mapping[str, Arity] = {
    "model_fn": Arity(1, 2, "model_fn(model_dir)"),
    "input_fn": Arity(1, 3, "input_fn(body, content_type)"),
    "predict_fn": Arity(2, 3, "predict_fn(data, model)"),
    "output_fn": Arity(1, 3, "output_fn(prediction, accept)"),
    "transform_fn": Arity(4, 5, "transform_fn(model, body, content_type, accept)"),
}
HANDLE = Arity(2, 2, "handle(data, context)")
BASES = frozenset(
    {"BaseHandler", "VisionHandler", "TextHandler", "ImageClassifier", "ImageSegmenter", "ObjectDetector"}
)
FOREIGN = frozenset({"torchserve", "sagemaker"})
"""The styles of other servers."""
DEFINITIONS = "definitions"
"""The style of a module that nothing is called of: a pickle's classes and functions are in it."""
SERVED = ("preprocess", "predict", "postprocess", "build_model")
GIVEN_THE_MODEL = frozenset({"predict", "explain", "predict_fn", "transform_fn"})
"""Functions that get the framework's own object."""
MAY_YIELD = frozenset({"predict", "transform_fn", "output_fn"})
"""Functions that may be generators: their answers are sent in parts."""

KINDS = (
    "Define preprocess(inputs), postprocess(outputs) or predict(model, inputs); or, as for TorchServe, "
    "handle(data, context) or a class with that method; or, as for SageMaker, model_fn and friends."
)


def style_of(module: Module, defined: tuple[str, ...] = ()) -> tuple[str, tuple[str, ...]]:
    """The style and the entry points. ``defined`` is what the model's pickle needs of the module: where there is
    nothing else in it, that is what it is for.

    Raises:
        HandlerError: there is none, more than one style, or a function that cannot be called as it would be.
    """
    sagemaker = tuple(name for name in SAGEMAKER if name in module.names)
    torchserve = tuple(_torchserve(module))
    functions = tuple(name for name in FUNCTIONS if name in module.names)
    if sagemaker and torchserve:
        raise HandlerError(
            f"{module.path} has entry points of two kinds: {', '.join(torchserve)} and {', '.join(sagemaker)}.",
            hint="Keep those of one kind.",
        )
    if sagemaker:
        _check(module, sagemaker, SAGEMAKER)
        return "sagemaker", sagemaker
    if len(torchserve) > 1:
        raise HandlerError(
            f"{module.path} has {len(torchserve)} classes that handle requests: {', '.join(torchserve)}.",
            hint="Keep one of them in this module, or define handle(data, context).",
        )
    if torchserve:
        return "torchserve", torchserve
    if defined and not functions:
        return DEFINITIONS, defined
    if not set(functions) & set(SERVED):
        raise HandlerError(f"{module.path} has no entry point{_only_has(module)}.", hint=KINDS)
    _check(module, functions, FUNCTIONS)
    return "functions", functions


def has_entry_point(module: Module) -> bool:
    """Whether any style would find something to call."""
    names = {*SAGEMAKER, *SERVED}
    return bool(names & module.names) or any(_torchserve(module))


def _torchserve(module: Module) -> Iterator[str]:
    """The function, or every class that handles: by itself, or by what it builds upon."""
    handle = module.function("handle")
    if handle is not None and _takes(handle, HANDLE):
        _check_kind(module, handle)
        yield "handle"
        return
    handling = set(BASES)
    for item in module.classes:
        if set(item.bases) & handling or any(method.name == "handle" for method in item.methods):
            handling.add(item.name)
            yield item.name


def _check(module: Module, names: tuple[str, ...], known: Mapping[str, Arity]) -> None:
    for name in names:
        function = module.function(name)
        if function is None:
            continue  # imported or assigned: its signature is not here to see
        _check_kind(module, function)
        if not _takes(function, known[name]):
            count = f"{function.required} argument{'s' if function.required != 1 else ''}"
            raise HandlerError(
                f"{module.path}, line {function.line}: {name} takes {count}.",
                hint=f"It is called as {known[name].call}.",
            )


def _takes(function: Function, arity: Arity) -> bool:
    return function.required <= arity.most and (function.positional >= arity.least or function.variadic)


def _check_kind(module: Module, function: Function) -> None:
    if function.kind == "def" or (function.kind == "generator" and function.name in MAY_YIELD):
        return
    what = "is async" if function.kind == "async" else "is a generator"
    raise HandlerError(
        f"{module.path}, line {function.line}: {function.name} {what}.",
        hint=f"Write it as a plain function: def {function.name}(...), with return.",
    )


def _only_has(module: Module) -> str:
    names = [function.name for function in module.functions] + [item.name for item in module.classes]
    if not names:
        return ""
    listed = ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")
    near = next((close[0] for name in names if (close := get_close_matches(name, (*FUNCTIONS, *SAGEMAKER)))), "")
    return f"; it defines {listed}" + (f" (did you mean {near}?)" if near else "")
