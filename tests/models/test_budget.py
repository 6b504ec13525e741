"""Widths for a budget: the sheet's table of the closed form, and the search that counts exactly."""

import pytest

from weightspace.errors import InputError
from weightspace.models.base import layout_of
from weightspace.models.budget import closed_form, dense_count, widths_for
from weightspace.models.zoo import make


@pytest.mark.parametrize(
    ("budget", "depth", "widths"),
    [
        (10_000_000, 1, (12755,)), (10_000_000, 2, (2048, 4096)), (10_000_000, 3, (961, 1922, 3844)),
        (100_000, 1, (127,)), (100_000, 2, (101, 202)), (100_000, 3, (68, 136, 272)),
    ],
)  # fmt: skip
def test_the_closed_form(budget, depth, widths):
    assert closed_form(784, budget, depth) == widths


def test_the_closed_form_of_deep_networks():
    assert (closed_form(784, 10_000_000, 4)[0], closed_form(784, 10_000_000, 4)[-1]) == (478, 3824)
    assert (closed_form(784, 100_000, 5)[0], closed_form(784, 100_000, 6)[-1]) == (22, 352)
    assert closed_form(784, 10_000_000, 3, growth=1.0)[0] == closed_form(784, 10_000_000, 3, growth=1.0)[2]


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("depth", [1, 2, 3, 5, 6])
def test_the_search_comes_nearer(depth, norm):
    for budget in (50_000, 100_000, 1_000_000):
        found = widths_for(784, 10, budget, depth, norm=norm)
        miss = abs(dense_count(784, found, 10, norm=norm) - budget)
        theirs = abs(dense_count(784, closed_form(784, budget, depth), 10, norm=norm) - budget)
        assert miss <= theirs
        assert miss < 0.02 * budget


def test_counts_are_those_of_a_network():
    model = make("fc:widths=7,5", (4, 4, 1), 3)
    assert dense_count(16, (7, 5), 3) == layout_of(model, (4, 4, 1), "float32").size
    assert dense_count(784, (32, 32), 10, norm=True) == 26634


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((784, 10, 100, 1), "do not pay"),
        ((784, 10, 10**5, 0), "depth is 0"),
        ((784, 10, 10**5, 2, 0.0), "growth"),
    ],
)
def test_what_cannot_be_is_refused(arguments, words):
    with pytest.raises(InputError, match=words):
        widths_for(*arguments)
    if words == "do not pay":
        with pytest.raises(InputError, match=words):
            closed_form(784, 100, 1)
