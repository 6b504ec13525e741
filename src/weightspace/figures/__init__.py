"""Figures: panels of tables, and their files; they know no question."""
