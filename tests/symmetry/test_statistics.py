"""The study's statistics of masks: its own known answers."""

import math

import numpy as np

from tests.symmetry.builders import full, rows
from weightspace.symmetry.statistics import layer_statistics, statistics

FIRST = rows("110", "001")
"""Columns 10, 10, 01."""


def columns(*text):
    return rows(*text).transpose(1, 0, 2)


def test_full_layers():
    one = statistics([full(5, 16)])
    assert (one["permutations"], one["unique_neurons"]) == (math.factorial(16), 1)
    two = statistics([full(5, 16), full(16, 32)])
    assert (two["permutations"], two["unique_neurons"]) == (math.factorial(16) * math.factorial(32), 2)


def test_twins_by_both_sides():
    after = columns("110", "001", "001", "000")
    assert layer_statistics(FIRST, after)[:2] == (2, 2)
    found = statistics([FIRST, after])
    assert found["permutations"] == 4
    assert (found["unique_neurons"], found["zeroed_neurons"], found["total_neurons"]) == (4, 1, 7)
    assert found["permutation_num_digits"] == 1
    assert found["permutation_log10"] == math.log10(4)


def test_outgoing_weights_tell_units_apart():
    after = columns("110", "011", "001", "000")
    assert layer_statistics(FIRST, after)[:2] == (1, 3)
    found = statistics([FIRST, after])
    assert (found["permutations"], found["unique_neurons"], found["zeroed_neurons"]) == (1, 6, 1)


def test_a_diagonal_and_a_dead_layer():
    assert statistics([np.eye(3, dtype=bool)[:, :, None]])["permutations"] == 1
    dead = statistics([np.zeros((2, 3, 1), bool), full(3, 2)])
    assert (dead["permutations"], dead["permutation_log10"]) == (0, -math.inf)
    assert dead["zeroed_neurons"] == 3
    assert dead["sparsity"] == 0.5


def test_taps_of_the_next_convolution_are_not_mixed():
    """Two channels that the next layer reads by other taps are no twins, in whatever order axes lie."""
    after = np.zeros((2, 1, 9), bool)
    after[0, 0, 2] = after[1, 0, 5] = True
    assert layer_statistics(full(1, 2), after)[:2] == (1, 2)
    after[1, 0, 2], after[1, 0, 5] = True, False
    assert layer_statistics(full(1, 2), after)[:2] == (2, 1)
