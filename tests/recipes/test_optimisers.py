import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tests.builders import small_run
from weightspace.errors import InputError
from weightspace.models.base import layout_of
from weightspace.recipes.base import Decay, Recipe
from weightspace.recipes.optimisers import Adam, AdamLegacy, Sgd, make_optimiser, names
from weightspace.spaces.affine import Affine
from weightspace.spaces.bases.gaussian import Gaussian
from weightspace.spaces.full import Full
from weightspace.spaces.supermask import Supermask
from weightspace.sweeps.requests import Request, check_run


def trajectory(transformation, gradients):
    state = transformation.init(gradients[0])
    found = []
    with jax.numpy_dtype_promotion("standard"):
        for g in gradients:
            update, state = transformation.update(g, state, g)
            found.append(update)
    return np.stack(found)


GRADIENTS = [jnp.asarray(np.random.default_rng(t).normal(size=5), jnp.float32) for t in range(6)]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("sgd", optax.sgd(1.0)),
        ("momentum", optax.sgd(1.0, momentum=0.9)),
        ("adam", optax.adam(1.0)),
        ("rmsprop", optax.rmsprop(1.0)),
    ],
)
def test_directions_are_optax_s(ours, theirs):
    got = trajectory(make_optimiser(ours, 0.1).direction(), GRADIENTS)
    np.testing.assert_allclose(got, -trajectory(theirs, GRADIENTS), rtol=1e-6)


def test_legacy_adam_has_the_multiplier_curve_of_the_original():
    """Of the degrees-of-freedom code: 1.0, 2.06, 1.4, 1.0, 0.40 at t = 1, 10, 50, 100, 1000."""
    constant = [jnp.ones(3)] * 1000
    true = trajectory(Adam(1.0, eps=1e-12).direction(), constant)
    legacy = trajectory(AdamLegacy(1.0, eps=1e-12).direction(), constant)
    ratio = (legacy / true)[:, 0]
    for t, expected in {1: 1.0, 10: 2.06, 50: 1.4, 100: 1.0, 1000: 0.40}.items():
        assert ratio[t - 1] == pytest.approx(expected, rel=0.03)
    t = np.arange(1, 1001)
    closed = (1 - 0.9**t) / 0.1 * np.sqrt(0.001 / (1 - 0.999**t))
    np.testing.assert_allclose(ratio, closed, rtol=1e-3)


def test_unknown_names_suggest_the_nearest():
    with pytest.raises(InputError, match="did you mean 'momentum'"):
        make_optimiser("momentun", 0.1)


@pytest.mark.parametrize("name", names())
def test_negative_rates_are_refused(name):
    with pytest.raises(InputError, match="lr is -1"):
        make_optimiser(name, -1.0)


SELECTORS = {
    "plural": ("kernels", Full(), r"'kernels' selects no leaf \(select of Decay\); did you mean 'kernel'\?"),
    "part of an alternative": ("kernel|biass", Full(), r"'biass' selects no leaf .* did you mean 'bias'\?"),
    "path": ("hidden/0/kernle", Full(), r"did you mean 'hidden/0/kernel'\?"),
    "module": ("hidden/0", Full(), r"did you mean 'hidden/0/\*'\?.*There are the kinds kernel, bias, output"),
    "kind that there is not": ("scale", Full(), "'scale' selects no leaf"),
    "empty": ("", Full(), "'' selects no leaf"),
    "not of these coordinates": ("kernel", Affine(Gaussian(4)), "and the leaves theta"),
    "nor of these": ("bias", Supermask(), "There are the kinds kernel, output"),
}


@pytest.mark.parametrize(("selector", "space", "message"), SELECTORS.values(), ids=SELECTORS)
def test_a_decay_that_selects_nothing_is_refused_before_tracing(selector, space, message):
    run = small_run(space=space, recipe=Recipe(Sgd(0.1), "1it", batch=64, decay=Decay(0.5, select=selector)))
    with pytest.raises(InputError, match=message):
        check_run(Request(run))


@pytest.mark.parametrize("selector", ["kernel", "kernel | bias", "*", "output", "hidden/0/*"])
def test_a_decay_that_selects_something_is_taken(selector):
    run = small_run(recipe=Recipe(Sgd(0.1), "1it", batch=64, decay=Decay(0.5, select=selector)))
    run.recipe.check(run.space.coordinates(layout_of(run.model, tuple(run.task.data.shape), "float32")))
