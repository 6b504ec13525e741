"""Bases: the linear maps of affine spaces. One file a basis."""
