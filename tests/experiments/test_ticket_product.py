"""Actions on kept weights times all actions on pruned ones, over two rounds of real training."""

import numpy as np
import pytest

from weightspace.experiments.tickets.iterative import TicketsIterative
from weightspace.masks import pruned
from weightspace.store.base import Store
from weightspace.sweeps.ask import sweep
from weightspace.sweeps.estimate import estimate
from weightspace.training.block import Block, block_for
from weightspace.tree import flat_dict

KEPT = ("rewind", "reinit", "signed_reinit")
PRODUCT = TicketsIterative(
    model="fc:widths=12,initialiser=glorot_normal", data="digits", validation=200, epochs=1.0, lr=0.005,
    eval_every="20it", dense_rate=0.6, output_rate=0.3, rounds=2, seeds=("1",), criteria=("large_final",),
    kept=KEPT, pruned=pruned.names(),
)  # fmt: skip
KERNEL = "hidden/0/kernel"
TRACED = []
"""Names of the functions that were compiled for the product's sweep."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the product is stored."""
    return tmp_path_factory.mktemp("product")


@pytest.fixture(scope="module")
def product(folder):
    """The table, and a reader of kernels by node and output."""
    with pytest.MonkeyPatch.context() as patch:
        trace = Block._trace

        def noted(self, name, *rest):
            TRACED.append(name)
            return trace(self, name, *rest)

        patch.setattr(Block, "_trace", noted)
        block_for.cache_clear()
        table = sweep(PRODUCT, folder)
    store = Store(folder)
    return table, lambda output: np.asarray(flat_dict(store.output(output.of.digest, output.key))[KERNEL])


def arms():
    """By names of both actions, the runs of the two rounds; and the dense one."""
    found, (dense, *rows) = {}, next(PRODUCT.ask())
    for row in rows:
        found.setdefault((row.labels["kept"], row.labels["pruned"]), []).append(row.node)
    return dense.node, found


def test_every_arm_is_trained(product):
    table, _ = product
    assert set(table["status"]) == {"ok"}
    assert len(table) == 1 + 2 * len(KEPT) * len(pruned.names()) == 37


def test_all_arms_of_a_round_are_one_program_and_one_cohort(product, folder):
    """18 tickets a round, of every kind of action; the last round's weights are not kept for another one."""
    assert [TRACED.count(name) for name in ("advance", "finish")] == [1 + 2, 1 + 2]
    cost = estimate(PRODUCT)
    assert (cost.runs, cost.cohorts, cost.programs) == (37, 1 + 2, 1 + 2)
    assert len(list(folder.glob("runs/*.parquet"))) == 1 + 2


def test_what_the_first_round_froze_is_there_in_the_second(product):
    _, read = product
    _, found = arms()
    for (_, name), (first, second) in found.items():
        if name == "zero":
            continue
        gone = ~read(first.space.mask)
        before, after = read(first.space.frozen), read(second.space.frozen)
        np.testing.assert_array_equal(after[gone], before[gone])
        assert np.any(before[gone] != 0)


def test_what_is_zero_was_meant_to_be(product):
    _, read = product
    dense, found = arms()
    initial = read(dense.at(0))
    for name in ("at_init", "zero_shrunk", "zero_shuffled", "zero_grown"):
        _, second = found["rewind", name]
        gone, values = ~read(second.space.mask), read(second.space.frozen)
        zero = values[gone] == 0
        np.testing.assert_array_equal(values[gone], np.where(zero, 0, initial[gone]))
        assert zero.any() == (name != "at_init")


def test_signs_are_kept_by_the_actions_that_say_so(product):
    """A permutation over all entries may bring zeros that an earlier round froze: they have no sign."""
    _, read = product
    dense, found = arms()
    signs = np.sign(read(dense.at(0)))
    for (action, name), rounds in found.items():
        own = [run for run in rounds if action.startswith("signed")]
        for run in own:
            there, values = read(run.space.mask), read(run.space.start)
            zero = there & (values == 0)
            assert not zero.any() or (action, run) == ("signed_reinit", rounds[1]), (action, name)
            same = np.sign(values) == signs
            assert same[there & ~zero].all(), (action, name)
    free = [found[action, "zero"][0] for action in ("reinit",)]
    for run in free:
        there, values = read(run.space.mask), read(run.space.start)
        assert 0.3 < np.mean(np.sign(values[there]) == signs[there]) < 0.7
