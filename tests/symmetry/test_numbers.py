"""Digits of whole numbers of any size, and the README's N!^L."""

import math

import pytest

from weightspace.errors import InputError
from weightspace.symmetry.numbers import digits, group_order, log10, orderings, scientific


def test_the_number_of_the_readme():
    found = orderings(16, 6)
    assert found["hidden"] == math.factorial(16) ** 6
    assert scientific(found["hidden"]) == "8.389e+79"
    assert scientific(found["hidden"], 4) == "8.3891e+79"
    assert scientific(found["with_output"], 2) == "4.01e+66"
    assert digits(found["hidden"]) == 80
    assert log10(found["hidden"]) == pytest.approx(79.9237, abs=5e-5)
    assert math.factorial(16) == 20_922_789_888_000


@pytest.mark.parametrize("number", [1, 9, 10, 99, 100, 10**15, 10**15 - 1, 10**22 + 1])
def test_digits_at_powers_of_ten(number):
    assert digits(number) == len(str(number))


def test_numbers_that_python_does_not_print():
    huge = group_order([1000, 1000])
    assert digits(huge) == 5136
    assert digits(10**6000) == 6001
    assert digits(10**6000 - 1) == 6000


@pytest.mark.parametrize(
    ("width", "depth", "word"), [(16, 0, "depth is 0"), (0, 3, "width is 0"), (4, -1, "depth")]
)
def test_depth_and_width_are_positive(width, depth, word):
    with pytest.raises(InputError, match=word):
        orderings(width, depth)
