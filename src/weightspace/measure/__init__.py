"""Measure: the only place where a network is measured."""
