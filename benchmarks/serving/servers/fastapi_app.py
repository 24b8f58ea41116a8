"""FastAPI, as written by hand."""

from fastapi import FastAPI
from pydantic import BaseModel
from w1_model import predict as answers

app = FastAPI()


class Body(BaseModel):
    instances: list[list[float]]


@app.post("/predict")
async def predict(body: Body) -> dict[str, list[list[float]]]:
    return {"predictions": answers(body.instances)}
