"""``python -m modelbuild_runtime.optimising MANIFEST FOLDER TARGET TOLERANCE``: writes ``report.json`` into the folder,
and ``model.onnx`` where one is kept. 0 when the trial was held; otherwise the last line of stderr says why not.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import List

import msgspec

from modelbuild_runtime.errors import LoadError
from modelbuild_runtime.manifest import read_manifest
from modelbuild_runtime.process.host.cpus import thread_environment


def main(arguments: List[str]) -> int:
    """Hold the trial that the arguments describe."""
    # Before anything imports a numerical library: threads are what would make measures doubtful.
    for name, value in thread_environment(1).items():
        os.environ.setdefault(name, value)
    from modelbuild_runtime.optimising.trial import hold_trial

    path, folder, target, tolerance = Path(arguments[0]), Path(arguments[1]), arguments[2], float(arguments[3])
    try:
        report = hold_trial(read_manifest(path), path.parent, folder, target=target, tolerance=tolerance)
    except LoadError as error:
        print(f"error: {error.message}" + (f"\nhint: {error.hint}" if error.hint else ""), file=sys.stderr)  # noqa: T201
        return 1
    (folder / "report.json").write_bytes(msgspec.json.encode(report))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
