"""Fault 17: a user's loss or metric must give each example a number of its own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from weightspace.data import CosineProduct, Data, Task, from_arrays
from weightspace.errors import InputError
from weightspace.models.mixing import rows_apart
from weightspace.recipes.custom import custom_loss
from weightspace.recipes.losses import BinaryCrossEntropy, CrossEntropy, Loss, SquaredError
from weightspace.recipes.mixing import mixes
from weightspace.spec import spec

RNG = np.random.default_rng(1)
REAL, CLASSES = RNG.normal(size=8).astype(np.float32), np.arange(4, dtype=np.int32)


@pytest.fixture(autouse=True)
def as_users_have_it():
    """Without the strictness of tests, under which most of these fail at once."""
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        yield


def own(o, y):
    """Of fault 17: [batch, 1] less [batch] is [batch, batch]."""
    return jnp.mean((o - y) ** 2, axis=-1)


def centred(o, y):
    return (o[:, 0] - o.mean()) ** 2


def rolled(o, y):
    return (jnp.roll(o[:, 0], 1) - y) ** 2


def sorted_(o, y):
    return jnp.sort(jnp.abs(o[:, 0] - y))


def over_the_batch(o, y):
    return jax.nn.log_softmax(o, axis=0)[:, 0]


def broadcast_back(o, y):
    return jnp.broadcast_to(jnp.mean((o[:, 0] - y) ** 2), y.shape)


def pairs(o, y):
    return jnp.mean(jnp.abs(y[:, None] - y[None]), axis=1) + o[:, 0]


def hard_examples(o, y):
    losses = (o[:, 0] - y) ** 2
    return jnp.where(losses >= jnp.median(losses), losses, 0.0)


def share_of_the_batch(o, y):
    return (o[:, 0] - y) ** 2 / len(y)


def by_place(o, y):
    return o[:, 0] * jnp.arange(len(y))


def largest_target(o, y):
    return (o[:, 0] - y) ** 2 / jnp.max(jnp.abs(y))


def clipped(o, y):
    return o[:, 0] / jnp.maximum(1, jnp.linalg.norm(o))


def hidden_gradient(o, y):
    return o[:, 0] + o.mean() - jax.lax.stop_gradient(o.mean())


def slightly(o, y):
    return o[:, 0] + 1e-3 * o.mean()


def cumulated(o, y):
    return jnp.cumsum(o[:, 0])


def rare_threshold(o, y):
    return jnp.where((o > 50).any(), 0.0, o[:, 0])


def frequencies(o, y):
    return o[:, 0] * jnp.bincount(y, length=4)[y]


@pytest.mark.parametrize(
    "function",
    [
        own, centred, rolled, sorted_, broadcast_back, pairs, hard_examples, share_of_the_batch, by_place,
        largest_target, clipped, hidden_gradient, slightly, cumulated, rare_threshold,
    ],
    ids=lambda f: f.__name__,
)  # fmt: skip
def test_functions_that_mix(function):
    assert mixes(function, (1,), REAL) is not None


@pytest.mark.parametrize("function", [over_the_batch, frequencies], ids=lambda f: f.__name__)
def test_functions_that_mix_classes(function):
    assert mixes(function, (4,), CLASSES) is not None


def cross_entropy(o, y):
    return -jnp.take_along_axis(jax.nn.log_softmax(o), y[:, None], axis=1)[:, 0]


def hinge(o, y):
    return jnp.maximum(0.0, 1 - jnp.take_along_axis(o, y[:, None], axis=1)[:, 0])


def by_rank(o, y):
    return jax.vmap(lambda o, y: jnp.cumsum(jnp.sort(jax.nn.softmax(o)))[y])(o, y)


def right(o, y):
    return (o.argmax(axis=1) == y).astype(jnp.float32)


def product(o, y):
    return (o @ jnp.ones((4, 4)))[:, 0] * y


@pytest.mark.parametrize(
    "function", [cross_entropy, hinge, by_rank, right, product], ids=lambda f: f.__name__
)
def test_functions_of_classes_that_do_not(function):
    assert mixes(function, (4,), CLASSES) is None


def root(o, y):
    """An infinite slope behind a condition: no evidence."""
    return jnp.where(o[:, 0] > 0, jnp.sqrt(o[:, 0]), 0.0) + y


def logarithm(o, y):
    return -jnp.log(o[:, 0]) * jnp.abs(y)


def repeated(o, y):
    return jax.lax.while_loop(lambda c: c[1] < 3, lambda c: (c[0] * 0.5, c[1] + 1), (o[:, 0] - y, 0))[0]


@pytest.mark.parametrize("function", [root, logarithm, repeated], ids=lambda f: f.__name__)
def test_functions_of_numbers_that_do_not(function):
    assert mixes(function, (1,), REAL) is None


def test_rows_are_no_other_axis():
    assert rows_apart((), ()) == 5
    assert rows_apart((5, 6), (7,)) == 8
    # Three examples of three outputs would fit by chance.
    x = RNG.normal(size=(40, 2)).astype(np.float32)
    with pytest.raises(InputError, match=r"loss own fails on outputs \(4, 3\) and targets \(4,\)"):
        Task(Data(from_arrays(x, x[:, 0])), custom_loss(own)).check((3,))


def real_data():
    x = RNG.normal(size=(40, 2)).astype(np.float32)
    return Data(from_arrays(x, 2 * x[:, 0]))


def test_a_custom_loss_is_refused_with_what_to_do():
    message = (
        r"loss own mixes examples: .* targets of another; outputs are \[batch, 1\] and targets \[batch\]"
    )
    with pytest.raises(InputError, match=message + r".*outputs\[:, 0\]"):
        Task(real_data(), custom_loss(own)).check((1,))
    with pytest.raises(InputError, match=r"loss centred mixes examples: .* without sums, means"):
        Task(real_data(), custom_loss(centred)).check((1,))
    with pytest.raises(InputError, match="mixes"):
        Task(CosineProduct(), custom_loss(own)).check((1,))


def test_a_metric_is_refused():
    x = RNG.normal(size=(40, 2)).astype(np.float32)
    task = Task(Data(from_arrays(x, np.arange(40) % 4)), CrossEntropy(), (over_the_batch,))
    with pytest.raises(InputError, match="metric over_the_batch mixes examples"):
        task.check((4,))
    Task(task.data, CrossEntropy(), (right,)).check((4,))


def test_targets_that_are_all_alike_do_not_hide_it():
    x = RNG.normal(size=(40, 2)).astype(np.float32)
    for y in (np.zeros(40, np.float32), np.full(40, 5.0, np.float32)):
        with pytest.raises(InputError, match="mixes examples"):
            Task(Data(from_arrays(x, y)), custom_loss(own)).check((1,))


@spec
class Own(Loss):
    """A user's class of loss, whose metric mixes."""

    name = "own"

    def __call__(self, outputs, y):
        return (outputs[:, 0] - y) ** 2

    def width(self, data):
        return 1

    def check(self, data, outputs_shape):
        pass

    def metrics(self, outputs, y):
        return {"loss": self(outputs, y), "rank": jnp.argsort(outputs[:, 0]).astype(jnp.float32)}


def test_classes_of_losses_are_checked_too():
    with pytest.raises(InputError, match="own: rank mixes examples"):
        Task(real_data(), Own()).check((1,))


def test_our_own_losses_do_not_mix_whatever_the_shapes():
    column = REAL[:, None]
    bits = np.array([0, 1], np.int32)
    for loss, shape, y in (
        (SquaredError(), (1,), REAL), (SquaredError(), (), REAL), (SquaredError(), (1,), column),
        (SquaredError(), (), column), (SquaredError(), (1,), bits), (BinaryCrossEntropy(), (1,), bits),
        (BinaryCrossEntropy(), (), bits), (BinaryCrossEntropy(), (1,), bits[:, None].astype(np.float32)),
        (CrossEntropy(0.1), (4,), CLASSES),
    ):  # fmt: skip
        assert mixes(loss, shape, y) is None, (loss, shape, y.shape)
