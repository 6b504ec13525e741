"""Figures of a store: each a panel, a figure with its caption and the numbers in it.

An experiment draws panels from its tables; here they become files, one folder for each question that the
store answers, beside each figure a CSV file of what is plotted.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from weightspace.figures import style
from weightspace.store.base import Store
from weightspace.store.write import atomic, sentences


@dataclasses.dataclass(frozen=True)
class Panel:
    """A figure that can stand by itself.

    Attributes:
      name: The name of its files.
      title: What it shows, in a few words.
      caption: How it was made: what is drawn, of how many runs, with which spread.
      figure: The figure.
      data: The numbers plotted.
    """

    name: str
    title: str
    caption: str
    figure: Figure
    data: pd.DataFrame


def save(panel: Panel, folder: Path, formats: Sequence[str]) -> list[Path]:
    """Write a panel in each format, and its numbers as CSV; gives the figure files.

    Raises:
      StoreError: If a file cannot be written.
    """
    with sentences(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with atomic(folder / f"{panel.name}.csv") as temporary:
        panel.data.to_csv(temporary, index=False)
    files = [folder / f"{panel.name}.{kind}" for kind in formats]
    for file, kind in zip(files, formats, strict=True):
        with atomic(file) as temporary:
            style.write(panel.figure, temporary, kind)
    return files


def draw(store: Store, experiment: str | None = None, formats: Sequence[str] = ("png", "svg")) -> list[Path]:
    """Draw what a store can answer, into its folder `figures/<experiment>/<model>-<data>`.

    A question that differs from an older one in other settings than those swept has a folder of its own
    within, named after them. Beside each figure lies a CSV file of its numbers.

    Args:
      store: The store.
      experiment: Only the figures of this one.
      formats: Of svg, png and pdf.

    Returns:
      The figure files.

    Raises:
      InputError: If a format is not known, or no experiment of that name has asked.
      StoreError: If a file cannot be written.
    """
    from weightspace.experiments.answered import answered

    kinds = style.check_formats(formats)
    files: list[Path] = []
    for part in answered(store, experiment):
        folder = store.root / "figures" / part.name / part.folder
        for panel in part.experiment.figures(part.table, part.history):
            files += save(panel, folder, kinds)
    return files
