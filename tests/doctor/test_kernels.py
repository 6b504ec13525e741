"""Kernels: right here; a planted wrong one is caught, wrong compiled, wrong uncompiled, or wrong in both."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from weightspace import native
from weightspace.doctor import kernels, machine, whole_numbers, windows
from weightspace.doctor.base import differences
from weightspace.models import convolution_cpu

CASES = {case.name: case for case in kernels.cases()}
QUICK = [
    "40,009 rows of 3 times 3 × 2, then a sum of squares, float32",
    "20,011 rows of 3 times 3 × 3, then a sum, float64",
    "product of 101 × 97 and 97 × 103", "product in bfloat16",
    "convolution 3 × 3 with stride 2, 5 to 17 channels, 9 × 8 and its gradients, weightspace's",
    "a cumulated sum", "softmax of 3 classes", "the 101 largest, the first of ties", "a scatter that adds",
    "random bits of threefry", "a number folded into a key", "products that wrap", "rounding to bfloat16",
    "division and rest of negative numbers",
]  # fmt: skip


def test_what_is_awkward_is_among_the_cases():
    text = "\n".join(CASES)
    words = "convolution pooling softmax ties cumulated scatter gather threefry bfloat16 float64 lanes loop"
    assert all(word in text for word in (*words.split(), *(f"rows of {taken} " for taken in (1, 2, 3, 5))))
    assert len(CASES) > 50


@pytest.mark.parametrize("name", QUICK)
def test_kernels_are_right_here(name):
    finding = kernels.examined(CASES[name])
    assert finding.state == "right", finding.line


def when_compiled(right, wrong):
    """A function that is wrong only where it is compiled."""
    return lambda x, *rest, **more: (wrong if isinstance(x, jax.core.Tracer) else right)(x, *rest, **more)


@pytest.mark.parametrize("ways", ["compiled", "uncompiled", "both"])
def test_a_wrong_kernel_is_caught_and_named(monkeypatch, ways):
    """One entry of forty thousand is wrong, by a tenth of a percent of the largest."""
    right = jnp.cumsum

    def wrong(x):
        return right(x).at[32_768].add(1e-3 * jnp.max(jnp.abs(right(x))))

    planted = {
        "compiled": when_compiled(right, wrong),
        "uncompiled": when_compiled(wrong, right),
        "both": wrong,
    }
    monkeypatch.setattr(jnp, "cumsum", planted[ways])
    (case,) = [case for case in kernels.cases() if case.name == "a cumulated sum"]
    finding = kernels.examined(case)
    assert finding.state == "trouble"
    assert "1 of 40,009 entries wrong, the first at [32768]" in finding.seen
    assert ("uncompiled right" in finding.seen, "compiled right" in finding.seen) == (
        ways == "compiled", ways != "both",
    )  # fmt: skip
    assert finding.line.startswith("kernels: a cumulated sum: ")
    assert "jaxlib" in finding.advice


def test_a_wrong_convolution_of_ours_is_caught(monkeypatch):
    """A gradient by the kernel whose last row is missing, as an off-by-one of padding would leave it."""
    right = convolution_cpu._kernel

    def wrong(x, g, geometry):
        found = right(x, g, geometry)
        return found.at[-1].set(jnp.zeros_like(found[-1]))

    monkeypatch.setattr(convolution_cpu, "_kernel", wrong)
    convolution_cpu.derivative.clear_cache()
    try:
        with native.suspended():
            finding = kernels.examined(CASES[QUICK[4]])
    finally:
        convolution_cpu.derivative.clear_cache()
    assert finding.state == "trouble"
    assert f"{3 * 5 * 17} of" in finding.seen


@pytest.mark.parametrize(
    ("found", "tolerance", "wrong"),
    [
        ([1.0, np.nan, np.inf], 1e-3, 0),
        ([1.0005, np.nan, np.inf], 1e-3, 0),
        ([1.002, np.nan, np.inf], 1e-3, 1),
        ([1.0, 2.0, np.inf], 1e-3, 1),
        ([np.nan, np.nan, -np.inf], 1e-3, 2),
        ([1.0, np.nan, np.inf, 0.0], 1e-3, 3),
    ],
)
def test_differences(found, tolerance, wrong):
    assert differences([np.array(found)], [np.array([1.0, np.nan, np.inf])], tolerance).wrong == wrong


def test_differences_of_whole_numbers_know_no_tolerance():
    apart = differences((np.array([[1, 2], [3, 5]]), True), (np.array([[1, 2], [3, 4]]), True), 0.5)
    assert (apart.wrong, apart.entries, apart.first) == (1, 5, (1, 1))
    assert apart.words == "1 of 5 entries wrong, the first at [1, 1]"


@pytest.mark.parametrize(
    ("key", "counter", "bits"),
    [
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_threefry_gives_the_known_answers(key, counter, bits):
    """Those that Salmon et al. (2011) publish with Random123."""
    found = whole_numbers.threefry(key, *(np.array([word], np.uint32) for word in counter))
    assert tuple(int(word[0]) for word in found) == bits


def test_the_reference_of_convolutions_is_its_definition():
    """One output by hand: stride 2, one row of zeros above and none below."""
    x = np.arange(12.0).reshape(1, 4, 3, 1)
    kernel = np.array([[1.0, 10.0], [100.0, 1000.0]]).reshape(2, 2, 1, 1)
    y = windows.convolved(x, kernel, (2, 1), ((1, 0), (0, 0)))
    assert y[0, :, :, 0].tolist() == [
        [100 * 0 + 1000 * 1, 100 + 2000],
        [3 + 40 + 600 + 7000, 4 + 50 + 700 + 8000],
    ]
    by_x, by_kernel = windows.pulled_back(x, kernel, np.ones_like(y), (2, 1), ((1, 0), (0, 0)))
    assert by_kernel[1, 1, 0, 0] == x[0, [0, 2], 1:, 0].sum()
    assert by_x[0, 0, 1, 0] == 1100
    assert by_x[0, 3, 0, 0] == 0


def test_every_device_is_looked_at(monkeypatch):
    assert [finding.state for finding in machine._devices()][-1] == "right"
    bad = jax.local_devices()[1]
    right = machine._right_product
    monkeypatch.setattr(machine, "_right_product", lambda a, device: device != bad and right(a, device))
    finding = list(machine._devices())[-1]
    assert finding.state == "trouble"
    assert str(bad) in finding.seen
