"""Derived values: pure functions of other nodes' outputs. One file a value."""
