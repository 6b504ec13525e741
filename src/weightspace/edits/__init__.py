"""Edits: rules that change the space during training."""
