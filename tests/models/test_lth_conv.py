"""The convolutional networks of the lottery tickets."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from weightspace import tree
from weightspace.errors import InputError
from weightspace.models import zoo
from weightspace.models.base import example

KEY = jax.random.key(0, impl="threefry2x32")
CIFAR, DIGITS = (32, 32, 3), (8, 8, 1)
CUT = 0.87962566103423978
"""Standard deviation of a standard normal distribution cut off at two."""

# Kernels, biases and convolutions' kernels on CIFAR-10.
SIZES = {
    "lth_conv2": (4_300_992, 650, 38_592),
    "lth_conv4": (2_425_024, 906, 259_776),
    "lth_conv6": (2_261_184, 1_418, 1_144_512),
}


def drawn(name, shape=DIGITS):
    model = zoo.make(name, shape, 10)
    return model, jax.device_get(jax.jit(model.init)(KEY, jnp.zeros((1, *shape)))[0])


def entries(layout, selector):
    return sum(layout[path].size for path in layout.paths(selector))


@pytest.mark.parametrize("name", SIZES)
def test_the_number_of_weights_is_that_of_the_papers(name):
    layout = zoo.make(name, CIFAR, 10).layout(example(CIFAR))
    found = tuple(entries(layout, selector) for selector in ("kernel", "bias", "convs/*/kernel"))
    assert found == SIZES[name]
    assert layout.paths("kernel")[:2] == ("convs/0/kernel", "convs/1/kernel")
    assert layout.paths("kernel")[-3:] == ("hidden/0/kernel", "hidden/1/kernel", "output/kernel")
    assert layout.paths("output") == ("output/kernel", "output/bias")


def test_the_fully_connected_ticket_has_its_numbers_too():
    layout = zoo.make("fc:initialiser=glorot_normal", (28, 28, 1), 10).layout(example((28, 28, 1)))
    assert (entries(layout, "kernel"), entries(layout, "bias")) == (266_200, 410)


@pytest.mark.parametrize("name", SIZES)
def test_width_scales_every_layer(name):
    shapes = {}
    for width in (16, 64):
        layout = zoo.make(f"{name}:width={width}", CIFAR, 10).layout(example(CIFAR))
        shapes[width] = [layout[path].shape[-1] for path in layout.paths("kernel")]
    assert [4 * made for made in shapes[16][:-1]] == shapes[64][:-1]
    assert shapes[16][-1] == shapes[64][-1] == 10


@pytest.mark.parametrize("name", ["lth_conv2", "lth_conv4"])
def test_the_network_is_what_the_papers_say(name):
    model, weights = drawn(f"{name}:width=2")
    x = jnp.asarray(np.random.default_rng(0).normal(size=(4, *DIGITS)), jnp.float32)

    def by_hand(weights, y):
        def shifted(layer, y):
            return jnp.maximum(y + jnp.expand_dims(layer["bias"], tuple(range(y.ndim - 1))), 0)

        for number in range(len(weights["convs"])):
            layer = weights["convs"][str(number)]
            numbers = ("NHWC", "HWIO", "NHWC")
            y = lax.conv_general_dilated(y, layer["kernel"], (1, 1), "SAME", dimension_numbers=numbers)
            y = shifted(layer, y)
            if number % 2:
                y = lax.reduce_window(y, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        y = y.reshape(4, -1)
        for number in ("0", "1"):
            y = shifted(weights["hidden"][number], y @ weights["hidden"][number]["kernel"])
        return y @ weights["output"]["kernel"] + weights["output"]["bias"][None]

    moved = jax.tree.map(lambda w: w + 0.1, weights)  # biases that are not zero
    made = jax.jit(lambda w: model.apply(w, {}, x, train=True, key=KEY)[0])(moved)
    np.testing.assert_allclose(made, jax.jit(by_hand)(moved, x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("initialiser", "share"), [("glorot_normal", 1.0), ("glorot_normal_uncorrected", CUT)]
)
@pytest.mark.parametrize(("name", "shape"), [("lth_conv2", DIGITS), ("fc", (28, 28, 1))])
def test_glorot_normal_with_and_without_the_correction_of_its_cut(name, shape, initialiser, share):
    model, weights = drawn(f"{name}:initialiser={initialiser}", shape)
    for leaf in model.layout(example(shape)):
        w = tree.flat_dict(weights)[leaf.path]
        if leaf.kind == "bias":
            assert not w.any()
            continue
        fan_out = leaf.fan_in // leaf.shape[-2] * leaf.shape[-1]
        deviation = share * np.sqrt(2 / (leaf.fan_in + fan_out))
        assert w.std() == pytest.approx(deviation, rel=3 / np.sqrt(2 * w.size))
        assert 1.9 * deviation / CUT * (w.size > 5_000) < np.abs(w).max() <= 2.0001 * deviation / CUT


def test_glorot_normal_is_the_default_of_tickets_and_not_of_others():
    assert tree.equal(drawn("lth_conv2:width=4")[1], drawn("lth_conv2:width=4,initialiser=glorot_normal")[1])
    assert tree.equal(drawn("fc")[1], drawn("fc:initialiser=lecun_normal")[1])


def test_images_must_survive_the_poolings():
    with pytest.raises(InputError, match=r"halves images 3 times.*at least 8 × 8.*4 × 9"):
        zoo.make("lth_conv6", (4, 9, 1), 10)
    with pytest.raises(InputError, match="needs images"):
        zoo.make("lth_conv2", (64,), 10)


@pytest.mark.parametrize(
    ("options", "message"), [("width=0", "width is 0"), ("initialiser=glorot", "did you mean")]
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        zoo.make(f"lth_conv4:{options}", CIFAR, 10)


def test_convolutions_draw_biases_where_the_initialiser_does():
    _, weights = drawn("lth_conv2:width=16,initialiser=torch")
    bias = weights["convs"]["1"]["bias"]
    assert bias.any()
    assert np.abs(bias).max() <= (9 * 16) ** -0.5
