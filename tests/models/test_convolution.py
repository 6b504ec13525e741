import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.test_util import check_grads

from weightspace.models.convolution import convolution

pytestmark = pytest.mark.optimised

LAYOUT = ("NHWC", "HWIO", "NHWC")

# batch, height, width, channels, kernel height and width, outputs, strides, padding
SHAPES = {
    "same": (3, 6, 5, 2, 3, 3, 4, (1, 1), "SAME"),
    "valid": (3, 6, 5, 2, 3, 3, 4, (1, 1), "VALID"),
    "stride 2, even": (2, 8, 8, 3, 3, 3, 5, (2, 2), "SAME"),
    "stride 2, odd": (2, 7, 9, 3, 3, 3, 5, (2, 2), "SAME"),
    "stride 2, rows left over": (2, 8, 8, 3, 3, 3, 5, (2, 2), "VALID"),
    "strides differ": (2, 7, 8, 3, 3, 2, 5, (1, 3), "SAME"),
    "even kernel": (2, 6, 6, 3, 4, 2, 5, (1, 1), "SAME"),
    "pads given": (2, 6, 6, 3, 3, 3, 5, (1, 1), ((2, 0), (3, 1))),
    "pads beyond the kernel": (1, 5, 5, 2, 3, 3, 2, (1, 1), ((4, 3), (3, 4))),
    "one channel": (2, 6, 6, 1, 3, 3, 3, (1, 1), "SAME"),
    "many channels": (2, 4, 4, 6, 3, 3, 33, (1, 1), "SAME"),
    "pointwise": (3, 5, 5, 4, 1, 1, 6, (1, 1), "SAME"),
    "pointwise, stride 2": (3, 5, 6, 4, 1, 1, 6, (2, 2), "SAME"),
    "kernel as large as the image": (2, 4, 4, 3, 4, 4, 5, (1, 1), "VALID"),
    "whole parts of the batch": (24, 4, 4, 2, 3, 3, 20, (1, 1), "SAME"),
    "a rest of the batch": (37, 4, 4, 2, 3, 3, 3, (2, 2), "SAME"),
}


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def operands(shape, lanes=()):
    batch, height, width, channels, rows, columns, outputs, strides, padding = shape
    draw = np.random.default_rng(0).normal
    x = jnp.asarray(draw(size=(*lanes, batch, height, width, channels)))
    kernel = jnp.asarray(draw(size=(*lanes, rows, columns, channels, outputs)))
    ours = functools.partial(convolution, window_strides=strides, padding=padding, dimension_numbers=LAYOUT)
    theirs = functools.partial(
        lax.conv_general_dilated, window_strides=strides, padding=padding, dimension_numbers=LAYOUT
    )
    return x, kernel, ours, theirs


def close(a, b):
    np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_value_and_both_gradients_are_those_of_lax(shape):
    x, kernel, ours, theirs = operands(shape)

    def all_three(conv):
        value, pull = jax.vjp(conv, x, kernel)
        return value, *pull(jnp.cos(jnp.arange(value.size, dtype=value.dtype)).reshape(value.shape))

    for found, wanted in zip(
        jax.jit(lambda: all_three(ours))(), jax.jit(lambda: all_three(theirs))(), strict=True
    ):
        close(found, wanted)


@pytest.mark.parametrize("shape", [SHAPES["stride 2, odd"], SHAPES["pointwise"]], ids=["conv", "pointwise"])
def test_derivatives_in_both_modes(shape):
    x, kernel, ours, _ = operands(shape)
    check_grads(jax.jit(ours), (x[:1], kernel), order=1, modes=["fwd", "rev"])


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_second_derivatives_are_those_of_lax(mode):
    x, kernel, ours, theirs = operands(SHAPES["stride 2, even"])

    def curvature(conv):
        gradient = jax.grad(lambda x, kernel: jnp.sum(jnp.tanh(conv(x, kernel))), (0, 1))
        along = (jnp.sin(x), jnp.cos(kernel))
        if mode == "forward":
            return jax.jvp(gradient, (x, kernel), along)[1]
        pull = jax.vjp(gradient, x, kernel)[1]
        return pull(along)

    for found, wanted in zip(*(jax.jit(lambda c=c: curvature(c))() for c in (ours, theirs)), strict=True):
        close(found, wanted)


def test_sums_over_many_examples_are_not_rounded_at_each_part():
    x, kernel, ours, theirs = operands((512, 3, 3, 1, 3, 3, 2, (1, 1), "SAME"))

    def gradient(conv, x, kernel):
        return jax.jit(jax.grad(lambda kernel: jnp.sum(conv(x, kernel).astype(jnp.float32))))(kernel)

    exact = gradient(theirs, jnp.abs(x), kernel)
    rounded = gradient(ours, jnp.abs(x).astype(jnp.bfloat16), kernel.astype(jnp.bfloat16))
    assert rounded.dtype == jnp.bfloat16
    np.testing.assert_allclose(rounded.astype(jnp.float64), exact, rtol=2**-7)


@pytest.mark.parametrize("axes", [(0, 0), (0, None), (None, 0)], ids=["both", "inputs", "kernels"])
@pytest.mark.parametrize(
    "shape", [SHAPES["stride 2, even"], SHAPES["a rest of the batch"]], ids=["few", "many"]
)
def test_lanes_are_convolutions_of_their_own(shape, axes):
    x, kernel, ours, theirs = operands(shape, lanes=(3,))
    arguments = [a if axis == 0 else a[0] for a, axis in zip((x, kernel), axes, strict=True)]

    def loss(conv, x, kernel):
        return jnp.sum(jnp.sin(conv(x, kernel)))

    def all_lanes(conv):
        gradients = jax.value_and_grad(functools.partial(loss, conv), (0, 1))
        return jax.tree.leaves(jax.jit(jax.vmap(gradients, axes))(*arguments))

    for found, wanted in zip(all_lanes(ours), all_lanes(theirs), strict=True):
        close(found, wanted)


def test_lanes_of_lanes():
    x, kernel, ours, theirs = operands(SHAPES["same"], lanes=(2, 3))
    nested = [
        jax.jit(jax.vmap(jax.vmap(conv, (0, None)), (0, 0)))(x, kernel[:, 0]) for conv in (ours, theirs)
    ]
    close(*nested)


def test_gradients_of_single_examples():
    x, kernel, ours, theirs = operands(SHAPES["valid"])

    def of_examples(conv):
        def loss(kernel, example):
            return jnp.sum(conv(example[None], kernel) ** 2)

        return jax.jit(jax.vmap(jax.grad(loss), (None, 0)))(kernel, x)

    close(of_examples(ours), of_examples(theirs))


def test_a_lane_has_the_same_bits_beside_any_others():
    """Alone it is another program, whose bits may differ: with jax 0.12 they do."""
    x, kernel, ours, _ = operands(SHAPES["stride 2, even"], lanes=(3,))
    lanes = jax.jit(jax.vmap(ours))
    here = jnp.arange(3).reshape(3, 1, 1, 1, 1) == 1
    others = [
        lanes(jnp.where(here, x, other), jnp.where(here, kernel, 2 * kernel)) for other in (x, -x, 3 * x)
    ]
    together = lanes(x, kernel)
    assert {found[1].tobytes() for found in others} == {together[1].tobytes()}
    close(together, jnp.stack([jax.jit(ours)(*pair) for pair in zip(x, kernel, strict=True)]))


@pytest.mark.parametrize("check_vma", [True, False])
def test_devices_share_the_kernel_and_sum_its_gradient(check_vma):
    x, kernel, ours, theirs = operands((4, 6, 6, 2, 3, 3, 4, (1, 1), "SAME"))
    mesh = jax.make_mesh((2,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    data, everywhere = jax.sharding.PartitionSpec("data"), jax.sharding.PartitionSpec()

    def gradient(x, kernel):
        found = jax.grad(lambda kernel: jnp.sum(ours(x, kernel) ** 2))(kernel)
        return found if check_vma else lax.psum(found, "data")

    sharded = jax.shard_map(
        gradient, mesh=mesh, in_specs=(data, everywhere), out_specs=everywhere, check_vma=check_vma
    )
    close(
        jax.jit(sharded)(x, kernel), jax.jit(jax.grad(lambda kernel: jnp.sum(theirs(x, kernel) ** 2)))(kernel)
    )


UNUSUAL = {
    "dilated kernel": {"rhs_dilation": (2, 2)},
    "dilated inputs": {"lhs_dilation": (2, 2)},
    "groups": {"feature_group_count": 2},
    "channels first": {"dimension_numbers": ("NCHW", "OIHW", "NCHW")},
    "type of the outputs": {"preferred_element_type": jnp.float64},
}


@pytest.mark.parametrize("options", UNUSUAL.values(), ids=UNUSUAL)
def test_what_it_does_not_know_is_left_to_lax(options):
    options = {"dimension_numbers": LAYOUT} | options
    draw = np.random.default_rng(0).normal
    x = jnp.asarray(draw(size=(2, 4, 6, 4)))
    kernel = jnp.asarray(draw(size=(3, 4, 3, 3)))
    if options["dimension_numbers"] == LAYOUT:
        kernel = jnp.asarray(draw(size=(3, 3, 4 // options.get("feature_group_count", 1), 4)))
    pads = ((1, 1), (1, 1))
    found = convolution(x, kernel, (1, 1), pads, **options)
    close(found, lax.conv_general_dilated(x, kernel, (1, 1), pads, **options))


def test_one_dimensional_convolutions_are_left_to_lax():
    x, kernel = jnp.ones((2, 7, 3)), jnp.ones((3, 3, 4))
    numbers = ("NWC", "WIO", "NWC")
    found = convolution(x, kernel, (1,), "SAME", dimension_numbers=numbers)
    close(found, lax.conv_general_dilated(x, kernel, (1,), "SAME", dimension_numbers=numbers))


def test_another_backend_runs_lax_itself(monkeypatch):
    x, kernel, ours, _ = operands(SHAPES["same"])
    assert "conv_general_dilated" not in str(jax.make_jaxpr(ours)(x, kernel))
    jax.clear_caches()
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert "conv_general_dilated" in str(jax.make_jaxpr(ours)(x, kernel))


def test_the_compiled_gradients_have_the_form_of_the_fast_kernel():
    """In a form other than channels last, a convolution inside a loop is 20 to 100 times slower."""
    x, kernel, ours, theirs = operands((32, 8, 8, 4, 3, 3, 16, (2, 2), "SAME"))

    def forms(conv):
        def step(_, pair):
            return jax.grad(lambda pair: jnp.sum(jnp.sin(conv(*pair))))(pair)

        loop = jax.jit(lambda pair: lax.fori_loop(0, 3, step, pair))
        text = loop.lower((x, kernel)).compile().as_text()
        lines = [line for line in text.splitlines() if " convolution(" in line]
        return {line.split("dim_labels=")[1].split(",")[0] for line in lines}

    assert forms(ours) == {"b01f_01io->b01f"}
    assert forms(theirs) != {"b01f_01io->b01f"}
