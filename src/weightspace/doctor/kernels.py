"""Kernels on awkward shapes: compiled, operation by operation, and by NumPy in float64.

A case is a function of arrays and what it should give. The shapes are those on which kernels go wrong:
contractions of a few numbers over tens of thousands of rows, prime lengths, one row, ties, numbers that wrap.
"""

import dataclasses
import functools
import importlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from weightspace import platform
from weightspace.doctor.base import Difference, Finding, differences

HOMES = ("products", "windows", "reductions", "whole_numbers")
"""Modules of this package that have cases."""
ADVICE = "do not trust results of this machine; try another version of jaxlib, and report it to JAX"


@dataclasses.dataclass(frozen=True)
class Case:
    """A function, and what it should give.

    Attributes:
      name: In words.
      function: In JAX, of arrays.
      arrays: What it is given.
      expected: What it should give, a tree of NumPy arrays.
      tolerance: Relative to an array's largest entry; 0 for equality.
    """

    name: str
    function: Callable[..., Any]
    arrays: tuple[Any, ...]
    expected: Any
    tolerance: float = 0.0


def draws() -> np.random.Generator:
    """The same numbers each time."""
    return np.random.default_rng(20_261_127)


def cases() -> Iterator[Case]:
    """All of them."""
    for home in HOMES:
        yield from importlib.import_module(f"weightspace.doctor.{home}").cases()


def examined(case: Case) -> Finding:
    """One case, compiled and not."""
    wide = any(np.asarray(array).dtype.itemsize == 8 for array in jax.tree.leaves(case.arrays))
    with platform.arithmetic("float64" if wide else "float32", "highest"):
        ways = {"compiled": _compiled, "uncompiled": _uncompiled}
        apart = {way: differences(run(case), case.expected, case.tolerance) for way, run in ways.items()}
    wrong = {way: difference for way, difference in apart.items() if difference.wrong}
    if not wrong:
        return Finding("kernels", case.name, "right", _within(list(apart.values())))
    seen = ", ".join(f"{way} {difference.words}" for way, difference in wrong.items())
    others = ", ".join(f"{way} right" for way in apart if way not in wrong)
    return Finding("kernels", case.name, "trouble", f"{seen}{', ' + others if others else ''}", ADVICE)


def _within(apart: Sequence[Difference]) -> str:
    largest = max(difference.largest for difference in apart)
    return f"two ways, {largest:.0%} of the tolerance" if largest else "two ways, equal"


def _compiled(case: Case) -> Any:
    # A function of its own, so that no program that was made before is met again.
    return jax.device_get(jax.jit(functools.partial(case.function))(*case.arrays))


def _uncompiled(case: Case) -> Any:
    with jax.disable_jit():
        return jax.device_get(case.function(*jax.tree.map(jax.numpy.asarray, case.arrays)))
