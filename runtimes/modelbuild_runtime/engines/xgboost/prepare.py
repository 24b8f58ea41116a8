"""Converts an XGBoost model in the old binary format to UBJSON, and checks that it still answers the same.

A script of its own: ``prepare.py SOURCE TARGET``. The last line on stderr says why it failed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import xgboost

ROWS = 64


class ConversionError(Exception):
    """Why the model cannot be converted, for people."""


def main(source: Path, target: Path) -> None:
    """Write the model as UBJSON.

    Raises:
        ConversionError: XGBoost cannot load it, or it answers otherwise afterwards.
    """
    xgboost.set_config(verbosity=0)
    try:
        model = xgboost.Booster(model_file=source)
    except xgboost.core.XGBoostError as error:
        raise ConversionError(f"XGBoost {xgboost.__version__} cannot load it ({reason(error)})") from error
    # The format is told by the ending: the target's name is the source's.
    written = target.with_name(target.name + ".ubj")
    model.save_model(written)
    again = xgboost.Booster(model_file=written)
    rows = xgboost.DMatrix(example(model.num_features()))
    for margin in (True, False):
        before = model.predict(rows, output_margin=margin, validate_features=False)
        after = again.predict(rows, output_margin=margin, validate_features=False)
        if not np.array_equal(before, after, equal_nan=True):
            raise ConversionError("it would answer otherwise afterwards")
    written.replace(target)


def example(features: int) -> np.ndarray:
    """Rows of numbers small and large, some of them missing."""
    generator = np.random.default_rng(0)
    rows = generator.normal(scale=10.0 ** generator.integers(-2, 4, (ROWS, features)))
    rows[generator.random(rows.shape) < 0.1] = np.nan
    return rows.astype(np.float32)


def reason(error: Exception) -> str:
    """The first line without XGBoost's time and source line."""
    return str(error).splitlines()[0].rpartition("]")[2].strip()


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]))
    except ConversionError as error:
        sys.exit(str(error))
