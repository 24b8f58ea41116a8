"""KServe with models that do what its own servers for scikit-learn, XGBoost and LightGBM do, which are not on PyPI.

``kserve_models.py --http_port PORT ... NAME=RUNTIME=PATH ...``
"""

import sys
from typing import Any

import kserve
import numpy as np


class Stand(kserve.Model):
    def __init__(self, name: str, runtime: str, path: str) -> None:
        super().__init__(name)
        self.predict_rows, self.ready = opened(runtime, path), True

    async def predict(self, payload: dict, *_: object, **__: object) -> dict:
        return {"predictions": self.predict_rows(np.asarray(payload["instances"])).tolist()}


def opened(runtime: str, path: str) -> Any:
    """What makes predictions of an array of rows, in one thread."""
    if runtime == "sklearn":
        import joblib

        return joblib.load(path).predict
    if runtime == "xgboost":
        import xgboost

        booster = xgboost.Booster({"nthread": 1}, model_file=path)
        return lambda rows: booster.predict(xgboost.DMatrix(rows, nthread=1))
    import lightgbm

    booster = lightgbm.Booster({"nthread": 1}, model_file=path)
    return booster.predict


if __name__ == "__main__":
    # KServe reads its own words, and leaves the others.
    kserve.ModelServer().start([Stand(*word.split("=", 2)) for word in sys.argv[1:] if word.count("=") == 2])
