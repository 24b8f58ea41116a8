"""A linear regression with a formula, fitted on a few made-up rows; its answers are its coefficients times the row."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Sequence

from modelbuild_runtime.engines import Sample

REQUEST = [
    {"surface": 41.5, "city": "Lyon"},
    {"surface": 90.0, "city": "Paris"},
    {"surface": 12.0, "city": "Nice"},
]


def make(folder: Path) -> Sample:
    """Write ``model.pickle``."""
    import pandas as pd
    import statsmodels.formula.api as smf

    rows = pd.DataFrame(
        {
            "surface": [20.0, 35.0, 50.0, 65.0, 80.0, 95.0, 110.0, 25.0, 75.0],
            "city": ["Paris", "Lyon", "Nice", "Paris", "Lyon", "Nice", "Paris", "Lyon", "Nice"],
            "price": [210.0, 150.0, 260.0, 640.0, 330.0, 480.0, 1080.0, 110.0, 390.0],
        }
    )
    results = smf.ols("price ~ surface + city", rows).fit()
    path = folder / "model.pickle"
    results.save(str(path))
    found = results.params.to_dict()
    expected = [
        {
            "prediction": found["Intercept"]
            + found["surface"] * float(row["surface"])  # type: ignore[arg-type]
            + found.get(f"city[T.{row['city']}]", 0.0)
        }
        for row in REQUEST
    ]
    return Sample(path, REQUEST, expected)


def answers(path: Path, rows: Sequence[Dict[str, Any]]) -> List[Any]:
    """What statsmodels itself answers."""
    import pandas as pd
    import statsmodels.api as sm

    frame = pd.DataFrame(list(rows)).astype({"surface": float})
    return [{"prediction": price} for price in sm.load(str(path)).predict(frame).tolist()]
