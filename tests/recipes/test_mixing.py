"""Fault 17: a user's loss or metric must give each example a number of its own."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.builders import small_run
from weightspace.data import CosineProduct, Data, Task, from_arrays
from weightspace.errors import InputError
from weightspace.models.mixing import rows_apart
from weightspace.models.rows import path_between
from weightspace.recipes.base import Recipe
from weightspace.recipes.custom import custom_loss
from weightspace.recipes.losses import BinaryCrossEntropy, CrossEntropy, Loss, SquaredError
from weightspace.recipes.mixing import depends_on_size, mixes
from weightspace.recipes.optimisers import Sgd
from weightspace.spec import spec
from weightspace.sweeps.requests import batch_sizes

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


def only_known(o, y):
    """The mean over those that are not of class 9: nothing shows unless one is."""
    known = (y != 9).astype(o.dtype)
    return cross_entropy(o, y) * known / known.mean()


def balanced(o, y):
    return cross_entropy(o, y) * (1 + (y == 11).any())


def weighted(o, y):
    """Targets and weights as columns, few of the weights zero."""
    return y[:, 1] * (o[:, 0] - y[:, 0]) ** 2 / jnp.mean(y[:, 1])


def unless_far(o, y):
    return jnp.where((y[:, 0] > 90).any(), 0.0, (o[:, 0] - y[:, 0]) ** 2)


def few_classes(rare, classes):
    """Labels of which one class has two examples."""
    y = np.arange(400) % 5
    y[:2] = rare
    return Data(from_arrays(RNG.normal(size=(400, 2)), y, classes=classes))


def columns(column, value):
    y = RNG.normal(size=(400, 2)).astype(np.float32)
    y[:, 1] = 1
    y[37, column] = value
    return Data(from_arrays(y, y, y[:4], y[:4]))


@pytest.mark.parametrize(
    ("loss", "data", "shape"),
    [
        (only_known, lambda: few_classes(9, 10), (10,)),
        (balanced, lambda: few_classes(11, 300), (300,)),
        (weighted, lambda: columns(1, 0.0), (1,)),
        (unless_far, lambda: columns(0, 100.0), (1,)),
    ],
    ids=["a class from 8 on", "a rare one of many", "a rare weight", "an extreme target"],
)
def test_what_rare_targets_show(loss, data, shape):
    with pytest.raises(InputError, match=f"loss {loss.__name__} mixes examples: .* targets of another"):
        Task(data(), custom_loss(loss)).check(shape)


def hardest_sixteen(o, y):
    losses = cross_entropy(o, y)
    k = min(16, len(losses))
    return jnp.where(losses >= jnp.sort(losses)[-k], losses, 0.0) * len(losses) / k


def grows(o, y):
    return cross_entropy(o, y) * max(1, len(y) / 32)


def only_full(o, y):
    """Short batches are left as they are."""
    return cross_entropy(o, y) if len(y) < 100 else cross_entropy(o, y) - cross_entropy(o, y).mean()


@pytest.mark.parametrize("loss", [hardest_sixteen, grows, only_full], ids=lambda f: f.__name__)
def test_what_shows_in_batches_of_the_run_s_size(loss):
    y = np.arange(5, dtype=np.int32)
    assert depends_on_size(loss, (5,), y, (6, 7)) is None
    found = depends_on_size(loss, (5,), y, (6, 300))
    assert found == "the value of an example is another in a batch of 300 than in one of 6"


def test_a_task_tries_the_sizes_that_it_is_told():
    data = few_classes(3, 5)
    message = "grows mixes examples: the value of an example is another in a batch of 64 than in one of 6"
    for task in (Task(data, custom_loss(grows)), Task(data, CrossEntropy(), (grows,))):
        task.check((5,), (16,))
        with pytest.raises(InputError, match=message):
            task.check((5,), (16, 64))


def focal(o, y):
    right = jnp.take_along_axis(jax.nn.softmax(o), y[:, None], axis=1)[:, 0]
    return -((1 - right) ** 2) * jnp.log(right)


def of_classes(o, y):
    return jnp.asarray([0.5, 1, 1, 1, 7.0])[y] * cross_entropy(o, y)


def by_number(o, y):
    return -jax.nn.log_softmax(o)[jnp.arange(len(y)), y]


def among_three(o, y):
    return (jax.lax.top_k(o, 3)[1] == y[:, None]).any(axis=1).astype(o.dtype)


def huber(o, y):
    error = jnp.abs(o - jax.nn.one_hot(y, 5))
    return jnp.where(error < 1, error**2 / 2, error - 0.5).mean(axis=1)


def test_ordinary_losses_pass_on_all_sizes():
    for loss in (focal, of_classes, by_number, huber):
        assert mixes(loss, (5,), np.arange(5, dtype=np.int32)) is None, loss
        found = depends_on_size(loss, (5,), np.arange(5, dtype=np.int32), (1, 300))
        assert found is None, loss


def if_all_are_far(o, y):
    """No trial has such targets."""
    return jnp.where((jnp.abs(y) > 1e6).all(), 0.0, o[:, 0] - y)


def of_the_first(o, y):
    return o[:, 0] - 0 * jax.lax.stop_gradient(y[0])


def turned(o, y):
    return o[jnp.arange(len(y))[::-1], 0] * (y > 1e6)


def added(o, y):
    return o[:, 0] * (jnp.zeros(2).at[(y > 1e6).astype(jnp.int32)].add(1)[1] < 3)


def in_a_loop(o, y):
    return jax.lax.scan(lambda most, each: (jnp.maximum(most, each), most > 1e6), 0.0, y)[1] + o[:, 0]


@pytest.mark.parametrize(
    ("function", "by"),
    [
        (if_all_are_far, "reduce_and"), (of_the_first, "sub|mul"), (turned, "mul"), (added, "scatter-add"),
        (in_a_loop, "max"), (centred, "reduce_sum"), (sorted_, "sort"), (cumulated, "cumsum"),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)  # fmt: skip
def test_paths_in_the_program_itself(function, by):
    """They are there whatever the numbers."""
    rows = jax.ShapeDtypeStruct((7, 1), jnp.float32), jax.ShapeDtypeStruct((7,), jnp.float32)
    assert re.fullmatch(by, path_between(function, *rows))
    assert mixes(function, (1,), REAL) is not None


def placed(o, y):
    """One-hot by writing."""
    return (jnp.zeros_like(o).at[jnp.arange(len(y)), y].set(1) * o).sum(axis=1)


def one_by_one(o, y):
    return jax.lax.map(lambda pair: -jax.nn.log_softmax(pair[0])[pair[1]], (o, y))


def chosen(o, y):
    return jax.vmap(lambda o, y: jax.lax.switch(y, [lambda: o[0], lambda: o[1] * 2]))(o, y)


def middle(o, y):
    return jnp.median(o, axis=1) + jnp.einsum("bi,ij,bj->b", o, jnp.eye(12), o)


def until(o, y):
    """How many turns is the examples' affair: there is no verdict, and the trials find nothing."""
    return jax.vmap(lambda o: jax.lax.while_loop(lambda c: c > 1, lambda c: c / 2, jnp.abs(o[0])))(o)


@pytest.mark.parametrize(
    "function",
    [focal, by_number, among_three, hinge, by_rank, right, placed, one_by_one, chosen, middle, until],
    ids=lambda f: f.__name__,
)
def test_no_path_where_each_row_is_its_own(function):
    rows = jax.ShapeDtypeStruct((7, 12), jnp.float32), jax.ShapeDtypeStruct((7,), jnp.int32)
    assert path_between(function, *rows) is None


def test_a_sweep_tells_the_sizes_of_its_batches():
    """Parts of a batch, and what evaluation takes at once; a batch that would take gigabytes is left out."""
    recipe = Recipe(Sgd(0.1), "1it", batch=24, samples=2)
    run = small_run(recipe=recipe)
    assert batch_sizes(run) == (12, 500, len(run.task.data.arrays().test.y))
    assert depends_on_size(grows, (1 << 20,), CLASSES, (64,)) is None
