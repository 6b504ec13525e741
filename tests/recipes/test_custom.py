import jax
import jax.numpy as jnp
import numpy as np
import pytest

from weightspace.code import Code
from weightspace.data import Data, from_arrays
from weightspace.errors import InputError
from weightspace.recipes.custom import check_per_example, custom_loss
from weightspace.recipes.losses import make_loss

X, Y = np.zeros((20, 2), np.float32), np.arange(20) % 4
OUTPUTS = jnp.asarray(np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32))
LABELS = jnp.arange(6, dtype=jnp.int32) % 4
MODULE = """
import jax.numpy as jnp
def margin(outputs, y, width=1.0):
    right = jnp.take_along_axis(outputs, y[:, None], axis=1)[:, 0]
    return jnp.maximum(0.0, width - right)
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WEIGHTSPACE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield Data(from_arrays(X, Y))


def largest(outputs, y):
    return outputs.max(axis=1)


def mean(outputs, y):
    return outputs.mean()


def whole(outputs, y):
    return jnp.argmax(outputs, axis=1)


def broken(outputs, y):
    return outputs @ y


def both(outputs, y):
    return outputs, y


def text(outputs, y):
    return "text"


def test_by_name_with_arguments(tmp_path, monkeypatch, data):
    (tmp_path / "my_losses.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    loss = make_loss("my_losses:margin", width=2.0)
    right = np.asarray(OUTPUTS)[np.arange(6), np.asarray(LABELS)]
    assert np.allclose(loss(OUTPUTS, LABELS), np.maximum(0, 2 - right))
    assert loss.name == "margin"
    loss.check(data, (4,))
    assert loss.width(data) == 4
    assert loss == custom_loss("my_losses:margin", {"width": 2.0})
    assert loss != custom_loss("my_losses:margin")
    assert jax.tree.leaves(loss) == []


def test_identity_by_name_and_version():
    one, two = (custom_loss(largest, name="largest", version=number) for number in (1, 2))
    assert one.digest != two.digest


def test_accuracy_where_each_class_has_an_output():
    loss = custom_loss(largest)
    expected = np.asarray(OUTPUTS).argmax(axis=1) == np.asarray(LABELS)
    assert np.array_equal(loss.metrics(OUTPUTS, LABELS)["accuracy"], expected.astype(np.float32))
    assert set(loss.metrics(OUTPUTS, OUTPUTS)) == {"loss"}


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (mean, "take no mean, but for a batch of 3 it gives float32"),
        (whole, "gives int32"),
        (broken, "fails on outputs"),
        (text, "fails on outputs"),
        (both, r"it gives tuple"),
    ],
)
def test_functions_that_do_not_fit(data, function, message):
    with pytest.raises(InputError, match=message):
        custom_loss(function).check(data, (4,))
    check_per_example(Code(largest), "metric largest", data, (4,))
