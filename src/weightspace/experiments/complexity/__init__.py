"""Experiments on what training reveals about the complexity of the learned function."""
