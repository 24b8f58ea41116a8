"""Weights for a module that the handler builds, and modules that were pickled whole."""

from __future__ import annotations

import inspect
from pathlib import Path
from types import ModuleType
from typing import Any, Dict, List, Optional

from modelbuild_runtime.engines.pytorch.program import Argument, Program
from modelbuild_runtime.errors import LoadError

BUILDER = "build_model"
KEYS = ("state_dict", "model_state_dict", "model", "weights", "module", "net")
"""Where checkpoints of training loops keep the weights of the model."""
PREFIXES = ("module.", "_orig_mod.", "model.")
"""What wrappers put before the names of weights."""


def open_weights(torch: Any, path: Path, handler: Optional[ModuleType], found: Any = None) -> Program:
    """Fill the module that the handler builds with the weights of a file, or with those that were ``found``.

    Raises:
        LoadError: the handler builds none, or one that the weights do not fit.
    """
    build = getattr(handler, BUILDER, None)
    if build is None:
        raise LoadError(
            f"{path.name} holds weights, and not the module that they belong to",
            f"Give a handler with a function {BUILDER}() that returns the module; or save the model as TorchScript.",
        )
    try:
        module = build()
    except Exception as error:
        raise LoadError(f"{BUILDER} of the handler failed: {type(error).__name__}: {error}") from error
    if not isinstance(module, torch.nn.Module):
        raise LoadError(f"{BUILDER} of the handler returned a {type(module).__name__}, not a torch.nn.Module")
    _fill(module, _weights(torch, found or _read(torch, path), path.name), path.name)
    return of_module(module)


def open_pickled(torch: Any, path: Path, handler: Optional[ModuleType]) -> Program:
    """A module that was pickled whole. This runs what its pickle says: the builder was told that it may.

    Raises:
        LoadError: the classes are not there, or it holds something else.
    """
    try:
        found = torch.load(str(path), map_location="cpu", weights_only=False)
    except (AttributeError, ModuleNotFoundError) as error:
        raise LoadError(
            f"{path.name} was pickled with a class that is not here: {error}",
            "Define the class in the handler, or require the package that has it.",
        ) from error
    if isinstance(found, torch.nn.Module):
        return of_module(found)
    if isinstance(found, dict) and getattr(handler, BUILDER, None) is not None:
        return open_weights(torch, path, handler, found)
    raise LoadError(f"{path.name} holds a {type(found).__name__}, not a module", "Save the module itself.")


def of_module(module: Any) -> Program:
    """A module of PyTorch's own, called with what its ``forward`` names."""
    module.eval()
    module.requires_grad_(False)
    arguments: List[Argument] = []
    for item in inspect.signature(module.forward).parameters.values():
        if item.kind in (item.VAR_POSITIONAL, item.VAR_KEYWORD):
            if not arguments:
                arguments.append(Argument("input"))
            break
        if item.default not in (item.empty, None):
            break
        arguments.append(Argument(item.name, optional=item.default is None))
    return Program(module, tuple(arguments), lambda tensors: module(*tensors))


def _read(torch: Any, path: Path) -> Any:
    with path.open("rb") as file:
        is_safetensors = file.read(10)[8:9] == b"{"
    if is_safetensors:
        from safetensors.torch import load_file

        return load_file(str(path))
    return torch.load(str(path), map_location="cpu", weights_only=True)


def _weights(torch: Any, found: Any, where: str) -> Dict[str, Any]:
    """The weights by name, among what a training loop may have kept with them."""
    inner = [found.get(key) for key in KEYS] if isinstance(found, dict) else []
    for candidate in (*inner, found):
        if isinstance(candidate, dict) and _are_tensors(torch, candidate):
            return dict(candidate)
    keys = f" with {', '.join(map(str, list(found)[:5]))}" if isinstance(found, dict) else ""
    raise LoadError(f"{where} holds a {type(found).__name__}{keys}, not weights by name", "Save model.state_dict().")


def _are_tensors(torch: Any, found: Dict[Any, Any]) -> bool:
    """Some modules keep further state beside their tensors."""
    return (
        bool(found)
        and any(isinstance(value, torch.Tensor) for value in found.values())
        and all(isinstance(key, str) and not isinstance(value, dict) for key, value in found.items())
    )


def _fill(module: Any, found: Dict[str, Any], where: str) -> None:
    wanted = set(module.state_dict())
    for prefix in PREFIXES:
        if not wanted & set(found) and all(name.startswith(prefix) for name in found):
            found = {name[len(prefix) :]: value for name, value in found.items()}
    try:
        missing, unexpected = module.load_state_dict(found, strict=False)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()[1:]]
        raise LoadError(f"the weights of {where} do not fit the module of {BUILDER}: {' '.join(lines[:2])}") from error
    tied = {name for name in missing if _shares(module, name, found)}
    differing = [f"it lacks {name}" for name in missing if name not in tied]
    differing += [f"the module has no {name}" for name in unexpected]
    if differing:
        more = f", and {len(differing) - 3} more" if len(differing) > 3 else ""
        raise LoadError(
            f"the weights of {where} do not fit the module of {BUILDER}: {'; '.join(differing[:3])}{more}",
            "Build it with the settings that it was trained with.",
        )


def _shares(module: Any, name: str, found: Dict[str, Any]) -> bool:
    """Whether a weight is the same as one that is there: safetensors writes shared ones once."""
    state = module.state_dict()
    place = state[name].data_ptr()
    return any(other in found and state[other].data_ptr() == place for other in state if other != name)
