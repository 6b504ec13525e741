"""What targets are, and what was meant where they do not fit a loss: a sentence with what to do."""

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:

    class Targets(Protocol):
        """What a loss asks of a data set."""

        @property
        def name(self) -> str:
            """The set's name."""
            ...

        @property
        def classes(self) -> int | None:
            """Number of classes; None for real targets."""
            ...

        @property
        def outputs(self) -> int:
            """Classes, or targets of an example."""
            ...

        def arrays(self) -> Any:
            """Its parts `train` and `test`, each with targets `y`."""
            ...

else:
    # A check at run time would compute what it asks.
    Targets = Any

_INTEGERS = "y.astype(int)"


def _real(data: Targets) -> np.ndarray:
    arrays = data.arrays()
    return np.concatenate([np.asarray(part.y) for part in (arrays.train, arrays.test)])


def instead_of_classes(data: Targets) -> str:
    """What real targets are, for a loss that takes class numbers: `has …; give …`."""
    y = _real(data)
    whole = bool(np.equal(y, np.floor(y)).all())
    if y.ndim == 2 and y.shape[1] > 1:
        return _of_columns(y)
    flat = ", y.ravel().astype(int)" if y.ndim == 2 else f", {_INTEGERS}"
    found = np.unique(y)
    if found.tolist() == [-1, 1]:
        return "has targets -1 and 1; give the class numbers 0 and 1, (y > 0).astype(int)"
    # One value alone: constant, or not yet drawn.
    if whole and found[0] >= 0 and 2 <= len(found) <= max(2, len(y) // 2):
        return (
            f"has floats that are whole numbers from {found[0]:g} to {found[-1]:g}; if these are classes "
            f"give whole numbers{flat}; for a regression use mse"
        )
    return "has real targets; use mse"


def _of_columns(y: np.ndarray) -> str:
    k = y.shape[1]
    if np.isin(y, (0, 1)).all() and (y.sum(axis=1) == 1).all():
        return f"has one-hot targets of {k} columns; give class numbers, y.argmax(axis=1)"
    if (y >= 0).all() and np.allclose(y.sum(axis=1), 1, atol=1e-3):
        return (
            f"has probabilities of {k} classes; give the likeliest, y.argmax(axis=1), or a loss of your own "
            "that takes probabilities (custom_loss)"
        )
    return f"has {k} real targets an example; use mse"


def instead_of_amounts(data: Targets) -> str:
    """What class numbers are, for a loss that takes real targets: `has …; give …`."""
    y, classes = _real(data), data.classes
    found = np.unique(y)
    amounts = "if these are amounts give floats, y.astype(float)"
    names = "if they are classes use cross-entropy"
    few = len(found) <= 10 and len(found) == classes
    advice = f"{names}; {amounts}" if few else f"{amounts}; {names}"
    return f"has whole numbers as targets, which count as {classes} classes; {advice}"


def instead_of_bits(data: Targets) -> str:
    """What targets are, for a loss that takes 0 and 1: `has …; give …`."""
    y = _real(data)
    found = np.unique(y)
    if y.ndim == 2 and y.shape[1] > 1:
        if y.shape[1] == 2 and np.isin(y, (0, 1)).all() and (y.sum(axis=1) == 1).all():
            return "has one-hot targets of 2 columns; give class numbers, y.argmax(axis=1)"
        return f"has {y.shape[1]} targets an example, not all 0 or 1; use mse"
    if len(found) == 2 and found.tolist() != [0, 1]:
        low, high = (f"{each:g}" for each in found)
        return f"has targets {low} and {high}; give 0 and 1, (y == {high}).astype(int)"
    if data.classes:
        return f"has {data.classes} classes; use cross-entropy"
    if found[0] >= 0 and found[-1] <= 1:
        return "has targets that are not all 0 or 1 (probabilities?); give (y > 0.5).astype(int), or use mse"
    return "has real targets, not all 0 or 1; use mse"


def unlike_outputs(data: Targets, outputs: int) -> str:
    """Why there are as many classes as no model has outputs; empty where there is nothing to say."""
    y = _real(data)
    found = np.unique(y)
    if len(found) == outputs and found[0] == 1 and found[-1] == outputs:
        return f"; labels run from 1 to {outputs}: number the classes from 0, y - 1"
    if len(found) < (data.classes or 0):
        return (
            f"; labels go up to {found[-1]}, but only {len(found)} different ones occur: if that is all "
            "there are, number the classes from 0, np.unique(y, return_inverse=True)[1]"
        )
    return ""
