import functools
import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import lax

from tests.models import nets
from weightspace import tree
from weightspace.errors import InputError
from weightspace.models import zoo
from weightspace.models.base import Model, example, layout_of
from weightspace.models.pooling import overlapping_max_pool
from weightspace.models.zoo.parts import ACTIVATIONS

KEY = jax.random.key(0, impl="threefry2x32")
MNIST, CIFAR, DIGITS = (28, 28, 1), (32, 32, 3), (8, 8, 1)

# The tables of the papers, and counts by hand.
SIZES = {
    ("conv2", MNIST, 10): 20_490,
    ("conv2", CIFAR, 10): 25_578,
    ("conv2", CIFAR, 100): 209_988,
    ("conv3", MNIST, 10): 61_514,
    ("conv3", CIFAR, 10): 66_570,
    ("conv3", CIFAR, 100): 158_820,
    ("conv4", MNIST, 10): 130_890,
    ("conv4", CIFAR, 10): 135_306,
    ("conv4", CIFAR, 100): 181_476,
    ("resnet20", MNIST, 10): 272_186,
    ("resnet20", CIFAR, 10): 272_474,
    ("resnet20", CIFAR, 100): 278_324,
    ("cresnet20", CIFAR, 10): 272_464,
    ("cresnet", CIFAR, 10): 272_464,
    ("cresnet:norm=group", CIFAR, 10): 272_464,
    ("wide_resnet", CIFAR, 100): 3_110_148,
    ("resnet18_64", (64, 64, 3), 200): 11_271_232,
    ("resnet50", (224, 224, 3), 1000): 25_556_032,
    ("wrn50_2", (224, 224, 3), 1000): 68_882_240,
    ("mlp", (10,), 1): 2_507,
    ("fc", MNIST, 10): 266_610,
    ("fc", DIGITS, 10): 65 * 300 + 301 * 100 + 101 * 10,
    ("conv2", DIGITS, 10): 160 + 4_640 + 129 * 10,
    ("fc:widths=16", DIGITS, 10): 65 * 16 + 17 * 10,
    ("mlp:first=linear", (10,), 1): 2_507 + 100,
    ("mlp:first=random", (10,), 1): 2_507 + 100,
    ("mlp2", (10,), 1): 395,
    ("mlp:widths=512", MNIST, 1): 784 + 785 * 512 + 513,
    ("identity_cnn", CIFAR, 1): 1_080_577,
    ("identity_cnn", MNIST, 1): 784 + 26 * 96 + (25 * 96 + 1) * 384 + 385 * 384 * 1 + 385,
    ("lth_conv2", CIFAR, 10): 4_301_642,
    ("lth_conv4", CIFAR, 10): 2_425_930,
    ("lth_conv6", CIFAR, 10): 2_262_602,
    ("mnist_fc", MNIST, 10): 26_634,
    ("mnist_cnn", MNIST, 10): 16_254,
    ("cifar10_cnn", CIFAR, 10): 289_214,
    ("mnist_fc:norm=false", MNIST, 10): 26_432 + 74,
    ("cifar10_cnn:norm=false", CIFAR, 10): 287_840 + 458,
}

SMALL = {
    "fc": "fc:widths=5,4",
    "conv2": "conv2:channels=3,4",
    "conv3": "conv3:channels=2,3,4",
    "conv4": "conv4:channels=2,3",
    "resnet20": "resnet20:widths=3,4,blocks=1",
    "resnet18_64": "resnet18_64:widths=3,4,blocks=1",
    "cresnet20": "cresnet20:depth=8,width=3",
    "cresnet": "cresnet:depth=8,width=4,norm=group,groups=2",
    "wide_resnet": "wide_resnet:widen=1,blocks=1",
    "resnet50": "resnet50:widths=2,3,blocks=1,1",
    "wrn50_2": "wrn50_2:widths=2,3,blocks=1,1",
    "mlp": "mlp:widths=5,4",
    "mlp2": "mlp2:widths=6",
    "identity_cnn": "identity_cnn:channels=4",
    "lth_conv2": "lth_conv2:width=2",
    "lth_conv4": "lth_conv4:width=2",
    "lth_conv6": "lth_conv6:width=2",
    "mnist_fc": "mnist_fc:widths=5,4,dropout=0.1",
    "mnist_cnn": "mnist_cnn:filters=3,4,widths=5",
    "cifar10_cnn": "cifar10_cnn:filters=2,2,3,4",
}

STUDY = ("mnist_fc", "mnist_cnn", "cifar10_cnn")
"""Networks with batch norm; the last two normalise their outputs."""


def init(model, count=4, seed=0):
    x = jnp.asarray(np.random.default_rng(seed).normal(size=(count, *model.shape)), jnp.float32)
    weights, state = jax.jit(model.init)(KEY, x)
    return weights, state, x


@functools.partial(jax.jit, static_argnums=0, static_argnames="train")
def outputs(model, weights, state, x, *, train=False):
    return model.apply(weights, state, x, train=train, key=KEY)


@pytest.mark.parametrize(("row", "size"), SIZES.items(), ids=str)
def test_the_number_of_weights_is_that_of_the_tables(row, size):
    model = zoo.make(*row)
    weights, _ = jax.eval_shape(model.init, KEY, example(model.shape))
    assert tree.size(weights) == size


@pytest.mark.parametrize("name", SMALL)
def test_every_model_trains(name):
    model = zoo.make(SMALL[name], DIGITS, 3)
    weights, state, x = init(model)

    @jax.jit
    @functools.partial(jax.value_and_grad, has_aux=True)
    def loss(weights):
        outputs, after = model.apply(weights, state, x, train=True, key=KEY)
        return jnp.sum(outputs**2), (outputs, after)

    (before, (made, after)), gradient = loss(weights)
    assert made.shape == (4, 3)
    assert jax.tree.structure(after) == jax.tree.structure(state)
    weights, gradient = jax.device_get((weights, gradient))
    for path, leaf in tree.flat_dict(gradient).items():
        assert np.isfinite(leaf).all(), path
        assert leaf.any(), path
    rate = np.float32(0.01 / np.sqrt(sum(np.sum(leaf**2) for leaf in jax.tree.leaves(gradient))))
    assert loss(jax.tree.map(lambda w, g: w - rate * g, weights, gradient))[0][0] < before


@pytest.mark.parametrize("name", SMALL)
def test_layouts(name):
    model = zoo.make(SMALL[name], DIGITS, 3)
    layout = model.layout(example(DIGITS))
    kinds = {leaf.kind for leaf in layout}
    normed = "resnet" in name or name == "wrn50_2" or name in STUDY
    unbiased = name in ("resnet18_64", "resnet50", "wrn50_2") or "cresnet" in name
    assert kinds == {"kernel"} | ({"scale", "shift"} if normed else set()) | (set() if unbiased else {"bias"})
    last = ["output/kernel"] if unbiased else ["output/kernel", "output/bias"]
    assert [leaf.path for leaf in layout if leaf.output] == last
    assert all(leaf.shape[leaf.out_axis] == leaf.shape[-1] for leaf in layout)
    assert layout.leaves[-1].path == ("end/norm/bias" if name in STUDY[1:] else last[-1])


def test_layers_of_the_resnet_stand_in_forward_order():
    blocks = zoo.make("resnet20:widths=2,3", CIFAR, 10).layout(example(CIFAR)).paths("blocks/*/conv_?/kernel")
    assert blocks == tuple(f"blocks/{block}/conv_{conv}/kernel" for block in range(6) for conv in (1, 2))


@pytest.mark.parametrize("name", zoo.names())
def test_a_model_is_known_by_its_name(name):
    model = zoo.make(SMALL[name], DIGITS, 3)
    assert model.name == SMALL[name]
    assert zoo.make(model.name, DIGITS, 3) == model
    assert zoo.make(name, CIFAR, 3).name == name
    assert zoo.make(name, CIFAR, 3) != model
    assert hash(zoo.make(name, CIFAR, 3)) == hash(zoo.make(name, list(CIFAR), 3))
    assert "\n" not in zoo.describe(name)
    assert zoo.describe(name)


def test_the_identity_is_the_fields_and_no_source():
    assert zoo.make("conv2", MNIST, 10).canonical == {
        "kind": "models.Conv2",
        "version": 1,
        "shape": [28, 28, 1],
        "outputs": 10,
        "channels": [16, 32],
        "pool": "average",
        "activation": "relu",
    }


def test_conv2_is_what_the_sheet_says():
    model = zoo.make("conv2", MNIST, 10)
    weights, state, x = init(model)

    @jax.jit
    def by_hand(weights, y):
        for number in ("0", "1"):
            layer = weights["convs"][number]
            numbers = ("NHWC", "HWIO", "NHWC")
            y = lax.conv_general_dilated(y, layer["kernel"], (1, 1), "SAME", dimension_numbers=numbers)
            y = jnp.maximum(y + jnp.expand_dims(layer["bias"], (0, 1, 2)), 0)
            y = lax.reduce_window(y, 0.0, lax.add, (1, 2, 2, 1), (1, 2, 2, 1), "VALID") / 4
        return y.reshape(4, -1) @ weights["output"]["kernel"] + weights["output"]["bias"][None]

    np.testing.assert_allclose(
        outputs(model, weights, state, x)[0], by_hand(weights, x), rtol=1e-4, atol=1e-5
    )


def test_pool_and_activation_are_options():
    models = [zoo.make(f"conv2{option}", DIGITS, 3) for option in ("", ":pool=max", ":activation=tanh")]
    weights, state, x = init(models[0])
    made = jax.jit(lambda w: [m.apply(w, state, x, train=False, key=KEY)[0] for m in models])(weights)
    assert not np.allclose(made[0], made[1])
    assert not np.allclose(made[0], made[2])


def test_kernels_are_lecun_normal_cut_at_two_deviations_and_biases_zero():
    weights = tree.flat_dict(jax.device_get(init(zoo.make("fc", MNIST, 10), 1)[0]))
    kernel = weights["hidden/0/kernel"]
    assert kernel.std() == pytest.approx(784**-0.5, rel=0.01)
    assert np.abs(kernel).max() <= 2 * 784**-0.5 / 0.8796
    assert not any(leaf.any() for path, leaf in weights.items() if path.endswith("bias"))


GAINS = {"he": 2.0, "glorot": 2 * 784 / (784 + 300), "lecun": 1.0, "torch": 1 / 3}


@pytest.mark.parametrize("name", ["lecun_uniform", "he_normal", "glorot_uniform", "torch"])
def test_initialisers_have_their_variance(name):
    weights = jax.device_get(init(zoo.make(f"fc:initialiser={name}", MNIST, 10), 1)[0])
    variance = GAINS[name.split("_")[0]] / 784
    assert weights["hidden"]["0"]["kernel"].var() == pytest.approx(variance, rel=0.02)
    bias = weights["hidden"]["0"]["bias"]
    assert (bias.var() == pytest.approx(variance, rel=0.2)) == (name == "torch")


def test_mlp_draws_weights_and_biases_uniformly_by_fan_in():
    keys = jax.random.split(KEY, 200)
    model = zoo.make("mlp", (10,), 1)
    weights, _ = jax.jit(lambda keys: jax.vmap(model.init, (0, None))(keys, example((10,))))(keys)
    drawn = tree.flat_dict(jax.device_get(weights))
    layout = model.layout(example((10,)))
    for leaf in layout:
        fan_in = layout[leaf.module + "/kernel"].fan_in if leaf.module != "first" else 10
        assert np.abs(drawn[leaf.path]).max() <= fan_in**-0.5
        assert drawn[leaf.path].std() == pytest.approx((3 * fan_in) ** -0.5, rel=0.1)


def test_the_gradient_to_the_first_bias_is_the_gradient_to_the_input():
    """Loukas et al. (2021), Lemma 1 with an identity for the first matrix."""
    model = zoo.make("mlp", (10,), 1)
    weights, state, x = init(model, 1)

    def f(weights, x):
        return model.apply(weights, state, x, train=True, key=KEY)[0][0, 0]

    by_weights, by_input = jax.jit(jax.grad(f, (0, 1)))(weights, x)
    assert np.array_equal(by_weights["first"]["bias"], by_input[0])
    assert by_input.any()


def test_a_random_first_matrix_is_in_the_outputs_and_never_trained():
    model = zoo.make("mlp:widths=7,first=random", (6,), 1)
    weights, state, x = init(model)

    def loss(weights):
        return jnp.sum(model.apply(weights, state, x, train=True, key=KEY)[0] ** 2)

    gradient = jax.jit(jax.grad(loss))(weights)["first"]
    assert not gradient["kernel"].any()
    assert gradient["bias"].any()
    linear = zoo.make("mlp:widths=7,first=linear", (6,), 1)
    assert np.array_equal(outputs(model, weights, state, x)[0], outputs(linear, weights, state, x)[0])


def test_the_bias_for_each_pixel_tells_the_gradient_to_the_image():
    model = zoo.make("identity_cnn:channels=3", DIGITS, 1)
    weights, state, x = init(model, 1)

    def f(weights, x):
        return model.apply(weights, state, x, train=True, key=KEY)[0][0, 0]

    by_weights, by_input = jax.jit(jax.grad(f, (0, 1)))(weights, x)
    np.testing.assert_array_equal(by_weights["first"]["bias"], by_input.ravel())
    assert by_input.any()


def test_identity_cnn_is_what_the_sheet_says():
    model = zoo.make("identity_cnn:channels=3,5", (32, 35, 2), 1)
    weights, state, x = init(model, 2)

    @jax.jit
    def by_hand(weights, y):
        y = jnp.maximum(y.reshape(2, -1) + weights["first"]["bias"][None], 0).reshape(y.shape)
        for number in ("0", "1"):
            layer = weights["convs"][number]
            numbers = ("NHWC", "HWIO", "NHWC")
            y = lax.conv_general_dilated(y, layer["kernel"], (1, 1), "VALID", dimension_numbers=numbers)
            y = jnp.maximum(y + jnp.expand_dims(layer["bias"], (0, 1, 2)), 0)
            y = lax.reduce_window(y, -jnp.inf, lax.max, (1, 3, 3, 1), (1, 3, 3, 1), "VALID")
        for name in ("hidden", "output"):
            y = y.reshape(2, -1) @ weights[name]["kernel"] + weights[name]["bias"][None]
            y = jnp.maximum(y, 0) if name == "hidden" else y
        return y

    made, expected = outputs(model, weights, state, x)[0], by_hand(weights, x)
    np.testing.assert_allclose(made, expected, rtol=1e-4, atol=1e-6)


def test_dropout_in_the_gradient_leaves_the_outputs_whole():
    """In training half of the hidden units are dropped: of outputs and gradient, or of the gradient alone."""
    names = ("mlp:widths=64", "mlp:widths=64,dropout=0.5", "mlp:widths=64,dropout=0.5,dropout_in=gradient")
    whole, forward, backward = (zoo.make(name, (6,), 1) for name in names)
    weights, state, x = init(whole, 1)

    def found(model, train=True):
        def value(weights):
            return model.apply(weights, state, x, train=train, key=KEY)[0][0, 0]

        return jax.device_get(jax.jit(jax.value_and_grad(value))(weights))

    (full, gradient), (thin, _), (kept, thinned) = (found(model) for model in (whole, forward, backward))
    assert kept == pytest.approx(full, rel=1e-6)
    assert thin != pytest.approx(full, rel=1e-3)
    for model in (forward, backward):
        assert found(model, train=False)[0] == pytest.approx(full, rel=1e-6)
    # The last layer is given the units as they are; what goes back through them is dropped, or doubled.
    np.testing.assert_allclose(thinned["output"]["kernel"], gradient["output"]["kernel"], rtol=1e-5)
    hidden, thin_hidden = (g["hidden"]["0"]["bias"] for g in (gradient, thinned))
    left = thin_hidden != 0
    assert 0.25 < left[hidden != 0].mean() < 0.75
    np.testing.assert_allclose(thin_hidden[left], 2 * hidden[left], rtol=1e-5)


def test_a_linear_first_layer_with_the_identity_is_the_bias_alone():
    shift, linear = (zoo.make(f"mlp:first={first}", (10,), 1) for first in ("identity", "linear"))
    weights, state, x = init(shift)
    with_matrix = weights | {"first": weights["first"] | {"kernel": jnp.eye(10)}}
    expected = outputs(shift, weights, state, x)[0]
    np.testing.assert_allclose(outputs(linear, with_matrix, state, x)[0], expected, rtol=1e-5, atol=1e-6)


def test_normalisation_is_that_of_flax():
    from flax import nnx

    from weightspace.models.zoo.parts import norm

    x = jnp.asarray(np.random.default_rng(0).normal(3, 2, (5, 4, 4, 6)), jnp.float32)
    ours, theirs = norm(6, 0.9, nnx.Rngs(0)), nnx.BatchNorm(6, momentum=0.9, epsilon=1e-5, rngs=nnx.Rngs(0))
    with jax.numpy_rank_promotion("allow"):
        for test in (False, True, True):
            for module in (ours, theirs):
                module.scale[...] = jnp.arange(1.0, 7.0)
                module.bias[...] = jnp.arange(6.0)
                module.use_running_average = test
            np.testing.assert_allclose(ours(x), theirs(x), rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(ours.mean[...], theirs.mean[...], rtol=1e-5)
        np.testing.assert_allclose(ours.var[...], theirs.var[...], rtol=1e-5)
        assert ours(x.astype(jnp.bfloat16)).dtype == jnp.bfloat16


@pytest.mark.parametrize("name", ["conv2", "resnet20", "fc"])
@pytest.mark.parametrize("dtype", ["bfloat16", "float64"])
def test_models_compute_in_the_type_of_their_weights(name, dtype):
    model = zoo.make(SMALL[name], DIGITS, 3)
    x = example(DIGITS)
    weights, state = jax.eval_shape(model.init, KEY, x)
    with jax.enable_x64(dtype == "float64"):
        weights, state = jax.eval_shape(lambda *arrays: tree.cast(arrays, dtype), weights, state)
        text = str(jax.make_jaxpr(functools.partial(model.apply, train=True, key=KEY))(weights, state, x))
    products = [line for line in text.splitlines() if " dot_general[" in line or " convolution[" in line]
    short = {"bfloat16": "bf16[", "float64": "f64["}[dtype]
    assert products
    assert all(f":{short}" in line for line in products)


def test_statistics_of_the_batch_normalise_each_channel():
    model = zoo.make("resnet20:widths=3,blocks=1", DIGITS, 3)
    weights, after, x = init(model, 64)
    for _ in range(60):
        _, after = outputs(model, weights, after, x, train=True)
    order = []

    def activations(state):
        found = model.intermediates(weights, state, x)
        order.extend(found)
        return found

    found = jax.jit(activations)(after)
    first = found["stem_norm"]
    first = np.asarray(first)
    np.testing.assert_allclose(first.mean((0, 1, 2)), 0, atol=0.02)
    np.testing.assert_allclose(first.std((0, 1, 2)), 1, atol=0.02)
    assert order[:2] == ["stem_conv", "stem_norm"]
    assert order[-2:] == ["output", ""]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name):
    model = zoo.make(f"fc:widths=4,activation={name}", (3,), 2)
    weights, state, x = init(model)

    @jax.jit
    def both(weights):
        hidden = ACTIVATIONS[name](model.intermediates(weights, state, x)["hidden/0"])
        expected = hidden @ weights["output"]["kernel"] + weights["output"]["bias"][None]
        return expected, model.apply(weights, state, x, train=False, key=KEY)[0]

    np.testing.assert_allclose(*both(weights), rtol=1e-5, atol=1e-6)


ERRORS = {
    "a misspelt name": ("conv22", DIGITS, "unknown model 'conv22'; did you mean 'conv2'"),
    "a misspelt name with options": ("conv22:pool=max", DIGITS, "unknown model 'conv22'"),
    "no such module": ("nowhere.at_all:net", DIGITS, "cannot import module 'nowhere.at_all'"),
    "a misspelt option": (
        "fc:width=3",
        DIGITS,
        "no option 'width'; did you mean 'widths'.*activation .a name",
    ),
    "a word for a number": ("fc:widths=3,b", DIGITS, "option 'widths' is 'b', but must be a whole number"),
    "two values for one": ("resnet20:blocks=1,2", DIGITS, "option 'blocks' is '1,2', but must be a whole"),
    "an option twice": ("fc:widths=3,widths=4", DIGITS, "option 'widths' is given twice"),
    "no equals sign": ("fc:3", DIGITS, "'3' is no option; write name=value"),
    "an unknown pool": ("conv2:pool=avrage", DIGITS, "unknown pool 'avrage'; did you mean 'average'"),
    "an unknown first layer": (
        "mlp:first=identty",
        (10,),
        "unknown first layer 'identty'; did you mean 'identity'",
    ),
    "an unknown place of dropout": (
        "mlp:dropout=0.5,dropout_in=backward",
        (10,),
        "unknown dropout_in 'backward'; did you mean 'forward'",
    ),
    "dropout of everything": ("mlp:dropout=1", (10,), "dropout is 1.0, but must lie in"),
    "convolutions of a small image": (
        "identity_cnn:channels=3,4",
        DIGITS,
        "identity_cnn with 2 convolutions needs larger images than 8 × 8",
    ),
    "a width of zero": ("fc:widths=4,0", DIGITS, "each of widths is 0, but must lie in"),
    "momentum of one": ("resnet20:momentum=1", DIGITS, "momentum is 1"),
    "halving a small image": ("mnist_cnn:filters=2,2,2,2,2", DIGITS, "at least 16 × 16, but they are 8 × 8"),
    "no filters": ("cifar10_cnn:filters=0", DIGITS, "each of filters is 0"),
    "pools on a small image": ("conv4", DIGITS, "must be at least 16 × 16, but they are 8 × 8"),
    "a vector for an image": ("conv2", (10,), r"conv2 needs images .*shape \(10,\); fc takes any shape"),
    "a vector for a resnet": ("resnet20", (10,), "resnet20 needs images"),
    "no axis": ("fc", (), "needs examples with at least one axis"),
}


@pytest.mark.parametrize(("name", "shape", "text"), ERRORS.values(), ids=ERRORS)
def test_what_cannot_be_made_is_said(name, shape, text):
    with pytest.raises(InputError, match=text):
        zoo.make(name, shape, 10)


def test_no_outputs_are_refused():
    with pytest.raises(InputError, match="outputs is 0"):
        zoo.make("fc", DIGITS, 0)


def test_inputs_of_another_shape_are_refused_before_tracing():
    model = zoo.make("conv2", MNIST, 10)
    for call in (
        lambda: model.layout(example(CIFAR)),
        lambda: model.init(KEY, example(CIFAR)),
        lambda: model.apply({}, {}, jnp.ones((2, *DIGITS)), train=False, key=KEY),
    ):
        with pytest.raises(InputError, match=r"made for examples of shape \(28, 28, 1\), but was given"):
            call()


USERS = {
    "nnx class": ("NnxHead", 8),
    "nnx class with an option": ("NnxHead:scale=2.5", 8),
    "nnx factory": ("nnx_factory", 8),
    "nnx class of a factory": ("nnx_class_factory", 8),
    "linen class": ("LinenHead", 8),
    "linen module": ("LINEN_INSTANCE", 8),
    "linen factory": ("linen_factory", 8),
    "equinox class": ("EquinoxHead", 8),
    "equinox factory": ("equinox_factory", 8),
    "equinox with state": ("equinox_with_state", 16 + 8 + 10),
    "weightspace factory": ("zoo_factory:width=6", 4 * 6 + 7 * 2),
    "a function of rngs, of a factory": ("function_of_rngs", 8),
    "a function of a key, of a factory": ("function_of_key", 8),
    "a function of nothing, of a factory": ("function_of_nothing", 8),
    "a function of a function of a factory": ("function_of_functions", 8),
    "linen class of a factory": ("linen_class", 8),
    "a partial of an nnx class": ("PARTIAL_NNX", 8),
    "a partial with an option": ("PARTIAL_NNX:scale=3", 8),
    "a partial of an equinox class": ("PARTIAL_EQUINOX", 8),
    "a partial of a linen class": ("PARTIAL_LINEN", 8),
    "a partial of a factory": ("gives_a_partial", 8),
    "nnx of rng": ("nnx_of_rng", 8),
    "equinox of rng": ("equinox_of_rng", 8),
    "equinox of prng_key, with state": ("equinox_of_prng_key", 16 + 8 + 10),
    "a function of rng, of a factory": ("gives_a_function_of_rng", 8),
    "a pair of functions": ("PAIR", 6),
    "a pair of a factory": ("gives_a_pair", 6),
}


@pytest.mark.parametrize(("name", "size"), USERS.values(), ids=USERS)
def test_users_models_by_name(name, size):
    model = zoo.make(f"tests.models.nets:{name}", (nets.INPUTS,), nets.OUTPUTS)
    assert isinstance(model, Model)
    assert model.layout(example((nets.INPUTS,))).size == size
    assert model == zoo.make(f"tests.models.nets:{name}", (nets.INPUTS,), nets.OUTPUTS)


def test_options_reach_the_users_factory():
    x, makes = jnp.ones((1, nets.INPUTS)), []
    for name in ("NnxHead:scale=2.5", "NnxHead"):
        model = zoo.make(f"tests.models.nets:{name}", (nets.INPUTS,), nets.OUTPUTS)
        makes.append(model.apply(*model.init(KEY, x), x, train=False, key=KEY)[0])
    np.testing.assert_allclose(makes[0], 2.5 * makes[1], rtol=1e-6)


WRONG = {
    "a number": ("NUMBER", "is int, but must be a function, a class or a model"),
    "a finished module": ("finished_nnx", "gives a finished Flax NNX module; let it take `rngs`"),
    "no model": ("not_a_model", "gives dict, but must give a weightspace model"),
    "an unknown option": ("zoo_factory:depth=2", "takes no 'depth'; a factory may take shape, outputs"),
    "a function of something else": ("function_init", "needs the argument 'x'"),
    "another number of outputs": ("ten_outputs", r"outputs of shape \(10,\).*the data have 2"),
    "a function of who knows what": (
        "function_of_streams",
        r"gives a function of \(streams\), but must give",
    ),
    "nnx streams of a key": ("nnx_of_key", "use from_nnx, and let a factory .* take nnx.Rngs as `rngs`"),
    "streams of rng": ("makes_streams", "needs 'rng'; .* call a jax key `key` .*, nnx.Rngs `rngs`"),
    "an error within": ("breaks", "cannot be built: ZeroDivisionError: division by zero"),
    "an instance with options": ("LINEN_INSTANCE:outputs=3", "takes no arguments; give its class instead"),
    "no such name": ("missing", "module 'tests.models.nets' has no 'missing'"),
}


@pytest.mark.parametrize(("name", "text"), WRONG.values(), ids=WRONG)
def test_what_is_no_users_model_is_said(name, text):
    with pytest.raises(InputError, match=text):
        zoo.make(f"tests.models.nets:{name}", (nets.INPUTS,), nets.OUTPUTS)


def test_a_users_model_that_does_not_fit_the_data_is_refused():
    with pytest.raises(
        InputError, match=r"tests.models.nets:nnx_factory.* cannot take examples of shape \(7,\)"
    ):
        zoo.make("tests.models.nets:nnx_factory", (7,), 2)


def test_every_name_of_the_table_exists():
    for entry in zoo._TABLE.values():
        assert hasattr(importlib.import_module(f"weightspace.models.zoo.{entry.module}"), entry.cls)


def test_a_depth_repeats_one_width():
    deep = zoo.make("mnist_fc:widths=16,depth=6", (28, 28, 1), 10)
    assert deep.hidden() == (16,) * 6
    assert layout_of(deep, (28, 28, 1), "float32") == layout_of(
        zoo.make("mnist_fc:widths=16,16,16,16,16,16", (28, 28, 1), 10), (28, 28, 1), "float32"
    )
    assert zoo.make("mnist_fc:depth=3", (28, 28, 1), 10).hidden() == (32,) * 3
    for text, said in (("widths=16,8,depth=3", "depth is 3, but widths has 2"), ("depth=0", "depth is 0")):
        with pytest.raises(InputError, match=said):
            zoo.make(f"mnist_fc:{text}", (28, 28, 1), 10)
    # What networks were called before there was a depth is what they are called now.
    assert zoo.make("mnist_fc", (28, 28, 1), 10).digest == "72e7d3bcae3f5e9d7a47f246a7ed40ad"


@pytest.mark.parametrize("shape", [(2, 8, 8, 1), (2, 9, 7, 3), (1, 1, 2, 1)])
def test_overlapping_windows_are_those_of_flax(shape):
    x = jnp.asarray(np.random.default_rng(0).normal(size=shape), jnp.float32)
    expected = nnx.max_pool(x, (3, 3), strides=(2, 2), padding="SAME")
    assert np.array_equal(overlapping_max_pool(x), expected)
