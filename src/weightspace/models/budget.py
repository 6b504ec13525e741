"""Budget: how wide a fully connected network is that has a given number of weights.

Hidden layers have the widths l, l a, l a², …. The closed form counts hidden kernels alone,
n = x l + l² c with c = Σ_{i=2..d} a^(2i-3), and rounds l down: with l = 14.998 it is 7 % short. The search
counts everything, kernels, biases, norms and the output layer, and finds the real l whose rounded widths come
nearest.
"""

import itertools
import math
from collections.abc import Callable

from weightspace.errors import InputError, check_number


def dense_count(inputs: int, widths: tuple[int, ...], outputs: int, *, norm: bool = False) -> int:
    """Weights of a fully connected network: kernels, biases, and scale and shift of each hidden unit.

    >>> dense_count(784, (32, 32), 10, norm=True)
    26634
    """
    sizes = (inputs, *widths, outputs)
    kernels = sum(taken * made for taken, made in itertools.pairwise(sizes))
    return kernels + sum(sizes[1:]) + (2 * sum(widths) if norm else 0)


def closed_form(inputs: int, budget: int, depth: int, growth: float = 2.0) -> tuple[int, ...]:
    """The widths ⌊⌊l⌋ aⁱ⌋ of the closed form.

    >>> closed_form(784, 10_000_000, 3)
    (961, 1922, 3844)

    Raises:
      InputError: If numbers are out of range, or the budget does not pay for one unit.
    """
    _check(inputs, budget, depth, growth)
    square = sum(growth ** (2 * i - 3) for i in range(2, depth + 1))
    first = budget / inputs
    if square:
        first = (math.sqrt(inputs**2 + 4 * square * budget) - inputs) / (2 * square)
    if first < 1:
        raise _too_small(inputs, budget, depth)
    return tuple(int(int(first) * growth**i) for i in range(depth))


def widths_for(
    inputs: int, outputs: int, budget: int, depth: int, growth: float = 2.0, *, norm: bool = False
) -> tuple[int, ...]:
    """The widths, rounded from l aⁱ, whose exact number of weights is nearest to a budget.

    Args:
      inputs: Numbers of an example.
      outputs: Classes, or numbers to predict.
      budget: Weights of the whole network.
      depth: Hidden layers.
      growth: a, from each hidden layer to the next.
      norm: Whether hidden layers are normalised, with a scale and a shift each.

    Raises:
      InputError: If numbers are out of range, or the budget does not pay for one unit a layer.
    """
    _check(inputs, budget, depth, growth)
    check_number("outputs", outputs, least=1)

    def widths(first: float) -> tuple[int, ...]:
        return tuple(max(1, math.floor(first * growth**i + 0.5)) for i in range(depth))

    def count(first: float) -> int:
        return dense_count(inputs, widths(first), outputs, norm=norm)

    if count(0.0) > budget:
        raise _too_small(inputs, budget, depth)
    below, above = _straddle(count, budget)
    return widths(min((below, above), key=lambda first: abs(count(first) - budget)))


def _straddle(count: Callable[[float], int], budget: int) -> tuple[float, float]:
    """Two neighbouring numbers: the count of the first is within the budget, that of the second beyond."""
    below, above = 0.0, 1.0
    while count(above) <= budget:
        below, above = above, 2 * above
    while (middle := (below + above) / 2) not in (below, above):
        below, above = (middle, above) if count(middle) <= budget else (below, middle)
    return below, above


def _check(inputs: int, budget: int, depth: int, growth: float) -> None:
    check_number("inputs", inputs, least=1)
    check_number("budget", budget, least=1, hint="It is the number of weights.")
    check_number("depth", depth, least=1, hint="It is the number of hidden layers.")
    check_number("growth", growth, above=0, hint="It is the width of a hidden layer over that before it.")


def _too_small(inputs: int, budget: int, depth: int) -> InputError:
    return InputError(
        f"{budget} weights do not pay for one unit in each of {depth} hidden layers on {inputs} inputs; "
        "raise the budget or lower the depth"
    )
