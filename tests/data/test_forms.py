"""Fault 22, arrays: what would be read in part or as something else is refused by name."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from weightspace.data import from_arrays
from weightspace.errors import DataError, InputError

X, Y = np.arange(40.0).reshape(20, 2), np.arange(20) % 4
FRAME = pd.DataFrame(X, columns=["a", "b"])
MASKED = np.ma.masked_array(X, mask=np.arange(40).reshape(20, 2) % 7 == 3)
RECORDS = np.zeros(20, dtype=[("a", "f4"), ("b", "f4")])


class Broken:
    def __array__(self, *_, **__):
        raise RuntimeError("no memory\nat all")


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (
            MASKED,
            r"inputs of the training part have 6 masked of 40 values, .* fill them \(.filled\(value\)\)",
        ),
        (
            X.astype(object),
            r"must be real numbers, but are objects \(float\); convert them, .astype\(float\)",
        ),
        (np.where(X < 3, None, X), r"objects \(NoneType, float\); 3 values are missing: fill them"),
        (FRAME.astype("Int64").mask(FRAME < 3), r"3 values are missing: fill them|NaN or infinite \(2 such"),
        (FRAME.mask(FRAME < 3), r"input 0 of the training part is NaN or infinite \(2 such inputs of 20\)"),
        (FRAME.assign(b="x"), r"objects \(float, str\)"),
        (pd.Series(list("abcd") * 5, dtype="category"), "number names from 0"),
        (X + 1j, "complex128; give real and imaginary parts as two columns"),
        (RECORDS, "records with fields a, b; stack the fields"),
        (scipy.sparse.csr_matrix(X), r"are sparse \(csr_matrix\); give them dense, .toarray\(\)"),
        (scipy.sparse.coo_array(X), "sparse"),
        ([[1.0, 2.0], [3.0]] * 10, "are of unequal lengths or mixed kinds; pad or cut them"),
        (np.array(["1.5"] * 20), r"text \(1.5\); .* read numbers with .astype\(float\)"),
        (np.arange(20).astype("M8[s]"), r"datetime64\[s\]; give times as numbers"),
        ({"a": X}, r"objects \(dict\)"),
        ((row for row in X), r"objects \(generator\)"),
        (Broken(), r"cannot be read as an array \(Broken: no memory\)"),
        (np.float64(3.0), "but are one float64"),
    ],
)
def test_inputs_that_are_refused(x, message):
    with pytest.raises(DataError, match=message):
        from_arrays(x, Y)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.ma.masked_equal(Y, 2), "targets of the training part have 5 masked of 20 values"),
        (np.ma.masked_equal(Y.astype(float), 2), "5 masked"),
        (Y.astype(object), r"must be class numbers or floats, but are objects \(int\)"),
        (pd.Series(Y, dtype="Int64").mask(Y == 2), r"5 values are missing|NaN or infinite \(5 such"),
        (pd.Series(list("abcd") * 5, dtype="category"), "number names from 0"),
        (
            np.zeros((20, 2, 2)),
            r"class numbers \[n\] or floats \[n\] or \[n, k\], but are float64 \[20, 2, 2\]",
        ),
    ],
)
def test_targets_that_are_refused(y, message):
    with pytest.raises(DataError, match=message):
        from_arrays(X, y)


def test_what_is_read_as_it_should_be():
    plain = from_arrays(X, Y)
    for x, y in (
        (np.ma.masked_array(X, mask=False), Y),
        (FRAME, pd.Series(Y)),
        (FRAME.astype(object).astype(float), pd.Series(Y, dtype="category")),
        (np.asfortranarray(X), Y[:, None]),
        (X[::-1][::-1], Y.astype(np.uint8)),
        (X.tolist(), Y.tolist()),
        (scipy.sparse.csr_matrix(X).toarray(), Y),
    ):
        assert from_arrays(x, y) == plain


def test_tables_are_matched_by_their_index_or_refused():
    shuffled = FRAME.sample(frac=1, random_state=0)
    with pytest.raises(DataError, match=r"different indices, .* align them \(y.loc\[x.index\]\)"):
        from_arrays(shuffled, pd.Series(Y))
    aligned = from_arrays(shuffled, pd.Series(Y).loc[shuffled.index])
    assert np.array_equal(aligned.loaded.train.x[:, 0] // 2 % 4, aligned.loaded.train.y)
    assert from_arrays(shuffled.to_numpy(), Y) == from_arrays(shuffled.reset_index(drop=True), pd.Series(Y))


def test_tables_of_both_parts_have_the_same_columns():
    with pytest.raises(DataError, match=r"columns a, b in the training part and b, a in the test part"):
        from_arrays(FRAME, Y, FRAME[["b", "a"]], Y)
    from_arrays(FRAME, Y, FRAME, Y)


def test_numbers_of_wrong_kinds():
    with pytest.raises(InputError, match="full_scale is 0"):
        from_arrays(X, Y, full_scale=0.0)
    with pytest.raises(InputError, match="classes is 0"):
        from_arrays(X, Y, classes=0)
