"""Train a small neural network on scikit-learn's digits, and write it as ONNX."""

import json
from pathlib import Path

import numpy as np
from features import Upload, preprocess
from skl2onnx import to_onnx
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

HERE = Path(__file__).parent


def main() -> None:
    images, digits = load_digits(return_X_y=True)
    known, unseen, taught, asked = train_test_split(images.astype(np.float32), digits, random_state=0)
    model = MLPClassifier((64,), max_iter=300, random_state=0).fit(known, taught)
    print(f"reads {model.score(unseen, asked):.1%} of unseen digits")

    onnx = to_onnx(model, unseen[:1], options={"zipmap": False}, target_opset=17)
    (HERE / "model.onnx").write_bytes(onnx.SerializeToString())

    picture = (HERE / "seven.png").read_bytes()
    probabilities = model.predict_proba(preprocess(Upload(picture)).reshape(1, -1))[0]
    answer = {"digit": int(probabilities.argmax()), "confidence": round(float(probabilities.max()), 4)}
    (HERE / "expected.json").write_text(json.dumps(answer, indent=2) + "\n")


if __name__ == "__main__":
    main()
