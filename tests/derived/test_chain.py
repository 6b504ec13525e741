import jax
import jax.numpy as jnp
import numpy as np
import pytest

from weightspace import platform
from weightspace.derived.chain import AffineLayer, chain_of, hidden_widths, outputs
from weightspace.errors import InputError
from weightspace.models.adapters.equinox import from_equinox
from weightspace.models.adapters.function import from_function
from weightspace.models.base import example, layout_of
from weightspace.models.zoo import make

KEY = jax.random.key(0, impl="threefry2x32")


def plain_init(key, x):
    a, b = jax.random.split(key)
    return {
        "w1": jax.random.normal(a, (x.shape[1], 5)),
        "b1": jnp.full(5, 0.3),
        "w2": jax.random.normal(b, (5, 2)),
    }


def plain_apply(weights, x):
    return jax.nn.relu(x @ weights["w1"] + weights["b1"]) @ weights["w2"]


def skip_apply(weights, x):
    h = jax.nn.relu(x @ weights["w1"] + weights["b1"])
    return h @ weights["w2"] + x[:, :2]


def equinox_mlp(*, key):
    import equinox as eqx

    return eqx.nn.MLP(3, 2, 7, 2, key=key)


def normal_weights(model, shape, seed=0):
    """Normal draws in the shapes of the model's weights, and its state's shapes."""
    rng = np.random.default_rng(seed)
    weights, state = jax.eval_shape(model.init, KEY, example(shape))

    def scaled(leaf):
        return (rng.normal(size=leaf.shape) / np.sqrt(leaf.shape[0])).astype(np.float32)

    return jax.tree.map(scaled, weights), state


def drawn(model, shape):
    x = np.random.default_rng(1).normal(size=(24, *shape))
    weights, state = normal_weights(model, shape)
    layout_of(model, shape, "float32")
    with platform.arithmetic("float64", "highest"):
        wide = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), weights)
        made, _ = model.apply(wide, state, jnp.asarray(x), train=False, key=KEY)
        return weights, x.reshape(24, -1), np.asarray(made).reshape(24, -1)


CHAINS = {
    "mlp": (make("mlp", (10,), 1), (10,), (10, 32, 32, 32)),
    "mlp of images": (make("mlp:widths=6", (2, 3, 1), 3), (2, 3, 1), (6, 6)),
    "mlp with a full first layer": (make("mlp:widths=6,first=linear", (4,), 1), (4,), (4, 6)),
    "fc": (make("fc:widths=8,5", (4,), 3), (4,), (8, 5)),
    # Twelve layers of one shape: only the order of the forward pass tells the tenth from the second.
    "deep fc": (make("fc:" + "widths=" + ",".join("4" * 12), (4,), 4), (4,), (4,) * 12),
    "functions": (from_function(plain_init, plain_apply), (3,), (5,)),
    "equinox": (from_equinox(equinox_mlp), (3,), (7, 7)),
}


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_computes_what_its_model_does(name):
    model, shape, widths = CHAINS[name]
    weights, x, expected = drawn(model, shape)
    chain = chain_of(model, weights, shape)
    assert hidden_widths(chain) == widths
    np.testing.assert_allclose(outputs(chain, x), expected, atol=1e-12)


def test_a_bias_alone_is_an_identity_layer():
    model, shape, _ = CHAINS["mlp"]
    first, *rest = chain_of(model, drawn(model, shape)[0], shape)
    assert first.matrix is None
    assert all(layer.matrix is not None for layer in rest)
    assert (first.inputs, first.units, first.singular_values().tolist()) == (10, 10, [1.0] * 10)


def test_points_in_many_blocks_give_what_they_give_alone(monkeypatch):
    chain = (AffineLayer(np.ones((3, 2)), np.zeros(3)), AffineLayer(np.ones((1, 3)), np.ones(1)))
    x = np.random.default_rng(0).normal(size=(11, 2))
    whole = outputs(chain, x)
    monkeypatch.setattr("weightspace.derived.chain._BLOCK", 12)
    np.testing.assert_array_equal(outputs(chain, x), whole)
    assert outputs(chain, x[:0]).shape == (0, 1)


REFUSED = {
    "another activation": (make("fc:widths=8,activation=tanh", (4,), 2), (4,), "does not compute"),
    "a leak": (make("fc:widths=8,activation=leaky_relu", (4,), 2), (4,), "does not compute"),
    "nearly ReLU": (make("fc:widths=8,activation=gelu", (4,), 2), (4,), "does not compute"),
    "skip connections": (from_function(plain_init, skip_apply), (3,), "skip connections"),
    "convolutions": (make("conv2", (8, 8, 1), 3), (8, 8, 1), "is a kernel of shape"),
    "normalisation": (make("resnet20", (8, 8, 3), 3), (8, 8, 3), "keeps a state"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_relu_chain_is_refused(name):
    model, shape, says = REFUSED[name]
    weights, _ = normal_weights(model, shape)
    with pytest.raises(InputError, match=says) as refusal:
        chain_of(model, weights, shape)
    assert "dense layers in sequence with ReLU between them" in str(refusal.value)


def test_weights_that_do_not_fit_or_diverged_are_refused():
    model = make("fc:widths=8", (4,), 2)
    weights, _ = normal_weights(model, (4,))
    wider, _ = normal_weights(make("fc:widths=9", (4,), 2), (4,))
    with pytest.raises(
        InputError, match=r"takes 'hidden/0/kernel' of shape \(4, 8\), which these weights lack"
    ):
        chain_of(model, wider, (4,))
    with pytest.raises(InputError, match="these weights lack"):
        chain_of(model, {"output": weights["output"]}, (4,))
    weights["output"]["bias"][0] = np.nan
    with pytest.raises(InputError, match="'output/bias' holds numbers that are not finite"):
        chain_of(model, weights, (4,))
