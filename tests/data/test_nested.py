"""Masks, labels and digits that NumPy loses where it makes one array of several parts (faults 7 and 22)."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from weightspace.data import from_arrays
from weightspace.errors import DataError

pytestmark = pytest.mark.usefixtures("cache_apart")
Y = np.arange(20) % 4
ROW = np.ma.masked_array([1.0, 2, 3, 999], mask=[0, 0, 0, 1])
FRAME = pd.DataFrame(np.arange(60.0).reshape(20, 3), columns=list("abc"))
ABC, CBA = (pd.Series([1.0, 2, 3], index=list(names)) for names in ("abc", "cba"))
TIMES = 1_700_000_000_000_000_000 + 100 * np.arange(20)
FLOATS = np.random.default_rng(0).normal(size=20)


@pytest.mark.parametrize(
    ("x", "count"),
    [
        ([ROW] * 20, "20 masked of 80"),
        (tuple(np.ma.masked_array([1.0], mask=i % 2) for i in range(20)), "10 masked of 20"),
        ([[ROW, ROW]] * 20, "40 masked of 160"),
        ([ROW.data, *[ROW] * 19], "19 masked of 76"),
        ([[1.0, np.ma.masked]] * 20, "20 masked"),
        ([(1.0, ROW[3])] * 20, "20 masked"),
    ],
)
def test_masks_within_lists_are_refused(x, count):
    message = f"inputs of the training part have {count} .* which would be read as if they were not; fill"
    with pytest.raises(DataError, match=message):
        from_arrays(x, Y)


def test_masks_within_lists_of_targets_and_of_the_test_part():
    with pytest.raises(DataError, match="targets of the training part have 20 masked"):
        from_arrays(np.ones((20, 2)), [np.ma.masked_array([1.0], mask=[1])] * 20)
    with pytest.raises(DataError, match="inputs of the test part have 4 masked"):
        from_arrays(np.ones((20, 4)), Y, [ROW] * 4, Y[:4])
    unmasked = np.ma.masked_array([1.0, 2, 3, 4], mask=False)
    assert from_arrays([unmasked] * 20, Y) == from_arrays(np.tile([1.0, 2, 3, 4], (20, 1)), Y)


@pytest.mark.parametrize(
    ("x", "names"),
    [
        ([ABC, CBA] * 10, "a, b, c and c, b, a"),
        ([ABC] * 19 + [ABC.rename({"c": "d"})], "a, b, c and a, b, d"),
        ([FRAME[["a", "b"]][:2], FRAME[["b", "a"]][:2]] * 10, "a, b and b, a"),
        ([[ABC, CBA]] * 20, "a, b, c and c, b, a"),
        ([pd.Series([1.0, 2]), pd.Series([1.0, 2], index=[1, 0])] * 10, "0, 1 and 1, 0"),
    ],
)
def test_rows_of_tables_in_different_orders_are_refused(x, names):
    with pytest.raises(DataError, match=rf"different labels \({names}\), which would be read by place"):
        from_arrays(x, Y)


def test_rows_of_the_test_part_have_the_labels_of_the_training_part():
    for x, x_test in (([ABC] * 20, [CBA] * 4), (FRAME, [CBA] * 4), ([ABC] * 20, FRAME[["b", "a", "c"]][:4])):
        with pytest.raises(DataError, match="columns a, b, c in the training part and"):
            from_arrays(x, Y, x_test, Y[:4])


def test_rows_that_belong_together_are_read():
    rows = [row for _, row in FRAME.iterrows()]
    assert from_arrays(rows, Y) == from_arrays(FRAME, Y) == from_arrays(FRAME.to_numpy(), Y)
    # Windows of one series: their labels are times, which differ.
    series = pd.Series(np.arange(30.0))
    windows = from_arrays([series[i : i + 5] for i in range(20)], Y)
    assert windows == from_arrays(np.arange(20.0)[:, None] + np.arange(5.0), Y)


MIXED = {
    "a table": pd.DataFrame({"t": TIMES, "b": FLOATS}),
    "a table without signs": pd.DataFrame({"t": TIMES.astype(np.uint64), "b": FLOATS}),
    "a table of both": pd.DataFrame({"t": TIMES.astype(np.uint64), "b": -TIMES}),
    "an arrow table": pa.table({"t": TIMES, "b": FLOATS}),
    "tuples": list(zip(TIMES.tolist(), FLOATS.tolist(), strict=True)),
    "tuples of NumPy's": list(zip(TIMES, FLOATS, strict=True)),
    "nested": [[[t], [f]] for t, f in zip(TIMES.tolist(), FLOATS.tolist(), strict=True)],
}


@pytest.mark.parametrize("given", MIXED.values(), ids=MIXED)
def test_whole_numbers_that_float64_merges_are_refused_beside_floats(given):
    """Of nanoseconds a hundred apart 8 of 20 would be different."""
    with pytest.raises(DataError, match=r"mix floats with whole numbers beyond 2\^53.* take an offset off"):
        from_arrays(given, Y)


def test_the_same_for_targets_and_for_longer_floats():
    with pytest.raises(DataError, match=r"targets of the training part mix .* \(column t\)"):
        from_arrays(FLOATS, MIXED["a table"])
    with pytest.raises(DataError, match="of which float64 does not hold what varies"):
        from_arrays(FLOATS.astype(np.longdouble) + np.longdouble(2) ** 60, Y)
    records = np.rec.fromarrays([TIMES, FLOATS], names="t,b")
    with pytest.raises(DataError, match=r"records .* after taking an offset off whole numbers beyond 2\^53"):
        from_arrays(records, Y)


def test_numbers_that_float64_holds_are_read():
    alone = from_arrays(pd.DataFrame({"t": TIMES, "u": TIMES}), Y).loaded.train.x
    assert alone.dtype == np.int64
    assert len(np.unique(alone)) == len(alone)
    small = pd.DataFrame({"t": np.arange(20) + 2**40, "b": FLOATS})
    kept = from_arrays(small, Y).loaded.train.x
    assert kept.dtype == np.float64
    assert len(np.unique(kept[:, 0])) == len(kept)
    large = from_arrays([[1e300, 2]] * 20, Y).loaded.train.x
    assert (large[0] == [1e300, 2]).all()
