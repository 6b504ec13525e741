"""Save: a panel becomes files, and the numbers plotted a CSV file beside them."""

from collections.abc import Sequence
from pathlib import Path

from weightspace.figures import style
from weightspace.figures.panel import Panel, safe_name
from weightspace.store.write import atomic, sentences


def save(panel: Panel, folder: Path, formats: Sequence[str]) -> list[Path]:
    """Write a panel in each format, and its numbers as CSV; gives the figure files.

    Raises:
      StoreError: If a file cannot be written.
    """
    with sentences(folder):
        folder.mkdir(parents=True, exist_ok=True)
    name = safe_name(panel.name)
    with atomic(folder / f"{name}.csv") as temporary:
        panel.data.to_csv(temporary, index=False)
    files = [folder / f"{name}.{kind}" for kind in formats]
    for file, kind in zip(files, formats, strict=True):
        with atomic(file) as temporary:
            temporary.write_bytes(panel.svg if kind == "svg" else style.file_bytes(panel.figure, kind))
    return files
