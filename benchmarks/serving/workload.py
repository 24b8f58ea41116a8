"""The workload W1: a tiny ONNX classifier of 30 features behind a feature step written in numpy.

``python workload.py FOLDER`` writes model.onnx, requests.json (bodies for POST /predict) and answers.json.
"""

import json
import sys
from pathlib import Path

import numpy as np

FEATURES = 30
ROWS = 64


def make(folder: Path) -> None:
    """Train the model, and keep some rows with the answers of the model in this process."""
    import onnxruntime
    from features import preprocess
    from skl2onnx import to_onnx
    from sklearn.datasets import load_breast_cancer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    raw, target = load_breast_cancer(return_X_y=True)
    raw = ((raw - raw.mean(axis=0)) / raw.std(axis=0)).astype(np.float32)
    features = preprocess(raw)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(features, target)
    onnx = to_onnx(model, features[:1], options={"zipmap": False}, target_opset=18)
    onnx.graph.input[0].name  # noqa: B018  # fails here, not in a peer, if the converter changes
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(onnx.SerializeToString())
    session = onnxruntime.InferenceSession(onnx.SerializeToString())
    name = session.get_inputs()[0].name
    answers = session.run(None, {name: features[:ROWS]})[-1]
    rows = [[round(float(value), 4) for value in row] for row in raw[:ROWS]]
    again = preprocess(np.array(rows, dtype=np.float32))
    answers = session.run(None, {name: again})[-1]
    (folder / "rows.json").write_text(json.dumps(rows))
    (folder / "answers.json").write_text(json.dumps(answers.tolist()))
    (folder / "input.txt").write_text(name)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
