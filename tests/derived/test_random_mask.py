"""Random masks: exact counts, biases kept, all sets alike, one draw a seed."""

import jax
import numpy as np

from tests.builders import small_run
from weightspace.derived.random_mask import RandomMask
from weightspace.masks.densities import kept_counts
from weightspace.streams import Seeds
from weightspace.tree import flat_dict

RUN = small_run(0, model="fc:widths=16,8")
SHAPE = tuple(RUN.task.data.shape)


def mask(seed=0, density=0.2, **options):
    return flat_dict(RandomMask(RUN.model, SHAPE, Seeds(seed), density, **options).compute()["mask"])


def test_counts_are_those_of_the_distribution_and_biases_are_kept():
    node = RandomMask(RUN.model, SHAPE, Seeds(0), 0.2)
    counts = kept_counts(node.layout(), 0.2, "erk")
    for path, leaf in mask().items():
        assert leaf.sum() == counts.get(path, leaf.size)
        assert leaf.dtype == bool
    shapes = jax.tree.map(lambda a: (a.shape, np.dtype(a.dtype)), node.blank()["mask"])
    assert shapes == jax.tree.map(lambda a: (a.shape, a.dtype), node.compute()["mask"])


def test_a_seed_is_one_draw_and_two_seeds_are_two():
    first, again, other = mask(0), mask(0), mask(1)
    path = next(path for path, leaf in first.items() if leaf.ndim == 2)
    np.testing.assert_array_equal(first[path], again[path])
    assert (first[path] != other[path]).any()


def test_every_weight_is_kept_as_often():
    draws = np.stack([mask(seed, 0.25, distribution="uniform")["output/kernel"] for seed in range(80)])
    share = draws.mean(0)
    assert abs(share.mean() - 0.25) < 1e-9
    assert np.abs(share - 0.25).max() < 5 * np.sqrt(0.25 * 0.75 / 80)
