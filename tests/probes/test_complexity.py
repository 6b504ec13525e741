"""The measures of complexity against what they stand for: how biases move, and how steep networks are."""

import dataclasses
import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit

from tests.builders import small_run
from tests.training.harness import block_of, flat, train
from weightspace import tree
from weightspace.data import Data, from_arrays, make_data
from weightspace.data.cosine import CosineProduct
from weightspace.data.task import Task
from weightspace.derived.chain import chain_of, outputs
from weightspace.derived.lipschitz import at_points
from weightspace.errors import InputError
from weightspace.models.adapters import from_function
from weightspace.models.zoo import make
from weightspace.precision import Precision
from weightspace.probes import (
    Activations,
    BiasDistance,
    BiasPath,
    BiasVariance,
    Lipschitz,
    LipschitzSet,
    PathLength,
    Sharpness,
    SingularValues,
    Steadiness,
    make_probe,
)
from weightspace.probes.steadiness import BINS, HIGH, LOW, PER_OCTAVE, quantile
from weightspace.recipes.base import Recipe
from weightspace.recipes.losses import BinaryCrossEntropy, CrossEntropy, SquaredError
from weightspace.recipes.optimisers import Momentum, Sgd
from weightspace.recipes.schedules import Exponential
from weightspace.run import Row, Run, Watch
from weightspace.spaces.full import Full
from weightspace.streams import Seeds
from weightspace.sweeps.ask import sweep
from weightspace.training.order import epoch_order

RNG = np.random.default_rng(7)
N, DIMS, STEPS = 12, 5, 8
# Numbers of single precision, in which data are handed to the program.
X = (2 * RNG.normal(size=(N, DIMS)) + 1).astype(np.float32).astype(np.float64)
Y = RNG.normal(size=N).astype(np.float32).astype(np.float64)
EACH_STEP = [0, *[1] * STEPS]


pytestmark = pytest.mark.usefixtures("cache_apart")


def points(x, y, **options):
    """All of the points to train on; the first two for testing."""
    return Data(from_arrays(x, y, x[:2], y[:2], **options), normalise="none")


def real():
    return points(X, Y)


def bits():
    return points(X, np.arange(N) % 2, classes=2)


TASKS = {"mse/2": (real, SquaredError(0.5)), "bce/2": (bits, BinaryCrossEntropy(0.5))}


def run_of(
    task="mse/2", *, model="mlp:widths=16,12", lr=0.05, batch=1, length=f"{STEPS}it", seed=3, data=None,
    loss=None, optimiser=None, schedule=None, dtype="float64",
):  # fmt: skip
    """A network of one output on twelve points, in double precision."""
    given, own_loss = TASKS[task]
    data, loss = data or given(), loss or own_loss
    network = make(model, data.shape, loss.width(data)) if isinstance(model, str) else model
    changes = {} if schedule is None else {"schedule": schedule}
    recipe = Recipe(optimiser or Sgd(lr), length, batch=batch, **changes)
    return Run(network, Task(data, loss), Full(), recipe, Seeds(seed), precision=Precision(dtype))


def records_of(run, *probes, stretches=EACH_STEP):
    return {name: value[:, 0] for name, value in train([run], probes, stretches=stretches)[1].items()}


@functools.cache
def chains(run, steps):
    """The network after each number of steps, as affine layers in double precision."""
    weights = [train([run], stretches=[k])[0][0] for k in range(steps + 1)]
    return [chain_of(run.model, w, run.task.data.shape) for w in weights]


def sampled(run, steps):
    """The examples of each step."""
    size, batch = run.task.data.size, run.recipe.batch
    per_epoch = run.recipe.steps_per_epoch(size)
    order = [
        np.asarray(epoch_order(run.seeds, jnp.int32(e), size, None)) for e in range(steps // per_epoch + 1)
    ]
    places = [divmod(t, per_epoch) for t in range(steps)]
    return [order[epoch][at * batch : (at + 1) * batch] for epoch, at in places]


def epsilon(run, f, y):
    """ε, from the loss written out."""
    if isinstance(run.task.loss, SquaredError):
        return np.abs(f - y)
    return 0.5 / np.where(y == 1, expit(f), expit(-f))


class TestNormalisedUpdate:
    """φ = ‖Δb‖ / (rate · ε) = ‖∂ŷ/∂b‖, and with an identity below it the local Lipschitz constant."""

    @pytest.mark.parametrize("task", TASKS)
    def test_with_an_identity_it_is_the_local_lipschitz_constant(self, task):
        found = records_of(run_of(task), BiasPath(), Lipschitz())
        phi, steepness = found["trajectory"][1:], found["lipschitz_sampled"][1:]
        assert (phi > 1e-3).all()
        assert len(set(phi)) == STEPS
        np.testing.assert_allclose(phi, steepness, rtol=1e-9)
        np.testing.assert_array_equal(found["phi_max"][1:], phi)
        np.testing.assert_array_equal(found["lipschitz_sampled_max"][1:], steepness)

    @pytest.mark.parametrize("task", TASKS)
    def test_it_is_the_bias_s_own_motion(self, task):
        """Differences of stored biases over rate and ε, both from double precision outside of the program."""
        run = run_of(task)
        layers = [BiasPath(layer=layer) for layer in (0, 1, -1)]
        found = records_of(run, *layers)
        networks, y = chains(run, STEPS), np.asarray(run.task.data.arrays().train.y, np.float64)
        slopes = [
            epsilon(run, outputs(network, X[[i]])[0, 0], y[i])
            for network, (i,) in zip(networks[:-1], sampled(run, STEPS), strict=True)
        ]
        for probe in layers:
            biases = [network[probe.layer].bias for network in networks]
            moved = np.array([np.linalg.norm(b - a) / 0.05 for a, b in itertools.pairwise(biases)])
            np.testing.assert_allclose(found[f"{probe.prefix}loss_derivative"][1:], slopes, rtol=1e-9)
            np.testing.assert_allclose(found[f"{probe.prefix}update_length"][1:], moved, rtol=1e-9)
            np.testing.assert_allclose(found[f"{probe.prefix}trajectory"][1:], moved / slopes, rtol=1e-9)

    def test_it_precedes_the_update(self):
        """λ before and after a step differ; φ is the one before."""
        run = run_of(lr=0.5)
        phi = records_of(run, BiasPath())["trajectory"][1:]
        networks = chains(run, STEPS)
        before, after = (
            np.array([at_points(net, X[i])[0] for net, i in zip(nets, sampled(run, STEPS), strict=True)])
            for nets in (networks[:-1], networks[1:])
        )
        np.testing.assert_allclose(phi, before, rtol=1e-9)
        assert np.abs(phi - after).max() > 0.01 * phi.max()

    @pytest.mark.parametrize("task", TASKS)
    def test_it_does_not_depend_on_the_rate(self, task):
        first = [records_of(run_of(task, lr=lr), BiasPath(), stretches=[1]) for lr in (0.0, 1e-4, 0.3)]
        assert len({float(found["trajectory"][0]) for found in first}) == 1
        assert first[0]["trajectory"][0] > 0

    def test_a_falling_rate_leaves_the_identity_as_it_is(self):
        run = run_of(schedule=Exponential(0.5), length="2ep")
        found = records_of(run, BiasPath(), stretches=[0, *[1] * 2 * N])
        rate = run.recipe.schedule.multiplier(jnp.int32(2 * N - 1), jnp.int32(2 * N), N)
        assert rate < 0.05
        expected = found["trajectory"][1:] * found["loss_derivative"][1:]
        np.testing.assert_allclose(found["update_length"][1:], expected, rtol=1e-9)

    def test_with_several_outputs_it_is_the_update_over_the_norm_of_the_loss_s_gradient(self):
        data = make_data("digits")
        run = run_of(data=data, loss=CrossEntropy(), model="fc:widths=6")
        found = records_of(run, BiasPath())
        expected = found["trajectory"][1:] * found["loss_derivative"][1:]
        np.testing.assert_allclose(found["update_length"][1:], expected, rtol=1e-9)
        # ‖softmax - onehot‖ is less than √2.
        assert (found["loss_derivative"][1:] < np.sqrt(2)).all()
        assert (found["loss_derivative"][1:] > 0).all()

    @pytest.mark.parametrize("where", ["forward", "gradient"])
    def test_with_dropout_it_is_that_of_the_units_that_were_left(self, where):
        run = run_of(model=f"mlp:widths=32,32,dropout=0.5,dropout_in={where}")
        found = records_of(run, BiasPath())
        expected = found["trajectory"][1:] * found["loss_derivative"][1:]
        np.testing.assert_allclose(found["update_length"][1:], expected, rtol=1e-9)


def sum_init(key, x):
    return {"bias": jnp.zeros(x.shape[1:]), "out": {"kernel": jnp.ones((x.shape[1], 1))}}


def sum_apply(weights, x):
    return jnp.maximum(x + weights["bias"][None], 0) @ weights["out"]["kernel"]


def test_where_the_error_is_zero_the_normalised_update_is_still_defined():
    """Sums of whole numbers, and these sums for targets: ε = 0 to the last bit."""
    x = RNG.integers(1, 9, (N, 4)).astype(np.float64)
    data = points(x, x.sum(axis=1))
    run = run_of(data=data, model=from_function(sum_init, sum_apply))
    found = records_of(run, BiasPath(), Lipschitz(), Steadiness(), stretches=[STEPS])
    assert found["loss_derivative"] == found["update_length"] == 0
    # ∂f/∂b is one for each of the four inputs.
    assert found["trajectory_mean"] == found["phi_max"] == found["lipschitz_sampled"] == 2
    assert found["phi_q50"] == pytest.approx(2, rel=0.06)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("first", ["linear", "random"])
def test_the_first_matrix_s_singular_values_enclose_it(task, first):
    """Lemma 1, at every step: λ / σ₁ ≤ φ ≤ λ / σ_n for a square first matrix."""
    run = run_of(task, model=f"mlp:widths=16,12,first={first}", lr=0.1)
    found = records_of(run, BiasPath(), Lipschitz(), SingularValues())
    phi, steepness = found["trajectory"][1:], found["lipschitz_sampled"][1:]
    largest, least = found["sigma_max"][:-1], found["sigma_min"][:-1]
    assert (least > 0).all()
    assert (steepness <= largest * phi * (1 + 1e-12)).all()
    assert (least * phi <= steepness * (1 + 1e-12)).all()
    assert (np.abs(phi / steepness - 1) > 1e-3).all()
    assert (len(set(largest)) == 1) == (first == "random")


def test_singular_values_are_those_of_the_matrix():
    run = run_of(model="mlp:widths=16,12,first=linear")
    found = records_of(run, SingularValues(), SingularValues(layer=1), stretches=[STEPS])
    weights = tree.flat_dict(train([run])[0][0])
    for prefix, path in (("", "first/kernel"), ("layer1_", "hidden/0/kernel")):
        values = np.linalg.svd(weights[path], compute_uv=False)
        assert found[f"{prefix}sigma_max"][0] == pytest.approx(values[0], rel=1e-9)
        assert found[f"{prefix}sigma_min"][0] == pytest.approx(values[-1], rel=1e-9)
    identity = records_of(run_of(), SingularValues(), stretches=[1])
    assert identity["sigma_max"] == identity["sigma_min"] == 1


@pytest.mark.parametrize("optimiser", [Sgd(0.1), Momentum(0.05)], ids=["sgd", "momentum"])
def test_no_way_is_shorter_than_the_distance(optimiser):
    run = run_of(optimiser=optimiser, length="2ep")
    found = records_of(run, BiasPath(), BiasDistance(), PathLength(), stretches=[0, *[1] * 2 * N])
    way = np.cumsum(found["update_length"][1:]) * optimiser.lr
    distance = found["bias_distance"][1:]
    assert (way >= distance * (1 - 1e-12)).all()
    assert way[0] == pytest.approx(distance[0], rel=1e-9)
    assert way[-1] > 1.1 * distance[-1]
    assert (found["tortuosity"][1:] >= 1 - 1e-6).all()
    assert found["tortuosity"][-1] > 1.1


def test_the_distance_is_at_most_the_sum_of_rate_error_and_steepness():
    """Corollary 3 without its probability, with an identity for the first matrix: the triangle inequality."""
    run = run_of(lr=0.1, length="2ep")
    found = records_of(run, BiasPath(), Lipschitz(), BiasDistance(), stretches=[0, *[1] * 2 * N])
    bound = np.cumsum(0.1 * found["loss_derivative"][1:] * found["lipschitz_sampled"][1:])
    assert (found["bias_distance"][1:] <= bound * (1 + 1e-12)).all()
    assert found["bias_distance"][1] == pytest.approx(bound[0], rel=1e-9)


class TestWindows:
    """What is read over a window is made of what is read over its steps."""

    def test_sums_means_and_totals(self):
        run = run_of(length="2ep")
        single = records_of(run, BiasPath(), Lipschitz(), stretches=[0, *[1] * 2 * N])
        windows = records_of(run, BiasPath(), Lipschitz(), stretches=[5, 1, 10, 8])
        ends = np.cumsum([0, 5, 1, 10, 8])
        for name, value in windows.items():
            each = [single[name][1:][a:b] for a, b in itertools.pairwise(ends)]
            expected = {
                "trajectory": [part.sum() for part in each],
                "update_length": [part.sum() for part in each],
                "phi_max": [part.max() for part in each],
                "lipschitz_sampled_max": [part.max() for part in each],
                "trajectory_total": [part[-1] for part in each],
                "trajectory_total_mean": [part[-1] for part in each],
            }.get(name, [part.mean() for part in each])
            np.testing.assert_allclose(value, expected, rtol=1e-12, err_msg=name)
        np.testing.assert_allclose(windows["trajectory_total"], np.cumsum(windows["trajectory"]), rtol=1e-12)
        np.testing.assert_allclose(windows["trajectory_total_mean"] * N, windows["trajectory_total"])

    def test_variance_and_distance_are_those_of_the_stored_biases(self):
        run = run_of()
        found = records_of(run, BiasVariance(), BiasDistance(), stretches=[3, 5])
        biases = np.stack([network[0].bias for network in chains(run, STEPS)])
        parts = (biases[1:4], biases[4:9])
        variance = [part.var(axis=0).sum() for part in parts]
        np.testing.assert_allclose(found["bias_variance"], variance, rtol=1e-9)
        np.testing.assert_allclose(found["bias_variance_normalised"], np.array(variance) / 0.05**2, rtol=1e-9)
        apart = [np.linalg.norm(part - biases[0], axis=1) for part in parts]
        for name, take in (("", lambda a: a[-1]), ("_mean", np.mean), ("_max", np.max)):
            np.testing.assert_allclose(found[f"bias_distance{name}"], [take(a) for a in apart], rtol=1e-9)

    def test_the_variance_is_over_the_square_of_the_rate_as_it_is_now(self):
        run = run_of(schedule=Exponential(0.5), length="1ep")
        found = records_of(run, BiasVariance(), stretches=[6, 6])
        rate = run.recipe.schedule.multiplier(jnp.int32(11), jnp.int32(12), N)
        expected = found["bias_variance"][1] / (0.05 * float(rate)) ** 2
        assert found["bias_variance_normalised"][1] == pytest.approx(expected, rel=1e-5)

    def test_quantiles_are_those_of_the_single_updates(self):
        run = run_of(length="30it")
        phi = records_of(run, BiasPath(), stretches=[0, *[1] * 30])["trajectory"][1:]
        found = records_of(run, Steadiness(), stretches=[0, 15, 15])
        assert np.isnan(found["phi_q50"][0])
        for name, share in (("phi_q50", 0.5), ("phi_q90", 0.9), ("phi_q99", 0.99)):
            parts = np.split(phi, 2)
            expected = [np.quantile(part, share, method="inverted_cdf") for part in parts]
            np.testing.assert_allclose(found[name][1:], expected, rtol=0.06)

    def test_memory_does_not_grow_with_the_steps(self):
        probes = (BiasPath(), BiasVariance(), BiasDistance(), Lipschitz(), Steadiness())
        sizes = []
        for length in ("10it", "100000it"):
            run = run_of(length=length)
            block, placed = block_of([run], probes, 1, 1)
            _, carry = block.start(placed, block.feed(run))
            sizes.append(sorted(tree.size(part) for part in carry.probes))
        assert sizes[0] == sizes[1] == sorted([8, 2 * DIMS + 3, DIMS + 3, 3, BINS])


@pytest.fixture(scope="module")
def measured():
    run = run_of(data=points(X[:10], Y[:10]), batch=4, length="2ep", lr=0.2)
    probes = (BiasPath(), Lipschitz(), Steadiness())
    return run, records_of(run, *probes, stretches=[0, *[1] * 6]), chains(run, 6)


class TestBatches:
    """Four of ten examples a step, so that the last step of an epoch has two: the others are padding."""

    X10, COUNT = X[:10], 6

    def test_the_mean_over_the_real_examples_is_that_of_brute_force(self, measured):
        run, found, networks = measured
        mean, largest, slopes = [], [], []
        for network, chosen in zip(networks, sampled(run, self.COUNT), strict=False):
            each = at_points(network, self.X10[chosen])
            mean.append(each.mean())
            largest.append(each.max())
            errors = epsilon(run, outputs(network, self.X10[chosen])[:, 0], Y[chosen])
            slopes.append(errors.mean())
        assert [len(chosen) for chosen in sampled(run, self.COUNT)] == [4, 4, 2, 4, 4, 2]
        np.testing.assert_allclose(found["trajectory"][1:], mean, rtol=1e-9)
        np.testing.assert_allclose(found["lipschitz_sampled"][1:], mean, rtol=1e-9)
        np.testing.assert_allclose(found["phi_max"][1:], largest, rtol=1e-9)
        np.testing.assert_allclose(found["lipschitz_sampled_max"][1:], largest, rtol=1e-9)
        np.testing.assert_allclose(found["loss_derivative"][1:], slopes, rtol=1e-9)

    def test_the_mean_gradient_s_is_shorter_by_cancellation(self, measured):
        run, found, networks = measured
        moved = [
            np.linalg.norm(after[0].bias - before[0].bias) / 0.2
            for before, after in itertools.pairwise(networks)
        ]
        np.testing.assert_allclose(found["phi_batch"][1:], moved / found["loss_derivative"][1:], rtol=1e-9)
        for number, (network, chosen) in enumerate(zip(networks, sampled(run, self.COUNT), strict=False), 1):
            errors = epsilon(run, outputs(network, self.X10[chosen])[:, 0], Y[chosen])
            bound = np.average(at_points(network, self.X10[chosen]), weights=errors)
            assert found["phi_batch"][number] <= bound * (1 + 1e-12)
        assert (found["phi_batch"][1:] < 0.95 * found["trajectory"][1:]).any()

    def test_padding_counts_zero(self, measured):
        """The last step of the epoch alone: with padding it would be filled by the epoch's first examples."""
        run, found, networks = measured
        (_, _, last, *_), network = sampled(run, self.COUNT), networks[2]
        padded = np.concatenate([last, sampled(run, self.COUNT)[0][:2]])
        with_padding = at_points(network, self.X10[padded])
        assert with_padding.mean() != pytest.approx(found["trajectory"][3], rel=1e-3)
        median = np.quantile(at_points(network, self.X10[last]), 0.5, method="inverted_cdf")
        assert found["phi_q50"][3] == pytest.approx(median, rel=0.06)

    def test_equal_examples_do_not_cancel(self):
        """All examples the same: φ of the mean gradient is φ."""
        data = points(np.tile(X[:1], (8, 1)), np.full(8, 3.0))
        found = records_of(run_of(data=data, batch=8), BiasPath())
        np.testing.assert_allclose(found["phi_batch"][1:], found["trajectory"][1:], rtol=1e-9)


class TestQuantile:
    def test_of_nothing_is_not_a_number(self):
        assert np.isnan(quantile(jnp.zeros(BINS), 0.5))

    @pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
    def test_is_right_to_half_a_bin(self, share):
        values = np.exp(np.random.default_rng(0).normal(size=1000))
        places = np.floor((np.log2(values) - LOW) * PER_OCTAVE).astype(int)
        counts = jnp.asarray(np.bincount(places, minlength=BINS), jnp.float32)
        expected = np.quantile(values, share, method="inverted_cdf")
        assert abs(np.log2(quantile(counts, share) / expected)) <= 0.5 / PER_OCTAVE + 1e-4

    def test_covers_many_orders(self):
        assert 2.0**LOW < 1e-4
        assert 2.0**HIGH > 1e3


class TestLipschitzSet:
    def linear(self, data, **changes):
        return run_of(data=data, model="mlp:widths=6,activation=identity", **changes)

    def test_the_parts_of_a_gradient_add_up_like_the_sides_of_a_triangle(self):
        run = run_of(data=CosineProduct(0.5, 20, dims=6, scale=3.0), length="20it")
        found = records_of(run, LipschitzSet(examples=1), stretches=[0, 20])
        inside, outside = found["lipschitz_inside"], found["lipschitz_outside"]
        assert (inside > 0).all()
        assert (outside > 0).all()
        np.testing.assert_allclose(inside**2 + outside**2, found["lipschitz_mean"] ** 2, rtol=1e-9)
        np.testing.assert_allclose(
            found["lipschitz_inside_share"], inside**2 / found["lipschitz_mean"] ** 2, rtol=1e-9
        )

    def test_a_linear_function_is_as_steep_as_its_matrices_say(self):
        rows = ((2.0, 0.0, 0.0, 0.0, 0.0), (1.0, 0.0, 5.0, 0.0, 0.0))
        run = self.linear(real())
        found = records_of(run, LipschitzSet(plane=rows), stretches=[STEPS])
        weights = tree.flat_dict(train([run])[0][0])
        gradient = (weights["hidden/0/kernel"] @ weights["output/kernel"])[:, 0]
        assert found["lipschitz_mean"][0] == pytest.approx(np.linalg.norm(gradient), rel=1e-9)
        assert found["lipschitz_max"][0] == pytest.approx(np.linalg.norm(gradient), rel=1e-9)
        # The rows span the first and the third coordinate.
        assert found["lipschitz_inside"][0] == pytest.approx(np.linalg.norm(gradient[[0, 2]]), rel=1e-6)
        assert found["lipschitz_outside"][0] == pytest.approx(np.linalg.norm(gradient[[1, 3, 4]]), rel=1e-6)

    def test_over_a_set_it_is_the_mean_and_the_maximum_at_its_points(self):
        run = run_of("bce/2", lr=0.3)
        found = records_of(run, LipschitzSet(), stretches=[STEPS])
        network = chains(run, STEPS)[-1]
        f = outputs(network, X)[:, 0]
        each = at_points(network, X) * expit(f) * expit(-f)
        assert found["lipschitz_mean"][0] == pytest.approx(each.mean(), rel=1e-9)
        assert found["lipschitz_max"][0] == pytest.approx(each.max(), rel=1e-9)
        assert "lipschitz_inside" not in found

    def test_other_splits_and_fewer_examples(self):
        data = CosineProduct(0.5, 20, test=9, dims=6)
        run = run_of(data=data, length="20it", dtype="float32")
        network, drawn = chain_of(run.model, train([run])[0][0], (6,)), jax.device_get(data.drawn(run.seeds))
        each = at_points(network, drawn.test.x.astype(np.float64))
        found = records_of(run, LipschitzSet(split="test"), stretches=[20])
        assert found["test_lipschitz_mean"][0] == pytest.approx(each.mean(), rel=1e-4)
        found = records_of(run, LipschitzSet(examples=3), stretches=[20])
        each = at_points(network, drawn.train.x.astype(np.float64))
        means = np.array([np.mean(three) for three in itertools.combinations(each, 3)])
        assert np.abs(means / found["lipschitz_mean"][0] - 1).min() < 1e-4


class TestActivations:
    def test_shares_are_those_of_the_patterns(self):
        run = run_of(lr=0.3)
        found = records_of(run, Activations(), stretches=[0, *[4] * 2])
        patterns = []
        for network in chains(run, STEPS)[::4]:
            h, on = X, []
            for layer in network[:-1]:
                on.append(layer(h) > 0)
                h = np.maximum(layer(h), 0)
            patterns.append(np.concatenate(on, axis=1))
        changed = [a != b for a, b in itertools.pairwise([patterns[0], *patterns])]
        often = [pattern.mean(axis=0) for pattern in patterns]
        np.testing.assert_allclose(found["flip_rate"], [each.mean() for each in changed], rtol=1e-6)
        np.testing.assert_allclose(
            found["flipped_examples"], [each.any(axis=1).mean() for each in changed], rtol=1e-6
        )
        np.testing.assert_allclose(found["alive"], [(each > 0).mean() for each in often], rtol=1e-6)
        np.testing.assert_allclose(found["least_active"], [each.min() for each in often], rtol=1e-6)
        assert found["flip_rate"][1:].any()


class TestSharpness:
    def test_of_a_quadratic_is_the_largest_eigenvalue(self):
        """Mean of (x·w + b - y)² / 2: the Hessian is the mean of (x, 1)(x, 1)ᵀ, whatever the weights."""
        run = run_of(model=from_function(affine_init, affine_apply))
        found = records_of(run, Sharpness(iterations=200), stretches=[0, STEPS])
        wide = np.concatenate([X, np.ones((N, 1))], axis=1)
        top = np.linalg.eigvalsh(wide.T @ wide / N)[-1]
        np.testing.assert_allclose(found["sharpness"], top, rtol=1e-6)
        assert found["weight_norm"][1] == pytest.approx(np.linalg.norm(flat(train([run])[0][0])), rel=1e-9)


def affine_init(key, x):
    return {"kernel": jax.random.normal(key, (x.shape[1], 1), jnp.float32), "bias": jnp.zeros((1,))}


def affine_apply(weights, x):
    return x @ weights["kernel"] + weights["bias"][None]


def checked(run, probe):
    sweep([Row({"seed": 0}, run, Watch("1ep", (probe,)))], "never-written")


def linear_run():
    return run_of(model=from_function(linear_init, linear_apply))


def conv_run():
    return small_run(0, model="conv2:channels=3,4")


def normalised_run():
    return small_run(0, model="resnet20:widths=3,blocks=1")


ASKED = {
    "ten outputs": (small_run, Lipschitz(), r"needs a model with one output.*shape \[10\].*bias-path"),
    "ten outputs at readings": (small_run, LipschitzSet(), "'LipschitzSet' needs a model with one output"),
    "no such layer": (
        run_of,
        BiasPath(layer=4),
        r"asked of layer 4, but mlp:widths=16,12 has 4.*first/bias",
    ),
    "no such layer from the end": (run_of, BiasVariance(layer=-5), "'BiasVariance' is asked of layer -5"),
    "batch normalisation": (normalised_run, BiasPath(layer=-1), "model without batch normalisation"),
    "no layers with a bias": (linear_run, BiasPath(), "has 0 layers with a bias: none"),
    "no hidden layers": (linear_run, Activations(), "needs hidden layers"),
    "a convolution": (conv_run, SingularValues(), "needs a dense layer, but convs/0/kernel has 4 axes"),
    "a short plane": (run_of, LipschitzSet(plane=((1.0, 0.0),)), "must have rows of 5 numbers"),
}


def linear_init(key, x):
    return {"kernel": jnp.ones((x.shape[1], 1))}


def linear_apply(weights, x):
    return x @ weights["kernel"]


@pytest.mark.parametrize(("make_run", "probe", "message"), ASKED.values(), ids=ASKED)
def test_what_cannot_be_measured_is_said_before_anything_is_traced(
    make_run, probe, message, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "weightspace.training.block.block_for", lambda *_: pytest.fail("something was traced")
    )
    with pytest.raises(InputError, match=message):
        checked(make_run(), probe)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bias-path:layr=1", "probe bias-path has no option 'layr'; did you mean 'layer'"),
        ("bias-path:layer=x", "option 'layer' is 'x', but must be a whole number"),
        ("lipschitz-set:examples=0", "examples of lipschitz-set is 0"),
        ("sharpness:iterations=0", "iterations of sharpness is 0"),
        ("activations:examples=0", "examples of activations is 0"),
        ("lipschits", "did you mean 'lipschitz'"),
        ("bias-path:1", "write name=value"),
    ],
)
def test_options_that_make_no_sense(name, message):
    with pytest.raises(InputError, match=message):
        make_probe(name)


def test_names_with_options():
    assert make_probe("bias-path:layer=-1") == BiasPath(layer=-1)
    assert make_probe("lipschitz_set:split=test,examples=50") == LipschitzSet("test", 50)
    assert make_probe("evaluation:splits=test").splits == ("test",)
    assert BiasPath().key != BiasPath(layer=1).key
    assert dataclasses.replace(BiasPath(), layer=2).prefix == "layer2_"
