"""A real server process with one of the models: ``python served.py MODEL``."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1])]

from modelbuild_runtime import __main__  # noqa: E402
from modelbuild_runtime.process.models import model  # noqa: E402
from page.models import PIPELINES  # noqa: E402

if __name__ == "__main__":
    name = sys.argv[1]
    if name in PIPELINES:
        model.load_pipeline = lambda *_: PIPELINES[name]()
    sys.exit(__main__.main([]))
