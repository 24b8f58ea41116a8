"""The one folder that other servers give their handlers: the model's files and the handler's together."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Optional

logger = logging.getLogger(__name__)

_MEMORY = Path("/dev/shm")  # noqa: S108  # writable even where the root file system is not


def together(model: Path, handler: Path) -> Path:
    """A folder in which the files of both are found under their names.

    The model's own folder where the handler brings nothing but its modules; else a folder of links, wherever one can
    be made. Where none can, the model's folder, with a warning.
    """
    if model == handler or all(_is_code(item) or (model / item.name).exists() for item in handler.iterdir()):
        return model
    folder = new_folder()
    if folder is not None:
        for source in (handler, model):
            for item in source.iterdir():
                target = folder / item.name
                if not target.exists():
                    target.symlink_to(item.resolve())
        return folder
    logger.warning("no folder to write to: the handler's data files are in %s, not in model_dir", os.fspath(handler))
    return model


def new_folder() -> Optional[Path]:
    """An empty folder to write into, in memory where there is no other; None where there is none at all."""
    import tempfile

    for place in (None, str(_MEMORY)):
        with suppress(OSError):
            return Path(tempfile.mkdtemp(prefix="mbuild-model-", dir=place))
    return None


def _is_code(item: Path) -> bool:
    return item.suffix in {".py", ".pyc"} or item.name == "__pycache__"
