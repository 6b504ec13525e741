"""Paired comparisons live in `tables.paired`; these names stay until the tickets are declarations."""

from weightspace.tables.paired import DENSE, METRIC, between, difference, paired

__all__ = ["DENSE", "METRIC", "between", "difference", "paired"]
