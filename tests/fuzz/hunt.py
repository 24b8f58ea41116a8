"""Looks for bytes that a target cannot bear, guided by what they reach: ``python tests/fuzz/hunt.py TARGET [SECONDS]``.

It begins with the seeds and what earlier runs kept in ``build/fuzz``, and ends at the first finding, which belongs into
``found/TARGET`` once it is mended.
"""

from __future__ import annotations

import logging
import sys
from hashlib import sha256
from pathlib import Path

import atheris

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent)]
KEPT = Path("build", "fuzz").absolute()
LONGEST_RUN = 10
"""Seconds from which one input counts as a hang."""
MOST_MEMORY = 2048
LONGEST = 4096

with atheris.instrument_imports(include=["modelbuild_runtime"]):
    from fuzz import seeds, targets


def main() -> None:
    """Hunt."""
    logging.disable()
    target, seconds = sys.argv[1], int((*sys.argv[2:], "60")[0])
    folder = KEPT / target
    folder.mkdir(parents=True, exist_ok=True)
    for seed in (*seeds.seeds(target), *(path.read_bytes() for path in targets.found(target))):
        if len(seed) <= LONGEST:
            (folder / sha256(seed).hexdigest()[:20]).write_bytes(seed)
    options = [
        f"-max_total_time={seconds}",
        f"-timeout={LONGEST_RUN}",
        f"-rss_limit_mb={MOST_MEMORY}",
        f"-max_len={LONGEST}",
        f"-artifact_prefix={KEPT}/{target}-",
        "-print_final_stats=1",
        *sys.argv[3:],
        str(folder),
    ]
    atheris.Setup([sys.argv[0], *options], targets.TARGETS[target])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
