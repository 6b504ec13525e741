"""Rank correlations live in `tables.correlations`; these names stay until complexity is declarations."""

from weightspace.tables.correlations import against_test_loss, correlation, ordering, spearman

__all__ = ["against_test_loss", "correlation", "ordering", "spearman"]
