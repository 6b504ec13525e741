"""Some classes of a set."""

import numpy as np
import pytest

from weightspace.data import Data, Digits, from_arrays, make_data
from weightspace.data.sources.selected import Selected
from weightspace.errors import InputError


def numbered(count=40, classes=5):
    """Inputs that say which row they are; labels go round."""
    x = np.arange(count, dtype=np.float32)[:, None]
    held = 1000 + np.arange(15, dtype=np.float32)[:, None]
    return from_arrays(
        x, np.arange(count) % classes, held, np.arange(15) % classes, name="rows", full_scale=50
    )


def test_rows_of_the_classes_in_the_order_of_the_set():
    made = Selected(numbered(), (4, 1)).loaded
    rows = [row for row in range(40) if row % 5 in (1, 4)]
    assert made.train.x[:, 0].tolist() == rows
    # Class 4 becomes 0 and class 1 becomes 1.
    assert made.train.y.tolist() == [0 if row % 5 == 4 else 1 for row in rows]
    assert made.train.y.dtype == np.int32
    assert made.test.x[:, 0].tolist() == [1000 + row for row in range(15) if row % 5 in (1, 4)]
    assert made.classes == 2
    assert made.full_scale == 50


def test_the_order_of_the_classes_is_that_of_the_labels():
    one, other = (Selected(numbered(), classes).loaded for classes in ((1, 4), (4, 1)))
    assert np.array_equal(one.train.x, other.train.x)
    assert np.array_equal(one.train.y, 1 - other.train.y)


def test_the_first_ones_of_each_class():
    made = Selected(numbered(), (0, 2, 3), train_each=3, test_each=2).loaded
    assert made.train.x[:, 0].tolist() == [0, 2, 3, 5, 7, 8, 10, 12, 13]
    assert np.bincount(made.train.y).tolist() == [3, 3, 3]
    assert np.bincount(made.test.y).tolist() == [2, 2, 2]


def test_identity_is_the_content():
    source = numbered()
    assert Selected(source, (0, 1)) == Selected(source, (0, 1), train_each=8)
    assert Selected(source, (0, 1)) != Selected(source, (1, 0))
    assert Selected(source, (0, 1)) != Selected(source, (0, 1), train_each=7)


def test_of_the_digits_nothing_else_is_left():
    whole, made = Digits().loaded, make_data("digits:classes=3,8")
    assert made.size == np.isin(whole.train.y, (3, 8)).sum()
    arrays = made.arrays()
    threes = np.asarray(whole.train.x)[np.asarray(whole.train.y) == 3]
    assert np.array_equal(np.asarray(arrays.train.x)[np.asarray(arrays.train.y) == 0], threes)
    assert made.shape == (8, 8, 1)
    assert made.classes == 2
    made.check()


@pytest.mark.parametrize("classes", [(), (3,), (3, 3), (1, 2, 1)])
def test_at_least_two_classes_each_once(classes):
    with pytest.raises(InputError, match="there must be at least two, each named once"):
        Selected(numbered(), classes)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"classes": (0, 5)}, r"class is 5, but must lie in \[0, 4\]"),
        ({"classes": (-1, 2)}, "class is -1"),
        ({"train_each": 9}, "9 training examples of class 0 are asked, but rows has 8"),
        ({"test_each": 4}, "4 test examples of class 0 are asked, but rows has 3"),
    ],
)
def test_what_the_set_does_not_have(fields, message):
    with pytest.raises(InputError, match=message):
        Data(Selected(numbered(), **{"classes": (0, 1), **fields})).check()


@pytest.mark.parametrize("field", ["train_each", "test_each"])
def test_none_of_a_class(field):
    with pytest.raises(InputError, match=f"{field} is 0"):
        Selected(numbered(), (0, 1), **{field: 0})


def test_real_targets_have_no_classes():
    source = from_arrays(np.ones((10, 2)), np.linspace(0, 1, 10), name="line")
    with pytest.raises(InputError, match="line has real targets"):
        _ = Selected(source, (0, 1)).loaded
