"""Soups, random averages, pulls and draws of SWAG, by NumPy alone."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.builders import small_run
from weightspace import tree
from weightspace.data import make_data
from weightspace.derived import soup
from weightspace.derived.averages import Averaged, RandomAverage, pulled
from weightspace.derived.soup import GreedySoup
from weightspace.derived.swag import SwagSample, drawn
from weightspace.errors import InputError
from weightspace.measure.host import measure, stacked
from weightspace.measure.network import Network, Subject
from weightspace.run import Row
from weightspace.store.base import Store
from weightspace.sweeps.ask import sweep

RNG = np.random.default_rng(0)


def net(seed=0, scale=1.0):
    rng = np.random.default_rng(seed)
    leaf = {"kernel": rng.normal(size=(3, 2)), "bias": rng.normal(size=2)}
    found = {"a": leaf, "b": {"kernel": rng.normal(size=(2, 2)), "bias": rng.normal(size=2)}}
    return jax.tree.map(lambda x: (scale * x).astype(np.float32), found)


NETS = tuple(net(seed) for seed in range(4))


def flat(weights):
    return {path: np.asarray(leaf, np.float64) for path, leaf in tree.flat_dict(weights).items()}


def vector(weights):
    return np.concatenate([leaf.ravel() for leaf in flat(weights).values()])


def test_a_uniform_soup_is_the_mean_and_shares_are_those_given():
    each = np.stack([vector(one) for one in NETS])
    np.testing.assert_allclose(vector(Averaged(NETS).compute()["weights"]), each.mean(0), rtol=1e-6)
    shares = pulled(4, 2, 0.7)
    assert shares == pytest.approx((0.1, 0.1, 0.7, 0.1))
    found = Averaged(NETS, shares).compute()["weights"]
    np.testing.assert_allclose(vector(found), np.asarray(shares) @ each, rtol=1e-5, atol=1e-7)
    assert found["a"]["kernel"].dtype == np.float32


def constant(value):
    return jax.tree.map(lambda leaf: np.full(leaf.shape, value, np.float32), NETS[0])


def shares_of(node):
    """The shares of each entry: that of a network is the average where it is one and the others are zero."""
    found = []
    for k in range(len(NETS)):
        one = tuple(constant(float(k == j)) for j in range(len(NETS)))
        found.append(flat(dataclasses.replace(node, weights=one).compute()["weights"]))
    return {path: np.stack([each[path] for each in found]) for path in found[0]}


@pytest.mark.parametrize("by", ["global", "module", "weight"])
def test_random_averages_draw_where_they_say(by):
    shares = shares_of(RandomAverage(NETS, by, seed=3))
    for leaf in shares.values():
        np.testing.assert_allclose(leaf.sum(0), 1, rtol=1e-6)
        assert (leaf >= 0).all()
    one = {path: leaf.reshape(4, -1) for path, leaf in shares.items()}
    spread = max(np.ptp(leaf, axis=1).max() for leaf in one.values())
    assert (spread > 0.1) == (by == "weight")
    if by != "weight":
        first = {path: leaf[:, 0] for path, leaf in one.items()}
        np.testing.assert_array_equal(first["a/kernel"], first["a/bias"])  # a module has one draw
        assert np.allclose(first["a/kernel"], first["b/kernel"]) == (by == "global")


def test_random_averages_are_uniform_on_the_simplex():
    """E[c] = 1/m and E[c²] = 2 / (m (m + 1)), over entries and draws."""
    wide = tuple({"w": np.full(200, i == 0, np.float32)} for i in range(3))
    draws = [RandomAverage(wide, "weight", seed=0, number=n).compute()["weights"]["w"] for n in range(20)]
    c = np.concatenate(draws).astype(np.float64)
    assert c.mean() == pytest.approx(1 / 3, abs=0.015)
    assert np.square(c).mean() == pytest.approx(2 / 12, abs=0.015)
    again = RandomAverage(wide, "weight", seed=0, number=5).compute()["weights"]["w"]
    np.testing.assert_array_equal(again, draws[5])
    assert not np.array_equal(draws[5], draws[6])


def swag_parts(models, rank=5):
    columns = np.zeros((rank, 5))
    columns[:models] = RNG.normal(size=(models, 5))
    variance = np.abs(RNG.normal(size=5))

    def split(values):
        return {"a": values[..., :2].astype(np.float32), "b": values[..., 2:].astype(np.float32)}

    mean = RNG.normal(size=5)
    return SwagSample(split(mean), split(variance), split(columns), np.int32(models), seed=1), (
        mean, variance, columns[:models],
    )  # fmt: skip


@pytest.mark.parametrize("models", [2, 4, 5])
def test_draws_have_the_paper_s_covariance(models):
    """½ diag(σ²) + D̂ D̂ᵀ / (2 (K - 1)), K the models collected and not the room for them."""
    given, (mean, variance, columns) = swag_parts(models)
    count = 40_000
    found = np.stack([np.concatenate([one["a"], one["b"]]) for one in drawn(given, count)]).astype(np.float64)
    exact = np.diag(variance) / 2 + columns.T @ columns / (2 * (models - 1))
    bound = 5 * np.sqrt((np.outer(exact.diagonal(), exact.diagonal()) + exact**2) / count)
    assert (np.abs(np.cov(found.T) - exact) < bound).all()
    assert (np.abs(found.mean(0) - mean) < 5 * np.sqrt(exact.diagonal() / count)).all()
    # What is twice as wide, or counts the room, is told apart.
    assert (np.abs(2 * exact - exact) > bound).diagonal().all()


def test_draws_of_one_seed_and_number_are_the_same():
    given, _ = swag_parts(3)
    one, same = given.compute()["weights"], given.compute()["weights"]
    other = dataclasses.replace(given, number=1).compute()["weights"]
    np.testing.assert_array_equal(vector(one), vector(same))
    assert not np.array_equal(vector(one), vector(other))
    assert given.blank()["weights"]["a"].shape == (2,)


def test_draws_about_one_model_are_refused():
    given, _ = swag_parts(1)
    with pytest.raises(InputError, match="about a mean of 1 models, but their spread needs two"):
        given.compute()


def greedy(accuracies, monkeypatch):
    """A soup whose accuracy is a function of its members, told by the mean of one-hot weights."""
    run = small_run(0, data=make_data("digits", validation=100), model="fc:widths=2")
    blank = run.model.init(jax.random.key(0, impl="threefry2x32"), jnp.zeros((1, 8, 8, 1)))[0]
    path = max(tree.flat_dict(blank), key=lambda name: tree.flat_dict(blank)[name].size)
    count = len([key for key in accuracies if len(key) == 1])

    def network(i):
        weights = {name: np.zeros(np.shape(leaf), np.float32) for name, leaf in tree.flat_dict(blank).items()}
        weights[path].reshape(-1)[i] = 1
        return Network(tree.nested_dict(weights), {})

    node = GreedySoup(run.model, run.task, tuple(network(i) for i in range(count)), run.seeds)
    asked = []

    def told(self, weights, state):
        members = frozenset(np.flatnonzero(np.asarray(tree.flat_dict(weights)[path]).reshape(-1)[:count]))
        asked.append(members)
        return accuracies[members]

    monkeypatch.setattr(soup.GreedySoup, "_accuracy", told)
    return node.compute(), asked, path


def test_a_greedy_soup_takes_what_does_not_lower_its_accuracy(monkeypatch):
    """Best first; of equal ones the earlier; kept where equal, left where less."""
    f = frozenset
    accuracies = {f({0}): 0.7, f({1}): 0.9, f({2}): 0.8, f({3}): 0.8}
    accuracies |= {f({1, 2}): 0.9, f({1, 2, 3}): 0.89, f({0, 1, 2}): 0.95}
    found, asked, path = greedy(accuracies, monkeypatch)
    assert asked[4:] == [f({1, 2}), f({1, 2, 3}), f({0, 1, 2})]
    assert found["members"].tolist() == [1, 2, 0]
    assert (found["soup_models"], found["soup_validation_accuracy"]) == (3, 0.95)
    assert found["soup_first_accuracy"] == 0.9
    shares = np.asarray(tree.flat_dict(found["weights"])[path]).reshape(-1)[:4]
    np.testing.assert_allclose(shares, [1 / 3, 1 / 3, 1 / 3, 0], rtol=1e-6)


def test_soups_of_trainings_in_a_sweep(tmp_path):
    """The greedy soup's accuracy is that of its own weights, and no less than its best member's."""
    data = make_data("digits", validation=200)
    runs = [small_run(seed, data=data, length="40it") for seed in range(2)]
    node = GreedySoup(runs[0].model, runs[0].task, tuple(run.network() for run in runs), runs[0].seeds)
    uniform = Averaged(tuple(run.final() for run in runs))
    table = sweep([Row({"what": "greedy"}, node), Row({"what": "uniform"}, uniform)], tmp_path)
    assert set(table["status"]) == {"ok"}
    line = table.set_index("what").loc["greedy"]
    weights = jax.tree.map(jnp.asarray, Store(tmp_path).output(node.digest, "weights"))
    subject = Subject(runs[0].model, runs[0].task, runs[0].seeds)
    own = measure(subject, stacked([Network(weights, {})]), {"validation": None})["validation_accuracy"][0]
    assert line["soup_validation_accuracy"] == pytest.approx(own)
    assert own >= line["soup_first_accuracy"]


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Averaged(()), "there are no weights to average"),
        (lambda: Averaged(NETS, (0.5, 0.5)), "2 shares are given for 4 networks"),
        (lambda: Averaged(NETS, (0.5,) * 4), "sum to 2, but must sum to 1"),
        (lambda: RandomAverage(NETS, "layer"), "unknown by 'layer'"),
        (lambda: pulled(3, 3, 0.5), "towards is 3"),
        (lambda: pulled(3, 1, 1.5), "share of the pull is 1.5"),
        (lambda: Averaged((NETS[0], {"a": NETS[0]["a"]})).compute(), "leaf 'b/.*' has shape none and"),
        (
            lambda: Averaged((NETS[0], jax.tree.map(lambda x: x.T[:1], NETS[1]))).compute(),
            "weights 1 cannot be averaged with weights 0",
        ),
        (lambda: Averaged((NETS[0], net(1, np.nan))).compute(), "weights 1 is not finite"),
    ],
)
def test_what_makes_no_sense_is_refused(make, text):
    with pytest.raises(InputError, match=text):
        make()


def test_a_greedy_soup_without_validation_examples_is_refused():
    run = small_run(0)
    with pytest.raises(InputError, match="needs a validation split; give the data validation="):
        GreedySoup(run.model, run.task, (run.network(),), run.seeds)
