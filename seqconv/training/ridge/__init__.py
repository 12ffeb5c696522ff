"""The head of a model in closed form: features of all training sequences, then one system of linear equations."""
