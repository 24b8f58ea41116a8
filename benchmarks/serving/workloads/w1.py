"""W1: a tiny ONNX classifier of 30 features behind a feature step written in numpy; one row a request.

``python workloads/w1.py FOLDER`` writes model.onnx, rows.json and answers.json.
"""

import json
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parents[1]
TITLE = "a tiny ONNX model with a 20 µs feature step, one row a request"
MODEL = "model.onnx"
HANDLER = HERE / "features.py"
PACKAGE: tuple[str, ...] = ()
"""Further words for ``mbuild package``."""
CONNECTIONS = (1, 32)
LOOPS = {"W1": "mbuild"}
"""Of inside/loop.py, and the server whose image they are run in."""
FEATURES = 30
ROWS = 64


def make(folder: Path) -> None:
    """Train the model, and keep some rows with the answers of the model in this process."""
    import onnxruntime
    from skl2onnx import to_onnx
    from sklearn.datasets import load_breast_cancer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    sys.path.append(str(HERE))
    from features import preprocess

    raw, target = load_breast_cancer(return_X_y=True)
    raw = ((raw - raw.mean(axis=0)) / raw.std(axis=0)).astype(np.float32)
    features = preprocess(raw)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(features, target)
    onnx = to_onnx(model, features[:1], options={"zipmap": False}, target_opset=18).SerializeToString()
    session = onnxruntime.InferenceSession(onnx)
    rows = [[round(float(value), 4) for value in row] for row in raw[:ROWS]]
    again = preprocess(np.array(rows, dtype=np.float32))
    answers = session.run(None, {session.get_inputs()[0].name: again})[-1]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MODEL).write_bytes(onnx)
    (folder / "rows.json").write_text(json.dumps(rows))
    (folder / "answers.json").write_text(json.dumps(answers.tolist()))


def questions(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and right answers, by request: requests, rows, values."""
    rows = np.array(json.loads((folder / "rows.json").read_text()), np.float32)
    return rows[:, None], np.array(json.loads((folder / "answers.json").read_text()), np.float32)[:, None]


if __name__ == "__main__":
    make(Path(sys.argv[1]))
