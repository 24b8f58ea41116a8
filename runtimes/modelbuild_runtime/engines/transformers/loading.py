"""A folder opened by Transformers: from this machine alone, weights that execute nothing, code only where allowed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Mapping

from modelbuild_runtime.errors import LoadError

SMALL = 4 << 20
"""Bytes of weights below which one thread is quicker than handing work to others."""
AGAIN = "Copy the whole folder again, or save it with save_pretrained."

# What need not be in a file for the answers to be right: heads that nobody asks.
_IDLE = ("pooler.", "position_ids", "lm_head.", "cls.")


def set_up(path: Path, threads: int, chosen: int = 0) -> None:
    """Once a process: no network, no progress bars, and so many threads as the model is worth, or were ``chosen``."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import torch
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    size = sum(file.stat().st_size for file in path.rglob("*") if file.suffix in {".safetensors", ".bin"})
    torch.set_num_threads(chosen or (max(1, threads) if size >= SMALL else 1))
    try:
        torch.set_num_interop_threads(1)
    except RuntimeError:
        return  # PyTorch runs already: the first model of a process decides


def open_model(path: Path, kind: str, options: Mapping[str, Any]) -> Any:
    """The model of the class ``kind`` (``AutoModel...``), ready to predict, in 32-bit floats.

    Raises:
        LoadError: it cannot be loaded, or the folder lacks some of its weights.
    """
    import torch
    import transformers

    try:
        model, found = getattr(transformers, kind).from_pretrained(
            path, dtype=torch.float32, output_loading_info=True, **_safely(options)
        )
    except Exception as error:
        raise _failure(path, error) from error
    missing = sorted(name for name in found["missing_keys"] if not name.startswith(_IDLE) or "AutoModelFor" in kind)
    if missing:
        raise LoadError(
            f"{path.name} lacks weights of a {type(model).__name__}: {', '.join(missing[:3])}",
            "It was saved from another class, or never trained: save the model that was trained for this.",
        )
    return model.eval()


def open_processor(path: Path, kind: str, options: Mapping[str, Any], **settings: Any) -> Any:
    """The tokenizer or image processor of the folder; a tokenizer may lie in another, which ``tokenizer`` in the
    options says.

    Raises:
        LoadError: it cannot be loaded.
    """
    import transformers

    place = path / options["tokenizer"] if kind == "AutoTokenizer" and "tokenizer" in options else path
    try:
        return getattr(transformers, kind).from_pretrained(place.resolve(), **settings, **_safely(options))
    except Exception as error:
        raise _failure(path, error) from error


def _safely(options: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"local_files_only": True, "trust_remote_code": options.get("trust_remote_code") is True}


def _failure(path: Path, error: Exception) -> LoadError:
    import transformers

    lines = str(error).strip().splitlines() or [type(error).__name__]
    return LoadError(f"Transformers {transformers.__version__} cannot load {path.name}: {lines[0][:300]}", AGAIN)
