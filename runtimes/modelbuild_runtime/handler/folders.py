"""The one folder that other servers give their handlers: the model's files and the handler's together."""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path

logger = logging.getLogger(__name__)

_MEMORY = Path("/dev/shm")  # noqa: S108  # writable even where the root file system is not


def together(model: Path, handler: Path) -> Path:
    """A folder in which the files of both are found under their names.

    The model's own folder where the handler brings nothing but its modules; else a folder of links, wherever one can
    be made. Where none can, the model's folder, with a warning.
    """
    if model == handler or all(_is_code(item) or (model / item.name).exists() for item in handler.iterdir()):
        return model
    for place in (None, str(_MEMORY)):
        try:
            folder = Path(tempfile.mkdtemp(prefix="mbuild-model-", dir=place))
            for source in (handler, model):
                for item in source.iterdir():
                    target = folder / item.name
                    if not target.exists():
                        target.symlink_to(item.resolve())
        except OSError:
            continue
        return folder
    logger.warning("no folder to write to: the handler's data files are in %s, not in model_dir", os.fspath(handler))
    return model


def _is_code(item: Path) -> bool:
    return item.suffix in {".py", ".pyc"} or item.name == "__pycache__"
