"""Random bases of the whole vector find what Gaussian ones find: d* does not depend on which is taken."""

import numpy as np
import pytest

from tests.spaces.test_fast_bases import dense
from weightspace.experiments.freedom.random_subspace import FreedomRandom
from weightspace.spaces.bases import make_basis
from weightspace.sweeps.ask import sweep
from weightspace.tables.thresholds import Swept, thresholds

SIZE, BASES = 600, 20
OTHERS = ["sparse", "sparse:disjoint=true", "srht", "fastfood"]
EIGENVALUES = np.arange(1, SIZE + 1) ** -1.0


def least_losses(name, dim):
    """The least value of a quadratic well in each of twenty slices, over its value at the start."""
    offset = np.random.default_rng(1).normal(size=SIZE)
    gradient = EIGENVALUES * offset
    start = offset @ gradient
    found = []
    for seed in range(BASES):
        columns = dense(make_basis(name, dim), SIZE, seed)
        pulled = columns.T @ gradient
        gained = pulled @ np.linalg.solve(columns.T @ (EIGENVALUES[:, None] * columns), pulled)
        found.append((start - gained) / start)
    return np.array(found)


@pytest.fixture(scope="module")
def gaussian():
    return {dim: least_losses("gaussian", dim) for dim in (8, 80)}


@pytest.mark.parametrize("dim", [8, 80])
@pytest.mark.parametrize("name", OTHERS)
def test_the_least_loss_of_a_slice_is_that_of_gaussian_slices(name, dim, gaussian):
    """A quadratic well with a decaying spectrum in the weights' own directions, solved exactly."""
    ours, theirs = least_losses(name, dim), gaussian[dim]
    error = np.sqrt((ours.var(ddof=1) + theirs.var(ddof=1)) / BASES)
    assert abs(ours.mean() - theirs.mean()) < 4 * error
    assert 0.3 < ours.std() / theirs.std() < 2


@pytest.mark.slow
def test_thresholds_of_trained_networks_agree_with_gaussian_ones(tmp_path):
    """d* on fc/digits, twenty bases a dimension; `benchmarks/bases_threshold.py` has the finer grid."""
    found = {}
    for name in ("gaussian", "srht", "fastfood"):
        question = FreedomRandom(
            model="fc:widths=16", basis=name, dims=(24, 96), reference=False, seeds=(str(BASES),),
            epochs=12.0, levels=(0.6,),
        )  # fmt: skip
        table = sweep(question, tmp_path)
        assert len(table) == 2 * BASES
        lines = thresholds(table, {"test_accuracy": (0.6,)}, 0.5, Swept(("method",), ("method", "full")))
        found[name] = lines.iloc[0]
    dense_line = found.pop("gaussian")
    assert 24 < dense_line["d_star"] < 96
    for line in found.values():
        assert line["d_star_low"] <= dense_line["d_star_high"]
        assert line["d_star_high"] >= dense_line["d_star_low"]
