"""Whole numbers of any size: orders of groups, their digits and logarithms."""

import decimal
import math
from collections.abc import Iterable

from weightspace.errors import check_number


def log10(number: int) -> float:
    """log₁₀ of a positive whole number of any size.

    >>> round(log10(group_order([16] * 6)), 4)
    79.9237
    """
    return math.log10(number)


def digits(number: int) -> int:
    """How many decimal digits a positive whole number has, exactly.

    >>> digits(group_order([16] * 6)), digits(999), digits(1000)
    (80, 3, 4)
    """
    about = max(0, math.floor(math.log10(number)))
    return about + (number >= 10 ** (about + 1)) + (number >= 10**about)


def scientific(number: int, places: int = 3) -> str:
    """A whole number of any size in short.

    >>> scientific(group_order([16] * 6))
    '8.389e+79'
    """
    return f"{decimal.Decimal(number):.{places}e}"


def group_order(widths: Iterable[int]) -> int:
    """|G| = Π n_l!, the relabellings of the hidden units of a dense network, layer by layer."""
    return math.prod(math.factorial(width) for width in widths)


def orderings(width: int, depth: int) -> dict[str, int]:
    """N!^L by both readings of a depth: of hidden layers, and of all layers with the output's among them.

    >>> {name: scientific(number) for name, number in orderings(16, 6).items()}
    {'hidden': '8.389e+79', 'with_output': '4.010e+66'}

    Args:
      width: N, units of each hidden layer.
      depth: L, at least 1.

    Raises:
      InputError: For a width or a depth that is none.
    """
    check_number("width", width, least=1, hint="It is the number of units of each hidden layer.")
    check_number("depth", depth, least=1, hint="It is the number of hidden layers; a network without has one "
                 "ordering, itself.")  # fmt: skip
    return {"hidden": group_order([width] * depth), "with_output": group_order([width] * (depth - 1))}
