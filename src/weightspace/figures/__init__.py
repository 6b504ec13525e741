"""Figures, drawn from a store and from nothing else."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from weightspace.store.base import Store


def draw(store: "Store", experiment: str | None = None, formats: Sequence[str] = ("png", "svg")) -> list[Path]:
    """Draw what a store can answer; see `weightspace.figures.base.draw`."""
    from weightspace.figures.base import draw as drawn

    return drawn(store, experiment, formats)
