"""A classifier on mixed columns, trained on a few made-up rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Sequence

from modelbuild_runtime.engines import Sample

REQUEST = [
    {"age": 41.0, "income": 2600.0, "city": "Lyon"},
    {"age": 23.0, "income": None, "city": "Paris"},
    {"age": 67.0, "income": 1800.0, "city": "Nantes"},
]


def make(folder: Path) -> Sample:
    """Write ``model.joblib``, compressed."""
    import joblib
    import pandas as pd
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    frame = pd.DataFrame(
        {
            "age": [22.0, 35.0, 58.0, 44.0, 61.0, 29.0, 70.0, 33.0],
            "income": [1500.0, 2400.0, 3100.0, None, 2000.0, 1700.0, 1600.0, 2900.0],
            "city": ["Paris", "Lyon", "Lyon", "Paris", "Lyon", "Paris", "Lyon", "Paris"],
        }
    )
    answers = ["no", "no", "yes", "no", "yes", "no", "yes", "yes"]
    columns = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ["age", "income"]),
            ("words", OneHotEncoder(handle_unknown="ignore"), ["city"]),
        ]
    )
    model = make_pipeline(columns, LogisticRegression()).fit(frame, answers)
    path = folder / "model.joblib"
    joblib.dump(model, path, compress=3)
    rows = pd.DataFrame(REQUEST)
    expected = [
        {"label": str(label), "probabilities": probabilities.tolist()}
        for label, probabilities in zip(model.predict(rows), model.predict_proba(rows))
    ]
    return Sample(path, REQUEST, expected)


def answers(path: Path, rows: Sequence[Dict[str, Any]]) -> List[Any]:
    """What scikit-learn itself answers."""
    import joblib
    import pandas as pd

    model = joblib.load(path)
    frame = pd.DataFrame(list(rows), columns=["age", "income", "city"]).astype({"age": float, "income": float})
    both = zip(model.predict(frame).tolist(), model.predict_proba(frame).tolist())
    return [{"label": label, "probabilities": probabilities} for label, probabilities in both]
