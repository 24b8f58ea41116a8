"""scikit-learn: joblib, pickle and skops files."""
