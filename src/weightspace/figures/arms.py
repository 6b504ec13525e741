"""Arms: the lines of a figure, each with a name, a colour, a marker and a dash of its own.

Names say only in what the arms differ. One label with an order (burn-in steps, learning rate, noise) makes a
scale of colours, and what else differs shows in marker and dash; otherwise each arm has a colour of its own.
"""

import dataclasses
from typing import Any

import pandas as pd

from weightspace.figures import style
from weightspace.tables.vocabulary import VOCABULARY
from weightspace.tables.words import Label, Vocabulary

_DASHES = ("-", (0, (4, 1.5)), (0, (1.2, 1.2)), (0, (5, 1.5, 1.2, 1.5)))


@dataclasses.dataclass(frozen=True)
class Arm:
    """One set of labels, and how it is drawn.

    Attributes:
      labels: The labels; None where it has none of a kind.
      name: What tells it from the others.
      colour: Of its line.
      marker: Of its points.
      dash: Of its line.
    """

    labels: dict[str, Any]
    name: str
    colour: str
    marker: str
    dash: Any

    def of(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The lines of a table that have these labels."""
        fits = pd.Series(True, index=frame.index)
        for label, value in self.labels.items():
            if label in frame:
                fits &= frame[label].isna() if value is None else (frame[label] == value).fillna(False)
        return frame[fits.astype(bool)]


def arms_of(frame: pd.DataFrame, labels: tuple[str, ...], words: Vocabulary = VOCABULARY) -> list[Arm]:
    """The arms of a table, in the order of their labels.

    Args:
      frame: Has a column for each label that is used.
      labels: The labels that tell arms apart.
      words: What labels and their values are called, and which have an order.
    """
    used = [label for label in labels if label in frame]
    if frame.empty:
        return []
    present = _sorted(frame[used].drop_duplicates(), used) if used else frame.iloc[:1, :0]
    keys = [_plain(key) for key in present.itertuples(index=False)]
    differing = [i for i in range(len(used)) if len({key[i] for key in keys}) > 1]
    scale = next((i for i in differing if _is_scale(keys, i, differing, words.label(used[i]))), None)
    looks = _looks(keys, scale, [i for i in differing if i != scale])
    return [
        Arm(dict(zip(used, key, strict=True)), _name(used, key, differing, words), *look)
        for key, look in zip(keys, looks, strict=True)
    ]


def _plain(key: Any) -> tuple[Any, ...]:
    return tuple(None if pd.isna(value) else value for value in key)


def _sorted(present: pd.DataFrame, used: list[str]) -> pd.DataFrame:
    """In the order of the labels; where values of one label have no common order, in that of their text."""
    try:
        return present.sort_values(used)
    except TypeError:
        return present.sort_values(used, key=lambda column: column.map(str))


def _is_scale(keys: list[tuple[Any, ...]], i: int, differing: list[int], label: Label) -> bool:
    """Whether colours follow this label: some always, another if nothing else differs."""
    alone = label.order == "always" or (label.order == "alone" and differing == [i])
    return alone and all(key[i] is not None for key in keys)


def _looks(keys: list[tuple[Any, ...]], scale: int | None, rest: list[int]) -> list[tuple[str, str, Any]]:
    others = list(dict.fromkeys(tuple(key[i] for i in rest) for key in keys))
    if scale is None:
        colours = len(style.PALETTE)
        kinds = [(i % colours, i // colours) for i in range(len(keys))]
        return [(style.PALETTE[c], style.MARKERS[c], _DASHES[d % len(_DASHES)]) for c, d in kinds]
    values = sorted({key[scale] for key in keys})
    colour = dict(zip(values, style.ordered(len(values)), strict=True))
    places = [others.index(tuple(key[i] for i in rest)) for key in keys]
    return [
        (colour[key[scale]], style.MARKERS[place % len(style.MARKERS)], _DASHES[place % len(_DASHES)])
        for key, place in zip(keys, places, strict=True)
    ]


def _name(used: list[str], key: tuple[Any, ...], differing: list[int], words: Vocabulary) -> str:
    shown = differing or [i for i, label in enumerate(used) if label == "method"]
    parts = [words.label(used[i]).text(key[i]) for i in shown if key[i] is not None]
    return ", ".join(parts) or "all"
