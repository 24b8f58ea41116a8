"""Where handlers find the error that carries a status, besides ``ts.utils.util``."""

from .utils.util import PredictionException

__all__ = ["PredictionException"]
