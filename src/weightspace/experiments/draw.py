"""Figures of a store: its experiments draw panels from their tables, here they become files.

There is one folder for each question that the store answers.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from weightspace.experiments.answered import Answered, answered
from weightspace.experiments.base import Experiment
from weightspace.figures import style
from weightspace.figures.save import save
from weightspace.store.base import Store


def draw(
    store: Store,
    experiment: str | None = None,
    formats: Sequence[str] = ("png", "svg"),
    *,
    parts: Sequence[Answered] | None = None,
    experiments: Iterable[type[Experiment]] = (),
) -> list[Path]:
    """Draw what a store can answer, into its folder `figures/<experiment>/<model>-<data>`.

    A question that differs from an older one in other settings than those swept has a folder of its own
    within, named after them. Beside each figure lies a CSV file of its numbers.

    Args:
      store: The store.
      experiment: Only the figures of this one.
      formats: Of svg, png and pdf.
      parts: What `answered(store)` has found, if it is at hand.
      experiments: Classes beside those of this package, which the reader knows and trusts.

    Returns:
      The figure files.

    Raises:
      InputError: If a format is not known, or no experiment of that name has asked.
      StoreError: If a file cannot be written.
    """
    kinds = style.check_formats(formats)
    files: list[Path] = []
    for part in answered(store, experiment, experiments=experiments) if parts is None else parts:
        if experiment in (None, part.name):
            folder = store.root / "figures" / part.name / part.folder
            for panel in part.panels:
                files += save(panel, folder, kinds)
    return files
