import numpy as np
import pytest

from tests.data.conftest import run_python
from weightspace.data import Data, Stored, cache, from_arrays
from weightspace.errors import DataError, InputError

X, Y = np.arange(40.0, dtype=np.float32).reshape(20, 2), np.arange(20) % 4


def test_given_parts_are_kept_as_they_are():
    loaded = from_arrays(X, Y, X[:5], Y[:5]).loaded
    assert np.array_equal(loaded.train.x, X)
    assert np.array_equal(loaded.test.y, Y[:5])


def test_lists_will_do():
    assert from_arrays(X.tolist(), Y.tolist()).loaded.train.x.shape == (16, 2)


def test_half_a_test_part_is_refused():
    with pytest.raises(InputError, match="go together"):
        from_arrays(X, Y, X)


def test_bad_arrays_are_refused_before_they_are_kept(own_cache):
    with pytest.raises(DataError, match="NaN"):
        from_arrays(np.full((5, 2), np.nan), np.zeros(5))
    assert not own_cache.exists()


def test_another_process_loads_them_by_digest_alone():
    source = from_arrays(X, Y, name="mine")
    code = (
        "import sys; from weightspace.data import Stored; source = Stored(sys.argv[1]);"
        "print(source.name, float(source.loaded.train.x.sum()), source.loaded.digest)"
    )
    digest = source.loaded.digest
    total = str(float(source.loaded.train.x.sum()))
    assert run_python(code, digest).split() == ["mine", total, digest]
    assert Data(Stored(digest)).digest == Data(source).digest


def test_lost_arrays_say_what_to_do(own_cache):
    source = from_arrays(X, Y, name="mine")
    file = own_cache / source.content / "train_x.npy"
    content = bytearray(file.read_bytes())
    content[-1] ^= 255
    file.write_bytes(content)
    with pytest.raises(
        DataError, match=r"\(mine\) is not in the cache .* or was damaged there; make it again"
    ):
        source.load()
    assert from_arrays(X, Y, name="mine").load().digest == source.content
    assert cache.find(source.content) is not None
