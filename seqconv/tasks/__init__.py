"""Tasks: labels in, targets to learn, and answers out."""
