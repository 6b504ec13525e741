"""Patterns: exact counts, what each promises, names, and what is refused. A new pattern is one row."""

import math

import jax
import numpy as np
import pytest

from weightspace.errors import InputError
from weightspace.masks.pattern import Place, zeros_of
from weightspace.masks.patterns import Circulant, make_pattern, names
from weightspace.streams import Seeds, Stream, key, named

KEY = key(Seeds(0), Stream.MASK)
FIRST, HIDDEN, CONV = (
    Place("a", 64, 16, first=True), Place("b", 16, 16), Place("c", 8, 12, taps=9),
)  # fmt: skip
PER_UNIT = ("per_neuron", "symmetric", "block_repeat", "circulant", "circulant:consecutive=true")
ABLATION = "per_neuron_no_input_ablation"


def flags(name, place, sparsity, salt="x"):
    found = make_pattern(name).flags(place, sparsity, named(KEY, salt))
    assert found.shape == (place.inputs, place.units, place.taps)
    assert found.dtype == bool
    return found


@pytest.mark.parametrize("place", [FIRST, HIDDEN, CONV], ids=lambda place: place.path)
@pytest.mark.parametrize("name", [*names(), "per_neuron_no_input_ablation:shuffle=independent"])
def test_ends_of_the_range_and_one_draw_for_a_key(name, place):
    assert flags(name, place, 0.0).all()
    least = place.fan_in if name.startswith(ABLATION) else 0
    assert flags(name, place, 1.0).sum() == least
    np.testing.assert_array_equal(flags(name, place, 0.5), flags(name, place, 0.5))
    if place is not FIRST and name != "circulant:consecutive=true":
        assert (flags(name, place, 0.5) != flags(name, place, 0.5, "y")).any()


@pytest.mark.parametrize("sparsity", [0.1, 0.5, 0.7, 0.9, 0.95, 1 / 3])
def test_random_has_an_exact_number_of_zeros(sparsity):
    for place in (FIRST, HIDDEN, CONV):
        zeros = (~flags("random", place, sparsity)).sum()
        assert zeros == math.ceil(sparsity * place.size - 1e-9)


def test_counts_are_those_of_the_decimal_number():
    """0.1 × 1,000 and 0.7 × 10 are above the whole number in floating point, .29 × 100 below."""
    assert [zeros_of(1000, 0.1), zeros_of(10, 0.7), zeros_of(100, 0.29)] == [100, 7, 29]
    assert [zeros_of(7, 0.5), zeros_of(0, 0.5)] == [4, 0]


@pytest.mark.parametrize("name", PER_UNIT)
@pytest.mark.parametrize("sparsity", [0.25, 0.5, 0.75])
def test_each_unit_has_the_same_fan_in(name, sparsity):
    for place in (FIRST, HIDDEN, CONV):
        ones = flags(name, place, sparsity).sum(axis=(0, 2))
        assert (ones == place.fan_in - math.ceil(sparsity * place.fan_in)).all()


def test_symmetric_cuts_whole_inputs():
    found = flags("symmetric", HIDDEN, 0.75)
    assert (found == found[:, :1]).all()
    assert found.any(axis=(1, 2)).sum() == 4


@pytest.mark.parametrize("sparsity", [0.8, 0.9, 0.95, 1.0])
def test_no_input_is_cut_off(sparsity):
    place = Place("a", 784, 32, first=True)
    found = flags(ABLATION, place, sparsity)
    assert found.any(axis=1).all()
    ones = found.sum(axis=(0, 2))
    diagonal = np.bincount(np.arange(784) % 32)
    assert (ones == np.maximum(round((1 - sparsity) * 784), diagonal)).all()


def test_the_broken_shuffle_cuts_inputs_off_as_the_study_s_did():
    """784 × 32: 36 % of the inputs at s = 1, where (1 - 1/n)^n is expected, 20 % at .95, 3.4 % at .9."""
    place = Place("a", 784, 32, first=True)
    for sparsity, share in ((1.0, (31 / 32) ** 32), (0.95, 0.20), (0.9, 0.034)):
        found = flags("per-neuron-no-input-ablation:shuffle=independent", place, sparsity)
        lost = 1 - found.any(axis=1).mean()
        assert abs(lost - share) < 4 * math.sqrt(share * (1 - share) / 784)
    assert 1 - flags(ABLATION, place, 1.0).mean() == pytest.approx(0.9688, abs=5e-5)


def test_fewer_inputs_than_units_leave_units_without():
    found = flags(ABLATION, Place("a", 5, 8), 1.0)
    assert found.any(axis=1).all()
    assert (~found.any(axis=(0, 2))).sum() == 3


def test_bernoulli_is_random_in_number_and_fair():
    ones = np.array([flags("bernoulli", HIDDEN, 0.7, str(n)).sum() for n in range(100)])
    assert abs(ones.mean() / 256 - 0.3) < 4 * math.sqrt(0.21 / 25_600)
    assert 0.5 < ones.std() / math.sqrt(256 * 0.21) < 1.5


def test_all_places_are_drawn_as_often():
    for name in ("random", "per_neuron", "n_m", ABLATION):
        share = np.mean([flags(name, HIDDEN, 0.75, str(n)) for n in range(200)], axis=0)
        assert np.abs(share - share.mean()).max() < 5 * math.sqrt(0.25 * 0.75 / 200), name


def test_blocks_take_and_give_as_one():
    for place in (HIDDEN, CONV):
        found = flags("block_repeat:repeat=4", place, 0.5)
        groups = found.reshape(place.inputs // 4, 4, place.units // 4, 4, place.taps)
        assert (groups == groups[:, :1, :, :1]).all()
    first = flags("block_repeat:repeat=4", FIRST, 0.9)
    assert (first.reshape(64, 4, 4) == first.reshape(64, 4, 4)[:, :, :1]).all()


def test_circulants_stay_when_inputs_and_units_are_moved_on():
    for place in (HIDDEN, CONV, Place("d", 16, 8), Place("e", 8, 24)):
        found = flags("circulant", place, 0.5)
        turns = math.gcd(place.inputs, place.units)
        moved = np.roll(found, (place.inputs // turns, place.units // turns), axis=(0, 1))
        np.testing.assert_array_equal(found, moved)
    assert (np.diff(np.flatnonzero(Circulant(True).flags(HIDDEN, 0.75, KEY)[:, 0, 0])) == 1).all()


def test_n_of_m():
    found = flags("n_m", HIDDEN, 0.5)
    assert (found.reshape(4, 4, 16).sum(axis=1) == 2).all()
    rest = flags("n_m:m=4", Place("r", 10, 3), 0.25)
    assert (rest[:8].reshape(2, 4, 3).sum(axis=1) == 3).all()
    assert (rest[8:].sum(axis=0) == 2).all()


def test_names_of_the_readme_and_of_the_code():
    assert make_pattern("per-neuron").name == make_pattern("per_neuron").name == "per_neuron"
    given = make_pattern("per-neuron-no-input-ablation:shuffle=independent")
    assert make_pattern(given.name) == given


@pytest.mark.parametrize(
    ("name", "place", "sparsity", "words"),
    [
        ("symetric", HIDDEN, 0.5, "did you mean 'symmetric'"),
        ("block_repeat:repeat=3", HIDDEN, 0.5, "has 16 inputs"),
        ("block_repeat:repeat=4", HIDDEN, 0.4, "has a fan-in of 9 left"),
        ("block_repeat:repeat=0", HIDDEN, 0.4, "repeat is 0"),
        ("n_m", HIDDEN, 0.9, "give a multiple of 1/4, as 1"),
        ("per_neuron:shuffle=joint", HIDDEN, 0.5, "no option 'shuffle'"),
        ("per_neuron_no_input_ablation:shuffle=jont", HIDDEN, 0.5, "did you mean 'joint'"),
    ],
)
def test_what_cannot_be_is_refused(name, place, sparsity, words):
    with pytest.raises(InputError, match=words):
        make_pattern(name).flags(place, sparsity, jax.random.key(0))


@pytest.mark.parametrize(
    ("size", "sparsity", "zeros"),
    [
        (1000, 1 - 0.7, 300),
        (1000, 0.1 * 3, 300),
        (3, 1 - 1 / 3, 2),
        (1000, 0.3001, 301),
        (7, 0.0, 0),
        (7, 1.0, 7),
    ],
)
def test_a_sparsity_that_was_computed_is_the_one_that_was_meant(size, sparsity, zeros):
    assert zeros_of(size, sparsity) == zeros


@pytest.mark.parametrize(
    ("m", "sparsity", "kept"), [(3, 1 / 3, 2), (3, 2 / 3, 1), (10, 1 - 0.9, 9), (7, 3 / 7, 4)]
)
def test_n_of_m_takes_the_shares_that_it_advises(m, sparsity, kept):
    place = Place("a", 2 * m, 3)
    flags = np.asarray(
        make_pattern(f"n_m:m={m}").flags(place, sparsity, jax.random.key(0, impl="threefry2x32"))
    )
    np.testing.assert_array_equal(flags.reshape(2 * m, 3).sum(axis=0), 2 * kept)
