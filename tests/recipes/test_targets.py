"""Fault 28: errors about targets guess what was meant."""

import numpy as np
import pytest

from weightspace.data import Data, Task, from_arrays
from weightspace.errors import DataError, InputError
from weightspace.recipes.losses import BinaryCrossEntropy, CrossEntropy, SquaredError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3)).astype(np.float32)
LABELS = np.arange(60) % 3
SIGNS = np.where(LABELS > 0, 1, -1)
AMOUNTS = RNG.integers(0, 39, 60)
PROBABLE = np.exp(RNG.normal(size=(60, 3)))
PROBABLE /= PROBABLE.sum(axis=1, keepdims=True)


def check(y, loss, outputs=3):
    Task(Data(from_arrays(X, y, X, y)), loss).check((outputs,))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (LABELS.astype(float), r"whole numbers from 0 to 2; .* give whole numbers, y.astype\(int\)"),
        (LABELS[:, None].astype(np.float32), r"give whole numbers, y.ravel\(\).astype\(int\)"),
        (np.eye(3)[LABELS], r"one-hot targets of 3 columns; give class numbers, y.argmax\(axis=1\)"),
        (SIGNS.astype(float), r"targets -1 and 1; give the class numbers 0 and 1, \(y > 0\).astype\(int\)"),
        (PROBABLE, r"probabilities of 3 classes; give the likeliest, y.argmax\(axis=1\)"),
        (RNG.normal(size=60), "has real targets; use mse"),
        (RNG.normal(size=(60, 3)), "has 3 real targets an example; use mse"),
        (-1 - LABELS.astype(float), "has real targets; use mse"),
    ],
)
def test_cross_entropy(y, message):
    with pytest.raises(InputError, match=message):
        check(y, CrossEntropy())


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (AMOUNTS, r"39 classes; if these are amounts give floats, y.astype\(float\)"),
        (LABELS, r"3 classes; if they are classes use cross-entropy; if these are amounts give floats"),
        (LABELS * 50, r"101 classes; if these are amounts give floats"),
    ],
)
def test_squared_error(y, message):
    with pytest.raises(InputError, match=message):
        check(y, SquaredError(), 1)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (SIGNS.astype(float), r"has targets -1 and 1; give 0 and 1, \(y == 1\).astype\(int\)"),
        (2 * (LABELS > 0), r"has targets 0 and 2; give 0 and 1, \(y == 2\).astype\(int\)"),
        (LABELS, "has 3 classes; use cross-entropy"),
        (np.eye(2)[LABELS % 2], r"one-hot targets of 2 columns; give class numbers, y.argmax\(axis=1\)"),
        (PROBABLE[:, 0], r"probabilities\?\); give \(y > 0.5\).astype\(int\)"),
        (RNG.normal(size=60), "has real targets, not all 0 or 1; use mse"),
    ],
)
def test_binary_cross_entropy(y, message):
    with pytest.raises(InputError, match=message):
        check(y, BinaryCrossEntropy(), 1)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.eye(3, dtype=int)[LABELS], r"they are one-hot: give class numbers, y.argmax\(axis=1\)"),
        (RNG.integers(0, 2, (60, 3)), r"several classes an example give floats"),
        (RNG.integers(0, 9, (60, 3)), r"give floats for a regression, y.astype\(float\)"),
        (
            AMOUNTS - 20,
            r"run from -20 to 1\d; for a regression \(mse\) give floats, y.astype\(float\); number the",
        ),
        (
            LABELS - 1,
            r"run from -1 to 1; number the classes from 0, .*; for a regression \(mse\) give floats",
        ),
        (SIGNS, r"for two classes give \(y > 0\).astype\(int\), for a regression floats"),
        (LABELS + 1, r"labels run from 1 to 3, .*; number the classes from 0, y - 1"),
        (
            np.array(["cat", "dog", "bee"])[LABELS],
            r"text \(cat\); number names from 0, np.unique\(a, return_inv",
        ),
        (np.array(["cat", "dog", "bee"], object)[LABELS], "objects .str.; number names from 0"),
        (
            np.where(LABELS, np.nan, 1.0),
            r"target 1 of the training part is NaN or infinite \(40 such targets of 60\)",
        ),
    ],
)
def test_targets_that_no_loss_takes(y, message):
    with pytest.raises(DataError, match=message):
        from_arrays(X, y, X, y)


def test_targets_that_fit():
    check(LABELS, CrossEntropy())
    check(LABELS[:, None], CrossEntropy())
    check(LABELS > 0, CrossEntropy(), 2)
    check(LABELS > 0, BinaryCrossEntropy(), 1)
    check((LABELS > 0).astype(float), BinaryCrossEntropy(), 1)
    check(AMOUNTS.astype(float), SquaredError(), 1)
    check(SIGNS.astype(float), SquaredError(), 1)


def test_labels_with_gaps_count_up_to_the_largest():
    y = np.where(LABELS > 0, 9, 0)
    check(y, CrossEntropy(), 10)
    with pytest.raises(
        InputError, match=r"takes 10 outputs.*labels go up to 9, but only 2 different ones occur"
    ):
        check(y, CrossEntropy(), 2)
    given = Data(from_arrays(X, LABELS + 1, classes=4))
    with pytest.raises(
        InputError, match=r"takes 4 outputs.*labels run from 1 to 3: number the classes from 0, y - 1"
    ):
        Task(given, CrossEntropy()).check((3,))


def test_float_labels_with_a_number_of_classes():
    with pytest.raises(DataError, match=r"give whole numbers, y.astype\(int\)"):
        from_arrays(X, LABELS.astype(float), classes=3)
    with pytest.raises(DataError, match=r"y.argmax\(axis=1\) where they are one-hot"):
        from_arrays(X, np.eye(3)[LABELS], classes=3)
