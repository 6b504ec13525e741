import jax
import jax.numpy as jnp
import numpy as np
import pytest

from weightspace.code import Code
from weightspace.data import Data, Digits, Task, from_arrays
from weightspace.errors import InputError
from weightspace.recipes.losses import BinaryCrossEntropy, CrossEntropy, SquaredError

OUTPUTS = jnp.asarray(np.random.default_rng(0).normal(size=(6, 10)).astype(np.float32))
LABELS = jnp.arange(6, dtype=jnp.int32)


def confidence(outputs, y):
    return jax.nn.softmax(outputs).max(axis=1)


def mean(outputs, y):
    return outputs.mean()


def task(*metrics, **options):
    return Task(Data(Digits(), **options), CrossEntropy(), metrics)


def test_metrics_of_the_loss_by_default():
    task().check((10,))
    measured = task().measure(OUTPUTS, LABELS)
    assert set(measured) == {"loss", "accuracy"} == set(task().known_metrics((10,)))
    assert task().outputs == 10


def test_chosen_metrics_come_with_the_loss():
    chosen = task("accuracy", confidence)
    chosen.check((10,))
    measured = jax.jit(chosen.measure)(OUTPUTS, LABELS)
    assert set(measured) == {"loss", "accuracy", "confidence"}
    assert np.allclose(measured["confidence"], jax.nn.softmax(OUTPUTS).max(axis=1))
    assert set(task(confidence).measure(OUTPUTS, LABELS)) == {"loss", "confidence"}


@pytest.mark.parametrize("how", ["function", "name", "keyword"])
def test_a_metric_called_loss_is_refused(how, tmp_path, monkeypatch):
    def loss(outputs, y):
        return outputs.max(axis=1)

    (tmp_path / "own_metrics.py").write_text("def loss(outputs, y):\n    return outputs.max(axis=1)\n")
    monkeypatch.syspath_prepend(tmp_path)
    metric = {
        "function": loss,
        "name": "own_metrics:loss",
        "keyword": Code(confidence, name="mine:loss", version=1),
    }[how]
    with pytest.raises(InputError, match=r"called loss.*rename the function"):
        task("accuracy", metric)
    assert set(task("loss", confidence).measure(OUTPUTS, LABELS)) == {"loss", "confidence"}


def test_metrics_by_qualified_name(tmp_path, monkeypatch):
    (tmp_path / "my_metrics.py").write_text("def top(outputs, y):\n    return outputs.max(axis=1)\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert set(Task(Data(Digits()), CrossEntropy(), "my_metrics:top").measure(OUTPUTS, LABELS)) == {
        "loss",
        "top",
    }


def test_metrics_are_no_part_of_the_identity_but_of_the_program():
    assert task().digest == task("accuracy").digest == task(confidence).digest
    assert jax.tree.structure(task()) != jax.tree.structure(task(confidence))
    assert task().digest != task(noise=0.1).digest
    assert task().digest != Task(Data(Digits()), CrossEntropy(0.1)).digest


def test_swept_numbers_are_leaves():
    assert jax.tree.leaves(task(noise=0.25)) == [0.25, 0.0]


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match="takes 10 outputs"):
        task().check((9,))
    with pytest.raises(InputError, match="did you mean 'accuracy'"):
        task("acuracy").check((10,))
    with pytest.raises(InputError, match="metric mean must give one float an example"):
        task(mean).check((10,))
    with pytest.raises(InputError, match="subset is 5000"):
        task(subset=5_000).check((10,))
    with pytest.raises(InputError, match="each name may occur once"):
        task("loss", "loss")
    with pytest.raises((InputError, TypeError), match=r"needs Data|data"):
        Task("digits", CrossEntropy())
    with pytest.raises((InputError, TypeError), match=r"needs a Loss|loss"):
        Task(Data(Digits()), "mse")


def test_regression_and_binary_tasks_know_their_width():
    x = np.zeros((10, 3), np.float32)
    real = Task(Data(from_arrays(x, x)), SquaredError())
    real.check((3,))
    assert (real.outputs, real.known_metrics((3,))) == (3, ("loss",))
    binary = Task(Data(from_arrays(x, np.arange(10) % 2)), BinaryCrossEntropy())
    binary.check((1,))
    assert binary.outputs == 1
    with pytest.raises(InputError, match="accuracy"):
        Task(Data(from_arrays(x, x)), SquaredError(), ("accuracy",)).check((3,))
