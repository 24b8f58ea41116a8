"""The running server against its own document, as schemathesis sees them: whatever is asked, right or wrong, the answer
is one that the document knows, with a body as it says, and never a failure of the server.

The requests are the same in every run. ``--hypothesis-profile=thorough`` asks every kind of model everything.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from contract.kinds import KINDS
from contract.server import serving

HERE = Path(__file__).parent
ON_THE_MODEL = "predict|invocations|score|transform|infer|generate|expla|classify|regress|invoke"
"""Paths whose operations hang on the model: the others are the same for all."""

# JSON Schema cannot say that rows are of one shape, columns of one length, and whole numbers written without a fraction:
# only of a model of one row of floating point numbers does the document say exactly what is accepted.
INEXACT = ("--exclude-checks", "positive_data_acceptance,negative_data_rejection")


class Asked(NamedTuple):
    """``phases`` of schemathesis: examples of the document, every boundary of its schemas, and made-up values."""

    phases: str
    options: tuple[str, ...] = ()


USUAL = {
    "vectors": Asked("examples,coverage,fuzzing"),
    "records": Asked("examples,fuzzing", INEXACT),
    "tensors": Asked("examples,fuzzing", INEXACT),
    "whole": Asked("examples,fuzzing", INEXACT),
    "open": Asked("examples,fuzzing", INEXACT),
    "raw": Asked("coverage,fuzzing", INEXACT),
    "stream": Asked("examples,fuzzing", INEXACT),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_running_server_answers_as_its_document_says(kind, tmp_path, request):
    thorough = request.config.getoption("--hypothesis-profile") == "thorough"
    if not thorough and kind not in USUAL:
        pytest.skip("asked in the thorough profile only")
    asked = USUAL.get(kind, Asked("", INEXACT))
    options = ["--phases", "examples,coverage,fuzzing" if thorough else asked.phases, *asked.options]
    options += ["--max-examples", "50" if thorough else "4", "--generation-deterministic", "--continue-on-failure"]
    if kind != "vectors" and not thorough:
        options += ["--include-path-regex", ON_THE_MODEL]
    with serving(tmp_path, KINDS[kind].inputs, kind, KINDS[kind].handler) as address:
        run = schemathesis(address, tmp_path, *options)
    assert run.returncode == 0, run.stdout
    assert "Traceback" not in (tmp_path / "log").read_text()


def schemathesis(address: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Its command line, with our configuration, and with what it keeps in a folder."""
    program = [str(Path(sys.executable).with_name("schemathesis")), "--config-file", HERE / "schemathesis.toml"]
    return subprocess.run(
        [*program, "run", f"http://{address}/openapi.json", *options],
        env={
            **os.environ,
            "SCHEMATHESIS_HOOKS": str(HERE / "schemathesis_hooks.py"),
            "NO_COLOR": "1",
            "COLUMNS": "120",
        },
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=900,
    )
