import numpy as np
import pytest

from weightspace.data import from_arrays
from weightspace.data.content import assemble, nbytes
from weightspace.errors import DataError

X = np.arange(24.0, dtype=np.float32).reshape(6, 4)
Y = np.array([0, 1, 2, 0, 1, 2])


def made(x=X, y=Y, **options):
    return assemble("mine", (x, y), (X[:3], Y[:3]), **options)


def test_equal_content_has_one_digest_whatever_holds_it():
    first = made()
    assert made(X.copy(), Y.astype(np.uint8)).digest == first.digest
    assert made(np.asfortranarray(X), Y.reshape(6, 1)).digest == first.digest
    assert made(X.astype(">f4"), Y.astype(">i8")).digest == first.digest
    assert made(X.astype(np.float16)).digest == first.digest


def test_the_digest_covers_all_that_numbers_depend_on():
    moved, relabelled = X.copy(), Y.copy()
    moved[3, 2] += 1
    relabelled[3] = 1
    found = {
        made().digest,
        made(moved).digest,
        made(y=relabelled).digest,
        made(classes=4).digest,
        made(full_scale=23).digest,
        assemble("mine", (X[:3], Y[:3]), (X, Y)).digest,
    }
    assert len(found) == 6


def test_shape_is_part_of_the_digest():
    flat = assemble("a", (X, Y), (X, Y))
    square = assemble("a", (X.reshape(6, 2, 2), Y), (X.reshape(6, 2, 2), Y))
    assert flat.digest != square.digest


def test_forms():
    grey = np.zeros((6, 4, 4), np.uint8)
    loaded = assemble("g", (grey, Y), (grey, Y))
    assert loaded.train.x.shape == (6, 4, 4, 1)
    assert loaded.full_scale == 255
    assert loaded.classes == 3
    assert loaded.train.y.dtype == np.int32
    scalars = assemble("s", (np.zeros(6), np.zeros(6)), (np.zeros(2), np.zeros(2)))
    assert scalars.train.x.shape == (6, 1)
    assert scalars.train.x.dtype == np.float64
    assert scalars.classes is None
    assert scalars.full_scale is None
    assert nbytes(scalars) == 8 * (6 + 6 + 2 + 2)


def test_a_set_in_one_piece_keeps_every_example_once():
    x = np.arange(103, dtype=np.float32)
    loaded = assemble("whole", (x, np.arange(103) % 7))
    assert len(loaded.test.x) == 21
    joined = np.concatenate([loaded.train.x, loaded.test.x]).ravel()
    assert sorted(joined) == list(range(103))
    assert np.array_equal(loaded.train.x.ravel().astype(int) % 7, loaded.train.y)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_inputs_and_targets_must_be_finite(bad):
    x = X.copy()
    x[4, 1] = bad
    with pytest.raises(DataError, match="input 4 of the training part is NaN or infinite"):
        made(x)
    with pytest.raises(DataError, match="target 2 of the training part is NaN"):
        assemble("r", (X, np.array([0, 0, bad, 0, 0, 0])), (X, np.zeros(6)))


@pytest.mark.parametrize(
    ("x", "y", "options", "message"),
    [
        (X, Y - 1, {}, "run from -1 to 1"),
        (X, Y, {"classes": 2}, r"run from 0 to 2, but must lie in \[0, 1\]"),
        (X, Y.astype(float), {}, "of one shape and type"),
        (X, Y[:5], {}, "6 inputs but 5 targets"),
        (X[:0], Y[:0], {}, "training part is empty"),
        (X.reshape(6, 2, 2), Y, {}, r"float32 \[2, 2\] in the training part and float32 \[4\] in the test"),
        (X.astype(np.uint8), Y, {}, "uint8"),
        (X.astype(str), Y, {}, "real numbers"),
        (X + 1j, Y, {}, "real numbers"),
        (X, list("abcabc"), {}, "class numbers"),
        (X, np.eye(3, dtype=int)[Y], {}, "a class is one number an example"),
        (X, np.full(6, 2**40), {}, "number the classes from 0"),
    ],
)
def test_refused(x, y, options, message):
    with pytest.raises(DataError, match=message):
        made(x, y, **options)


def test_classes_need_whole_numbers():
    with pytest.raises(DataError, match=r"labels of 3 classes must be int32 \[n\], but are float64"):
        assemble("mine", (X, Y.astype(float)), (X, Y.astype(float)), classes=3)


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        (
            Y,
            Y + 1,
            r"has classes that train has not: 3 \(. of 6 examples\); labels run from 0 to 2 .* 1 to 3",
        ),
        (Y + 1, Y, r"has not: 0 .* from 1 to 3 in the training part and from 0 to 2"),
        (2 * Y, Y, r"has not: 1 .* number both alike, or say classes=5 if that is meant"),
        (Y % 2, Y + 10, "has not: 10, 11, 12"),
    ],
)
def test_labels_of_the_test_part_alone_are_refused(train, test, message):
    with pytest.raises(DataError, match=message):
        assemble("s", (X, train), (X, test))
    with pytest.raises(DataError, match="has classes that train has not"):
        from_arrays(X, train, X, test)
    loaded = assemble("s", (X, train), (X, test), classes=20)
    assert loaded.classes == 20


def test_the_test_part_may_lack_classes_and_a_set_in_one_piece_may_have_rare_ones():
    assert assemble("s", (X, Y), (X[:2], Y[:2])).classes == 3
    assert assemble("s", (X, np.array([5, 0, 0, 1, 1, 1]))).classes == 6
    assert assemble("s", (X, Y.astype(float)), (X, Y + 1.5)).classes is None
