"""What several tests share: data, models, processes, checks."""
