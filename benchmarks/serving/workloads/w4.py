"""W4: a pickled random forest of 100 trees, one row a request."""

import json
from pathlib import Path

import numpy as np

TITLE = "a pickled random forest of 100 trees, one row a request"
MODEL = "model.joblib"
HANDLER = None
EXAMPLE = "example.json"
PACKAGE: tuple[str, ...] = ()
CONNECTIONS = (32,)
LOOPS = {"W4": "mbuild", "W4-optimize": "mbuild_optimize"}
FEATURES = 30
ROWS = 64


def make(folder: Path) -> None:
    """Train the forest, and keep some rows with its answers."""
    import joblib
    from sklearn.ensemble import RandomForestClassifier

    source = np.random.default_rng(0)
    x = source.normal(size=(2000, FEATURES)).round(4)
    y = (x[:, 0] + x[:, 1] > 0).astype(int)
    forest = RandomForestClassifier(100, max_depth=8, n_jobs=1, random_state=0).fit(x, y)
    folder.mkdir(parents=True, exist_ok=True)
    joblib.dump(forest, folder / MODEL)
    rows = source.normal(size=(ROWS, FEATURES)).round(4)
    (folder / EXAMPLE).write_text(json.dumps({"instances": rows[:8].tolist()}))
    np.savez(folder / "questions.npz", inputs=rows[:, None], answers=forest.predict_proba(rows)[:, None])


def questions(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and right answers, by request."""
    kept = np.load(folder / "questions.npz")
    return kept["inputs"], kept["answers"]
