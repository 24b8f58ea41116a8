"""Saves a model as MLflow does: ``mlflow_model.py RUNTIME PATH TARGET``."""

import sys

runtime, path, target = sys.argv[1:]
if runtime == "sklearn":
    import joblib
    import mlflow.sklearn

    mlflow.sklearn.save_model(joblib.load(path), target, serialization_format="cloudpickle")
elif runtime == "xgboost":
    import mlflow.xgboost
    import xgboost

    mlflow.xgboost.save_model(xgboost.Booster(model_file=path), target)
elif runtime == "lightgbm":
    import lightgbm
    import mlflow.lightgbm

    mlflow.lightgbm.save_model(lightgbm.Booster(model_file=path), target)
elif runtime == "catboost":
    import catboost
    import mlflow.catboost

    mlflow.catboost.save_model(catboost.CatBoostClassifier().load_model(path), target)
elif runtime == "statsmodels":
    import mlflow.statsmodels
    import statsmodels.api

    mlflow.statsmodels.save_model(statsmodels.api.load(path), target)
elif runtime == "onnx":
    import mlflow.onnx
    import onnx

    mlflow.onnx.save_model(onnx.load(path), target)
