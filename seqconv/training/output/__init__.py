"""What a run reports and writes: console, tables, TensorBoard, MLflow."""
