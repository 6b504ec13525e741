"""Figures, drawn from a store and from nothing else."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weightspace.figures.base import draw as draw
    from weightspace.figures.panel import Panel as Panel

__all__ = ["Panel", "draw"]


def __getattr__(name: str) -> Any:
    """Loaded on use: a plotting library is no matter of training."""
    if name not in __all__:
        raise AttributeError(f"module 'weightspace.figures' has no attribute '{name}'")
    from weightspace.figures import base

    return getattr(base, name)
