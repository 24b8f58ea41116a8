"""The model of W1 for servers that one writes by hand: rows in, probabilities out. MODEL_FOLDER says where it is."""

import os
from pathlib import Path

import numpy as np
import onnxruntime
from features import preprocess

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(str(Path(os.environ["MODEL_FOLDER"]) / "model.onnx"), options)
name, output = session.get_inputs()[0].name, session.get_outputs()[-1].name


def predict(rows: list[list[float]] | np.ndarray) -> list[list[float]]:
    return session.run([output], {name: preprocess(np.asarray(rows, dtype=np.float32))})[0].tolist()
