"""The files that Sentence Transformers put around a model: its modules, its pooling, its prompts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modelbuild.artifact import Artifact
from modelbuild.errors import UnsupportedModelError
from modelbuild.formats.hugging_face import json_of, table_of

CONFIG = "config.json"
MODULES = "modules.json"
POOLINGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}


def read_modules(artifact: Artifact) -> dict[str, Any]:
    """What stands around the model, as options of the engine: how tokens become one vector, and what is done to it.

    Raises:
        ArtifactError: a file is missing, or no JSON.
        UnsupportedModelError: there are other modules, or another pooling.
    """
    listed = json_of(artifact, MODULES, required=True)
    modules = [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
    kinds = [str(item.get("type", "")).rpartition(".")[2] for item in modules]
    places = [str(item.get("path", "")) for item in modules]
    unknown = [kind for kind in kinds if kind not in {"Transformer", "Pooling", "Dense", "Normalize"}]
    if unknown or kinds[:2] != ["Transformer", "Pooling"]:
        raise UnsupportedModelError(
            f"{artifact.name} is a sentence transformer of {', '.join(kinds) or 'no modules'}.",
            hint="Served are those of a Transformer and a Pooling, with Dense and Normalize after them.",
        )
    pooling = table_of(artifact, f"{places[1]}/{CONFIG}")
    settings = table_of(artifact, _in(places[0], "sentence_bert_config.json"), required=False)
    whole = table_of(artifact, "config_sentence_transformers.json", required=False)
    prompts = whole.get("prompts")
    prompts = prompts if isinstance(prompts, dict) else {}
    dense = [place for kind, place in zip(kinds, places, strict=True) if kind == "Dense"]
    widths = [table_of(artifact, f"{place}/{CONFIG}").get("out_features") for place in dense]
    found = {
        "task": "embedding",
        "folder": places[0],
        "pooling": _pooling(artifact, pooling),
        "steps": [[kind, place] for kind, place in list(zip(kinds, places, strict=True))[2:]],
        "max_length": settings.get("max_seq_length"),
        "too_long": "cut",
        "lower": settings.get("do_lower_case") is True,
        "prompt": str(prompts.get(whole.get("default_prompt_name"), "")),
        "width": widths[-1] if widths else None,
    }
    return {name: value for name, value in found.items() if value}


def _in(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _pooling(artifact: Artifact, table: Mapping[str, Any]) -> list[str]:
    named = table.get("pooling_mode")  # one name, or several joined, as later releases write it
    names = named.replace("+", " ").split() if isinstance(named, str) else named if isinstance(named, list) else []
    modes = [str(name) for name in names] or [mode for key, mode in POOLINGS.items() if table.get(key) is True]
    unknown = [mode for mode in modes if mode not in POOLINGS.values()]
    if unknown or not modes or table.get("include_prompt") is False:
        what = ", ".join(unknown) or ("without its prompt" if modes else "of no kind")
        raise UnsupportedModelError(f"The pooling of {artifact.name} is {what}, which is not served.")
    return modes
