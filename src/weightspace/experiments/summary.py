"""Means over seeds live in `tables.means`; the name stays until all experiments are declarations."""

from weightspace.tables.means import over_seeds

__all__ = ["over_seeds"]
