"""Output of a run: console, tables, TensorBoard, MLflow."""
