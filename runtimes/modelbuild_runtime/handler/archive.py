"""What an archive (.mar) of Multi-Model-Server or TorchServe says of its model, and its code of itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, Mapping

from modelbuild_runtime.errors import LoadError
from modelbuild_runtime.manifest import Manifest

_GIVES = b"send_intermediate_predict_response"


def archived(manifest: Manifest, folder: Path) -> Dict[str, Any]:
    """The archive's own manifest where the model came as one; else one that says the same."""
    archived = folder / "MAR-INF" / "MANIFEST.json"
    if archived.is_file():
        found: Dict[str, Any] = json.loads(archived.read_bytes())
        return found
    model = {
        "modelName": manifest.model.name,
        "modelVersion": manifest.model.version,
        "handler": manifest.handler.module if manifest.handler else "",
        "serializedFile": Path(manifest.model.path).name,
    }
    return {"runtime": "python", "model": model, "archiverVersion": "0.12.0"}


def configuration(manifest: Mapping[str, Any], folder: Path) -> Dict[str, Any]:
    """The model's own YAML, where its archive names one."""
    name = manifest.get("model", {}).get("configFile")
    if not name or not (folder / name).is_file():
        return {}
    try:
        import yaml  # type: ignore[import-untyped,unused-ignore]
    except ImportError as error:
        raise LoadError(f"reading {name} needs PyYAML", "Add pyyaml to the handler's requirements.") from error
    try:
        found = yaml.safe_load((folder / name).read_text("utf-8"))
    except (yaml.YAMLError, ValueError) as error:
        raise LoadError(f"{name} is not YAML: {error}") from error
    return found if isinstance(found, dict) else {}


def gives_parts(folder: Path) -> bool:
    """Whether any module of the handler has to do with parts of answers."""
    return any(_GIVES in path.read_bytes() for path in folder.rglob("*.py*") if path.is_file())
