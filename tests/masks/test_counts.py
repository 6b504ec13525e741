from fractions import Fraction

import pytest

from tests.masks.builders import LAYOUT
from weightspace.errors import InputError
from weightspace.masks.counts import Rates, drop_count

FC = {"dense": [235_200, 30_000], "output": [1_000]}
CONV2 = {"conv": [1_728, 36_864], "dense": [4_194_304, 65_536], "output": [2_560]}
CONV4 = {"conv": [1_728, 36_864, 73_728, 147_456], "dense": [2_097_152, 65_536], "output": [2_560]}
CONV6 = {"conv": [*CONV4["conv"], 294_912, 589_824], "dense": [1_048_576, 65_536], "output": [2_560]}


def rounds(kept, rate, count, rule):
    left = [kept]
    for _ in range(count):
        left.append(left[-1] - drop_count(left[-1], rate, rule))
    return left


@pytest.mark.parametrize(
    ("kept", "rate", "expected"),
    [
        (235_200, 0.2, [235_200, 188_161, 150_529, 120_424, 96_340, 77_073, 61_659]),
        (30_000, 0.2, [30_000, 24_001, 19_201, 15_361, 12_289, 9_832, 7_866]),
        (1_000, 0.1, [1_000, 901, 811, 730, 658, 593, 534]),
    ],
)
def test_legacy_counts_are_those_of_the_original_code(kept, rate, expected):
    assert rounds(kept, rate, 6, "legacy") == expected


@pytest.mark.parametrize(
    ("layers", "rates", "expected"),
    [
        (FC, Rates(), 1_344),
        (CONV2, Rates(), 23_420),
        (CONV4, Rates(), 31_170),
        (CONV6, Rates(conv=0.15), 28_652),
    ],
)
def test_legacy_totals_after_24_rounds(layers, rates, expected):
    sizes = [(size, getattr(rates, kind)) for kind, several in layers.items() for size in several]
    assert sum(rounds(size, rate, 24, "legacy")[-1] for size, rate in sizes) == expected


def test_the_exact_rule_has_no_truncation():
    assert rounds(235_200, 0.2, 2, "round") == [235_200, 188_160, 150_528]
    assert rounds(1_000, 0.1, 3, "round") == [1_000, 900, 810, 729]


@pytest.mark.parametrize(("kept", "rate", "removed"), [(5, 0.5, 3), (5, 0.1, 1), (4, 0.1, 0), (15, 0.1, 2)])
def test_halves_are_rounded_upwards(kept, rate, removed):
    """0.1 is a tenth, although its float is a little more, and 1.5 of 15 a half."""
    assert drop_count(kept, rate) == removed


@pytest.mark.parametrize("rule", ["round", "legacy"])
@pytest.mark.parametrize("rate", [0.0, 0.1, 0.15, 0.2, 1 / 3, 0.999])
def test_a_power_is_that_many_rounds_in_one(rate, rule):
    for power in (0, 1, 5, 24):
        exact = 4_194_304 * (1 - (1 - Fraction(rate)) ** power)
        error = drop_count(4_194_304, rate, rule, power) - exact
        assert abs(error) <= Fraction(1, 2) + Fraction(1, 10**6) if rule == "round" else -1 <= error <= 1e-6
    assert drop_count(1_000_000, 0.1, power=3) == 271_000
    assert drop_count(777, rate, rule, 0) == 0


def test_nothing_is_removed_beyond_what_is_there():
    assert all(0 <= drop_count(kept, 0.97) <= kept for kept in range(200))


@pytest.mark.parametrize("rate", [1.0, -0.1, float("nan"), 2])
def test_rates_are_shares_removed(rate):
    with pytest.raises(InputError, match=r"must lie in \[0, 1\).*share removed"):
        drop_count(10, rate)
    with pytest.raises(InputError, match="pruning rate 'conv'"):
        Rates(conv=rate)


def test_other_options_are_checked():
    with pytest.raises(InputError, match="did you mean 'round'"):
        drop_count(10, 0.1, "rounds")
    with pytest.raises(InputError, match="pruning power"):
        drop_count(10, 0.1, power=-1)


def test_the_rate_of_a_leaf_is_that_of_its_kind():
    rates = Rates(dense=0.5, conv=0.25, output=0.125)
    found = {path: rates.of(LAYOUT[path]) for path in LAYOUT.paths("kernel")}
    assert found == {"conv/kernel": 0.25, "dense/kernel": 0.5, "output/kernel": 0.125}
    assert (Rates().dense, Rates().conv, Rates().output) == (0.2, 0.1, 0.1)
