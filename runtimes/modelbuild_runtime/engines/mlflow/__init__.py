"""MLflow model folders: a framework's model with MLflow's signature around it, or MLflow's own python_function."""
