"""Fields of specs: one number where one is declared, a truth value, a list; what else is refused in words."""

import dataclasses

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

import weightspace as ws
from tests.builders import small_run
from weightspace.data import CosineProduct, from_arrays
from weightspace.errors import InputError, check_number
from weightspace.recipes.optimisers import RmsProp
from weightspace.recipes.schedules import Cosine, Steps
from weightspace.spec import Spec, spec, static

TWO = np.array([0.1, 2.0])
X, Y = np.arange(40.0).reshape(20, 2), np.arange(20) % 2
NUMBER, WHOLE = "but must be a number", "but must be a whole number"
EACH = "an array of shape [2], but must be a number; make one for each of the 2"


@pytest.fixture(autouse=True)
def as_users_have_it():
    """Without the types of tests, which refuse most of these in words of their own."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@spec
class Own(Spec):
    """A user's."""

    rate: float
    either: int | str = static(default=1)
    several: tuple[float, ...] = static(default=())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        # Arrays and lists, which would broadcast into the update.
        (lambda: ws.Sgd(TWO), f"Sgd.lr is {EACH}"),
        (lambda: ws.Sgd(jnp.asarray(TWO)), f"Sgd.lr is {EACH}"),
        (lambda: ws.Adam(0.1, b1=np.array([0.9, np.nan])), f"Adam.b1 is {EACH}"),
        (lambda: ws.Momentum(0.1, TWO), f"Momentum.momentum is {EACH}"),
        (lambda: RmsProp(0.1, decay=TWO[:, None]), "RmsProp.decay is an array of shape [2, 1]"),
        (lambda: ws.Decay(TWO), f"Decay.rate is {EACH}"),
        (lambda: ws.Recipe(ws.Sgd(1), "1it", clip=TWO), "Recipe.clip is an array of shape [2], but must be"),
        (lambda: ws.CrossEntropy(TWO), f"CrossEntropy.smoothing is {EACH}"),
        (lambda: ws.SquaredError(TWO[:1]), "an array of shape [1], but must be a number; give it without"),
        (lambda: Cosine(floor=TWO), f"Cosine.floor is {EACH}"),
        (lambda: CosineProduct(frequency=TWO), f"CosineProduct.frequency is {EACH}"),
        (lambda: ws.Data(from_arrays(X, Y), noise=TWO), "Data.noise is an array of shape [2]"),
        (lambda: Own(TWO), f"Own.rate is {EACH}"),
        (lambda: ws.Sgd([0.1]), f"Sgd.lr is [0.1], {NUMBER}; give it without a list"),
        (lambda: ws.Sgd(["a"]), f"Sgd.lr is ['a'], {NUMBER}"),
        (lambda: ws.Sgd((0.1, 0.2)), "make one for each of the 2"),
        # No numbers at all.
        (lambda: ws.Sgd(None), f"Sgd.lr is None, {NUMBER}"),
        (lambda: ws.Sgd({"a": 1}), f"Sgd.lr is {{'a': 1}}, {NUMBER}"),
        (lambda: ws.Sgd(1j), f"Sgd.lr is 1j, {NUMBER}"),
        (lambda: ws.Sgd(np.bool_(True)), f"Sgd.lr is True, {NUMBER}"),
        (lambda: ws.Sgd(ws.Sgd(0.1)), f"Sgd.lr is Sgd(lr=0.1), {NUMBER}"),
        (lambda: ws.SquaredError(None), f"SquaredError.factor is None, {NUMBER}"),
        (lambda: ws.Data(from_arrays(X, Y), noise="0.1"), f"Data.noise is '0.1', {NUMBER} or None"),
        (lambda: ws.Recipe(ws.Sgd(0.1), "1it", batch=None), f"Recipe.batch is None, {WHOLE}"),
        (lambda: ws.Recipe(ws.Sgd(0.1), "1it", batch=[16]), f"Recipe.batch is [16], {WHOLE}"),
        (lambda: ws.Recipe(ws.Sgd(0.1), "1it", batch=np.inf), f"Recipe.batch is inf, {WHOLE}"),
        (lambda: ws.Data(from_arrays(X, Y), subset=3.5), f"Data.subset is 3.5, {WHOLE}"),
        (lambda: ws.Seeds(None), f"Seeds.base is None, {WHOLE}"),
        (lambda: ws.Seeds(0, order=[1, 2]), f"Seeds.order is [1, 2], {WHOLE} or None"),
        (lambda: Own(1.0, either=None), f"Own.either is None, {WHOLE} or text"),
        (lambda: Own(1.0, several=(1.0, None)), f"Own.several[1] is None, {NUMBER}"),
        # Truth values and lists.
        (lambda: ws.Momentum(0.1, nesterov="no"), "Momentum.nesterov is 'no', but must be True or False"),
        (lambda: ws.Decay(0.1, decoupled=None), "Decay.decoupled is None, but must be True or False"),
        (lambda: ws.Evaluation("test"), "Evaluation.splits is 'test', but must be a list; give ('test',)"),
        (lambda: Steps(3.0), "Steps.boundaries is 3.0, but must be a list; give (3.0,) for one"),
        # Numbers that are given to functions.
        (lambda: from_arrays(X, Y, full_scale=TWO), "full_scale is an array of shape [2], but must be"),
        (lambda: from_arrays(X, Y, classes="2"), "classes is '2', but must be a whole number or None"),
        (lambda: from_arrays(X, Y, classes=2.5), f"classes is 2.5, {WHOLE}"),
        (lambda: check_number("lanes", "4", least=1), "lanes is '4', but must lie in [1, inf)"),
    ],
)  # fmt: skip
def test_what_is_no_number_is_refused_in_one_sentence(make, message):
    with pytest.raises(InputError) as caught:
        make()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


def test_one_number_is_taken_whatever_holds_it():
    plain = ws.Sgd(0.5)
    for given in (np.float32(0.5), np.array(0.5), jnp.float32(0.5), jnp.bfloat16(0.5), np.array(0.5)[()]):
        assert ws.Sgd(given).digest == plain.digest
        assert type(ws.Sgd(given).lr) is float
    assert ws.Seeds(np.array(3), order=jnp.int32(7)) == ws.Seeds(3, order=7)
    assert ws.Momentum(0.1, nesterov=np.bool_(True)) == ws.Momentum(0.1, nesterov=True)
    assert Own(1.0, either="a").either == "a"
    assert Own(1.0, several=np.array([1, 2])).several == (1.0, 2.0)
    assert from_arrays(X, Y, classes=2.0) == from_arrays(X, Y, classes=2)
    assert type(from_arrays(X, Y, classes=2.0).loaded.classes) is int


def test_tracers_and_outputs_of_other_nodes_pass():
    def traced(lr):
        assert check_number("lr", lr, least=0) is None
        return dataclasses.replace(ws.Sgd(0.1), lr=lr).lr * 2

    assert jax.jit(traced)(jnp.float32(0.25)) == 0.5
    run = small_run()
    output = run.final()
    assert ws.Sgd(output).lr is output
    assert jax.tree.map(lambda leaf: leaf, ws.Sgd(output)).lr is output


def test_bounds_hold_for_arrays_of_no_axes_too():
    for bad in (np.array(np.nan), jnp.float32(-1), np.array([0.1, np.nan])):
        with pytest.raises(InputError, match=r"rate is .*, but must lie in \[0, 1\]"):
            check_number("rate", bad, least=0, most=1)
    check_number("rate", None, least=0)
    check_number("rate", np.array(0.5), least=0, most=1)
