"""The peer: FastAPI on uvicorn, as written by hand. MODEL_FOLDER says where the workload is."""

import os
from pathlib import Path

import numpy as np
import onnxruntime
from fastapi import FastAPI
from features import preprocess
from pydantic import BaseModel

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(str(Path(os.environ["MODEL_FOLDER"]) / "model.onnx"), options)
name = session.get_inputs()[0].name
app = FastAPI()


class Body(BaseModel):
    instances: list[list[float]]


@app.post("/predict")
async def predict(body: Body) -> dict[str, list[list[float]]]:
    features = preprocess(np.array(body.instances, dtype=np.float32))
    return {"predictions": session.run(None, {name: features})[-1].tolist()}


@app.get("/health/ready")
async def ready() -> dict[str, bool]:
    return {"ready": True}
