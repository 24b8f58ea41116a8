"""XGBoost, by its C library."""
