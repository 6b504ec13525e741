"""The kernels of the extra, against windows in float64; without the extra only what does not need it."""

import importlib.util
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.test_util import check_grads

from weightspace import native, platform
from weightspace.doctor.windows import convolved, pulled_back
from weightspace.models import convolution_native
from weightspace.models.convolution import convolution
from weightspace.models.convolution_cpu import Geometry

pytestmark = pytest.mark.optimised
LAYOUT = ("NHWC", "HWIO", "NHWC")
ROLES = ("inputs", "kernel", "outputs")

installed = pytest.mark.skipif(
    importlib.util.find_spec("weightspace_kernels") is None or native.convolutions() == "xla",
    reason="weightspace-kernels is not installed: pip install ./kernels",
)

# batch, height, width, channels, kernel height and width, outputs, strides, padding
SHAPES = {
    "tiles, whole": (2, 8, 8, 16, 3, 3, 16, (1, 1), "SAME"),
    "tiles, odd": (3, 7, 9, 13, 3, 3, 17, (1, 1), "SAME"),
    "tiles, valid": (2, 9, 6, 12, 3, 3, 40, (1, 1), "VALID"),
    "tiles, pads beyond the kernel": (1, 5, 5, 33, 3, 3, 20, (1, 1), ((4, 3), (3, 4))),
    "tiles, one side padded": (2, 6, 6, 12, 3, 3, 12, (1, 1), ((2, 0), (0, 2))),
    "tiles, many": (61, 14, 14, 16, 3, 3, 32, (1, 1), "SAME"),
    "few channels": (3, 7, 9, 3, 3, 3, 16, (1, 1), "SAME"),
    "one channel": (5, 6, 6, 1, 3, 3, 3, (1, 1), "SAME"),
    "one output": (2, 6, 6, 20, 3, 3, 1, (1, 1), "SAME"),
    "eight channels": (2, 8, 8, 8, 3, 3, 8, (1, 1), "SAME"),
    "stride 2, even": (2, 8, 8, 16, 3, 3, 32, (2, 2), "SAME"),
    "stride 2, odd": (2, 7, 9, 5, 3, 3, 17, (2, 2), "SAME"),
    "stride 2, rows left over": (2, 8, 8, 3, 3, 3, 5, (2, 2), "VALID"),
    "strides differ": (2, 7, 8, 3, 3, 2, 5, (1, 3), "SAME"),
    "stride beyond the kernel": (2, 9, 9, 3, 2, 2, 5, (3, 3), "VALID"),
    "even kernel": (2, 10, 7, 3, 4, 4, 40, (3, 3), "SAME"),
    "5 × 5": (37, 11, 6, 1, 5, 5, 3, (1, 1), "VALID"),
    "5 × 5, wide": (2, 9, 9, 18, 5, 5, 20, (1, 1), "SAME"),
    "1 × 1, padded": (2, 5, 6, 3, 1, 1, 4, (2, 2), ((1, 1), (0, 1))),
    "kernel as large as the image": (2, 4, 4, 3, 4, 4, 5, (1, 1), "VALID"),
    "one pixel": (2, 1, 1, 16, 3, 3, 16, (1, 1), "SAME"),
}


def operands(shape, seed=0):
    batch, height, width, channels, rows, columns, outputs, strides, padding = shape
    if isinstance(padding, str):
        padding = lax.padtype_to_pads((height, width), (rows, columns), strides, padding)
    pads = tuple(tuple(int(n) for n in pad) for pad in padding)
    geometry = Geometry((height, width), (rows, columns, channels, outputs), strides, pads)
    draw = np.random.default_rng(seed).normal
    return geometry, {role: draw(size=geometry.shape(role, batch)).astype(np.float32) for role in ROLES}


def all_three(geometry):
    """Outputs, and the gradients by inputs and kernel."""

    def found(x, kernel, g):
        y, pull = jax.vjp(
            lambda x, kernel: convolution(
                x, kernel, geometry.strides, geometry.padding, dimension_numbers=LAYOUT
            ),
            x, kernel,
        )  # fmt: skip
        return y, *pull(g)

    return found


def expected(geometry, inputs, kernel, outputs):
    return (
        convolved(inputs, kernel, geometry.strides, geometry.padding),
        *pulled_back(inputs, kernel, outputs, geometry.strides, geometry.padding),
    )


def assert_close(found, wanted, tolerance):
    for one, right in zip(found, wanted, strict=True):
        assert one.dtype == jnp.float32
        assert np.abs(np.asarray(one, np.float64) - right).max() <= tolerance * np.abs(right).max()


@installed
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_value_and_both_gradients_are_those_of_windows_in_float64(shape):
    geometry, arrays = operands(shape)
    program = jax.jit(all_three(geometry))
    text = program.lower(*arrays.values()).as_text()
    assert {role for role in ROLES if native.target(role) in text} == set(ROLES)
    assert_close(program(*arrays.values()), expected(geometry, **arrays), 3e-6)


@installed
@pytest.mark.parametrize("name", ["tiles, odd", "stride 2, odd", "few channels"])
def test_in_a_loop_and_over_lanes(name):
    """As trainings have it: in a loop, with weights of their own in each lane."""
    geometry, first = operands(SHAPES[name])
    second = operands(SHAPES[name], seed=1)[1]
    lanes = {role: np.stack([first[role], second[role]]) for role in ROLES}
    program = jax.vmap(all_three(geometry))

    @jax.jit
    def loop(arrays):
        blank = jax.tree.map(jnp.zeros_like, jax.eval_shape(program, *arrays))
        return lax.fori_loop(0, 2, lambda *_: program(*arrays), blank)

    found = loop(tuple(lanes.values()))
    for number, arrays in enumerate((first, second)):
        assert_close([f[number] for f in found], expected(geometry, **arrays), 3e-6)
        alone = jax.jit(all_three(geometry))(*arrays.values())
        # Sums have one order, given by the shapes: no bit depends on what runs beside.
        assert [f[number].tobytes() for f in found] == [f.tobytes() for f in alone]


@installed
@pytest.mark.parametrize("name", ["tiles, whole", "stride 2, even"])
def test_an_example_has_the_same_bits_beside_any_others(name):
    geometry, arrays = operands((40, *SHAPES[name][1:]))
    forward = jax.jit(lambda *a: all_three(geometry)(*a)[:2])
    x, kernel, g = arrays.values()
    whole = forward(x, kernel, g)
    for examples in (slice(0, 1), slice(7, 29)):
        for some, of_all in zip(forward(x[examples], kernel, g[examples]), whole, strict=True):
            np.testing.assert_array_equal(some, of_all[examples])


@installed
@pytest.mark.parametrize("channels", [(16, 16), (1, 3)], ids=["tiles", "direct"])
def test_every_one_of_many_rows_is_right(channels):
    """jaxlib 0.10.2 gave wrong rows from 32,768 on: 100,003 examples, 97 different ones again and again."""
    taken, made = channels
    geometry, few = operands((97, 3, 3, taken, 3, 3, made, (1, 1), "SAME"))
    again = np.arange(100_003) % 97
    x, g = few["inputs"][again], few["outputs"][again]
    y, by_x, by_kernel = jax.jit(all_three(geometry))(x, few["kernel"], g)
    alone = jax.jit(all_three(geometry))(*few.values())
    assert_close(alone, expected(geometry, **few), 3e-6)
    np.testing.assert_array_equal(y, np.asarray(alone[0])[again])
    np.testing.assert_array_equal(by_x, np.asarray(alone[1])[again])
    times, rest = divmod(len(again), 97)
    begun = (a[:rest] if role != "kernel" else a for role, a in few.items())
    right = [
        pulled_back(x, kernel, g, geometry.strides, geometry.padding)[1]
        for x, kernel, g in (few.values(), begun)
    ]
    assert_close([by_kernel], [times * right[0] + right[1]], 1e-5)


@installed
def test_derivatives_of_second_order():
    geometry, arrays = operands(SHAPES["tiles, odd"])

    g = jnp.asarray(arrays["outputs"][:1])

    def forward(x, kernel):
        return jnp.tanh(0.1 * all_three(geometry)(x, kernel, g)[0])

    with jax.default_matmul_precision("highest"):
        check_grads(
            jax.jit(forward), (arrays["inputs"][:1], arrays["kernel"]), order=2, modes=["rev"],
            atol=0.05, rtol=0.05, eps=1e-2,
        )  # fmt: skip


@installed
def test_other_types_and_suspension_are_left_to_xla():
    geometry, arrays = operands(SHAPES["tiles, whole"])
    half = [jnp.asarray(a, jnp.bfloat16) for a in arrays.values()]
    assert native.target("outputs") not in jax.jit(all_three(geometry)).lower(*half).as_text()
    with native.suspended():
        assert native.target("outputs") not in jax.jit(all_three(geometry)).lower(*arrays.values()).as_text()
    assert native.target("outputs") in jax.jit(all_three(geometry)).lower(*arrays.values()).as_text()


def test_provenance_says_what_computes_convolutions():
    assert platform.settings()["convolutions"] == native.convolutions()


@pytest.mark.parametrize("change", ["pads", "empty"])
def test_what_the_kernels_do_not_know_is_left_to_xla(monkeypatch, change):
    monkeypatch.setattr(native, "usable", lambda: True)
    geometry, arrays = operands(SHAPES["tiles, whole"])
    x, kernel = arrays["inputs"], arrays["kernel"]
    assert convolution_native.takes(x, kernel, geometry)
    if change == "pads":
        geometry, _ = operands((*SHAPES["tiles, whole"][:-1], ((-1, 1), (1, 1))))
    else:
        x = x[:0]
    assert not convolution_native.takes(x, kernel, geometry)


def test_a_word_before_python_starts_leaves_them_unused():
    given = os.environ | {native.SWITCH: "off", "PYTHONPATH": "src"}
    code = "from weightspace import native; print(native.convolutions())"
    found = subprocess.run(
        [sys.executable, "-c", code], env=given, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "xla"
