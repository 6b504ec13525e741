"""What the doctor finds: one line a thing looked at, and how far two results of one function are apart."""

import dataclasses
from typing import Any, Literal

import jax
import numpy as np

State = Literal["right", "note", "trouble"]


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
      part: What it belongs to: versions, machine, kernels, models or session.
      name: What was looked at.
      state: Right; worth a note, though nothing here is wrong; or trouble.
      seen: What was seen, in words.
      advice: What to do about it; empty where it is right.
    """

    part: str
    name: str
    state: State
    seen: str
    advice: str = ""

    @property
    def line(self) -> str:
        """In one line: what, where, what to do."""
        return f"{self.part}: {self.name}: {self.seen}" + (f"; {self.advice}" if self.advice else "")


@dataclasses.dataclass(frozen=True)
class Difference:
    """How a result differs from what it should be.

    Attributes:
      wrong: Entries that are out of tolerance.
      entries: All entries.
      first: Where the first wrong one is, as an index of its array.
      largest: The largest difference over the tolerance.
    """

    wrong: int
    entries: int
    first: tuple[int, ...]
    largest: float

    @property
    def words(self) -> str:
        """In words."""
        place = list(self.first)
        return f"{self.wrong:,} of {self.entries:,} entries wrong, the first at {place}"


def differences(found: Any, expected: Any, tolerance: float) -> Difference:
    """Compare trees of arrays; an array's tolerance is relative to its largest entry, 0 asks for equality.

    NaN equals NaN. Arrays of another shape are wrong as a whole.
    """
    wrong, entries, first, largest = 0, 0, (), 0.0
    pairs = zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True)
    for ours, theirs in ((np.asarray(a), np.asarray(b)) for a, b in pairs):
        if ours.shape != theirs.shape:
            return Difference(theirs.size, theirs.size, (), np.inf)
        bad, ratio = _compare(ours, theirs, tolerance)
        if bad.any() and not wrong:
            first = tuple(int(i) for i in np.argwhere(bad)[0])
        wrong, entries, largest = wrong + int(bad.sum()), entries + bad.size, max(largest, ratio)
    return Difference(wrong, entries, first, largest)


def _compare(ours: np.ndarray, theirs: np.ndarray, tolerance: float) -> tuple[np.ndarray, float]:
    if not tolerance or theirs.dtype.kind in "biu":
        return np.asarray(ours != theirs), 0.0
    ours, theirs = ours.astype(np.float64), theirs.astype(np.float64)
    scale = np.max(np.abs(theirs), initial=0.0, where=np.isfinite(theirs))
    with np.errstate(invalid="ignore"):  # infinities less infinities
        apart = np.abs(ours - theirs)
    same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    bad = np.asarray(~same & ~(apart <= tolerance * scale))
    ratio = np.max(apart, initial=0.0, where=~same & np.isfinite(apart)) / (tolerance * scale or 1.0)
    return bad, float(ratio)
