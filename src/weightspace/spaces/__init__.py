"""Spaces: sets of weights with coordinates. One file a space."""
