"""A run is `ok` only if all it carries is finite to the end; else where that began, and NaN from there."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from weightspace.data.base import Data
from weightspace.data.sources.arrays import from_arrays
from weightspace.data.task import Task
from weightspace.models.adapters import from_function, from_nnx
from weightspace.precision import Precision
from weightspace.probes import Best, Evaluation, Reached, Snapshot
from weightspace.recipes.base import Recipe
from weightspace.recipes.losses import CrossEntropy, SquaredError
from weightspace.recipes.optimisers import Adam, Momentum, Sgd
from weightspace.run import Row, Run, Watch
from weightspace.spaces.affine import Affine
from weightspace.spaces.bases.gaussian import Gaussian
from weightspace.spaces.edge_popup import EdgePopup
from weightspace.spaces.full import Full
from weightspace.spaces.masked import Masked
from weightspace.spec import spec
from weightspace.store.base import Store
from weightspace.store.read import history
from weightspace.streams import Keys, Seeds, Stream
from weightspace.sweeps import execute, trouble
from weightspace.sweeps.ask import sweep
from weightspace.training.block import Block

# That runs broke is said in a warning too; here the record is looked at.
pytestmark = [
    pytest.mark.usefixtures("cache_apart"),
    pytest.mark.filterwarnings("ignore::weightspace.errors.NoResultWarning"),
]
N = 40
TESTED = Evaluation(("test",))


@functools.cache
def classes(validation=0):
    x = np.random.default_rng(0).normal(size=(100, 4)).astype(np.float32)
    y = (x[:, 0] > 0.3).astype(np.int32)
    return Task(Data(from_arrays(x, y, x, y), normalise="none", validation=validation), CrossEntropy())


@functools.cache
def amounts(target=-5.0, x=1.0):
    x, y = np.full((N, 1), x, np.float32), np.full(N, target, np.float32)
    return Task(Data(from_arrays(x, y, x, y), normalise="none"), SquaredError())


def run_of(model, task, optimiser=Sgd(0.1), length="20it", space=None, seed=0, batch=20, **changes):  # noqa: B008
    recipe = changes.pop("recipe", None) or Recipe(optimiser, length, batch=batch)
    return Run(model, task, space or Full(), recipe, Seeds(seed), **changes)


def told(runs, out, points="end", probes=(TESTED,), **options):
    """Status and error of each run, and the table."""
    rows = [Row({"place": i}, run, Watch(points, probes)) for i, run in enumerate(runs)]
    table = sweep(rows, out, **options).set_index("place")
    records = [Store(out).record(run.digest) for run in runs]
    return [(record.status, record.error) for record in records], table


def told_one(run, out, **options):
    (found,), table = told([run], out, **options)
    return *found, table.loc[0]


def root_init(key, x):
    a, b = jax.random.split(key)
    return {
        "a": {"kernel": jax.random.normal(a, (4, 8))},
        "b": {"kernel": jax.random.normal(b, (8, 2)), "bias": jnp.zeros(2)},
    }


def root(p, x):
    """Its outputs are finite, its gradient is not: that of the root at a negative number, times zero."""
    h = x @ p["a"]["kernel"]
    return jnp.where(h > 0, jnp.sqrt(h), 0.0) @ p["b"]["kernel"] + p["b"]["bias"]


ROOT = from_function(root_init, root)


def slide_init(key, x):
    return {"level": 3 + 5 * jax.random.uniform(key, (1,))}


def slide(p, x):
    """The root of a level that training lowers, 0 below zero."""
    level = p["level"][None, :]
    return jnp.where(level > 0, jnp.sqrt(level), 0.0) + 0 * x


SLIDE = from_function(slide_init, slide)


def sliding(seed, length, lr=0.02):
    """Eight of them are one program, in four lanes on two devices."""
    return run_of(SLIDE, amounts(), Sgd(lr), length, seed=seed)


def slide_down(run):
    """The step at which the level is negative: its gradient is NaN, though the loss is a number."""
    made = SLIDE.init(Keys(run.seeds)(Stream.INIT), jnp.zeros((1, 1)))[0]
    level, lr, step = np.asarray(made["level"], np.float64)[0], run.recipe.optimiser.lr, 0
    while level > 0:
        level -= lr * (np.sqrt(level) + 5) / np.sqrt(level)
        step += 1
    return step


class TestGradients:
    def test_of_the_first_step(self, tmp_path):
        """Accuracy would be the share of class 0, which an argmax of NaN gives."""
        run = run_of(ROOT, classes(), length="20it", batch=100)
        probes = (Evaluation(), Snapshot("end"))
        status, error, row = told_one(run, tmp_path, probes=probes)
        assert (status, error) == ("diverged", "gradient of a/kernel not finite at step 0")
        assert np.isnan([row["test_accuracy"], row["test_loss"], row["train_loss"]]).all()
        lines = history(tmp_path, "runs", wide=True).sort_values("step")
        assert lines["step"].tolist() == [0, 20]
        assert np.isfinite(lines["test_accuracy"].iloc[0])
        assert np.isnan(lines["test_accuracy"].iloc[1])

    @pytest.mark.parametrize(
        "changes",
        [
            {"space": EdgePopup(0.5)},
            {
                "space": Affine(Gaussian(3)),
                "precision": Precision("bfloat16"),
                "recipe": Recipe(Momentum(0.1), "5it", batch=50, clip=1.0, samples=2),
            },
        ],
        ids=["scores", "subspace"],
    )
    def test_in_any_space_precision_and_recipe(self, tmp_path, changes):
        status, error, _ = told_one(run_of(ROOT, classes(), **changes), tmp_path)
        assert (status, error) == ("diverged", "gradient of a/kernel not finite at step 0")

    def test_under_a_mask_that_leaves_the_broken_weights_fixed_nothing_is_broken(self, tmp_path):
        """What may not move has no gradient."""
        masks = [
            {
                "a": {"kernel": np.full((4, 8), moves)},
                "b": {"kernel": np.ones((8, 2), bool), "bias": np.ones(2, bool)},
            }
            for moves in (False, True)
        ]
        found, _ = told([run_of(ROOT, classes(), space=Masked(mask)) for mask in masks], tmp_path)
        assert found == [("ok", None), ("diverged", "gradient of a/kernel not finite at step 0")]

    def test_where_it_begins_later(self, tmp_path):
        """Eight runs in lanes on two devices, each at a step of its own, one never."""
        runs = [*(sliding(seed, "120it") for seed in range(7)), sliding(0, "120it", 0.0)]
        found, table = told(runs, tmp_path, "1it", lanes=4)
        steps = [slide_down(run) for run in runs[:-1]]
        assert len(set(steps)) > 4
        assert min(steps) > 10
        assert max(steps) < 120
        assert found[:-1] == [("diverged", f"gradient of level not finite at step {k}") for k in steps]
        assert found[-1] == ("ok", None)
        assert table["test_loss"].isna().tolist() == [True] * 7 + [False]
        lines = history(tmp_path, "runs", wide=True)
        for run, step in zip(runs, steps, strict=False):
            values = lines[lines["run"] == run.digest].sort_values("step")["test_loss"].to_numpy()
            assert np.isfinite(values[: step + 1]).all()
            assert np.isnan(values[step + 1 :]).all()

    def test_at_the_very_last_step(self, tmp_path):
        last = slide_down(sliding(0, "1it"))
        for length, status in ((last, "ok"), (last + 1, "diverged")):
            runs = [sliding(0, f"{length}it"), *(sliding(s, f"{length}it", 0.0) for s in range(1, 8))]
            found, table = told(runs, tmp_path / status, lanes=4)
            error = f"gradient of level not finite at step {last}" if status == "diverged" else None
            assert found == [(status, error)] + [("ok", None)] * 7
            assert table["test_loss"].isna().tolist() == [status == "diverged"] + [False] * 7

    def test_of_a_space_s_penalty(self, tmp_path):
        status, error, _ = told_one(
            run_of(from_function(flat_init, flat), amounts(), space=Fined()), tmp_path
        )
        assert (status, error) == ("diverged", "gradient of coordinates w not finite at step 0")

    def test_whose_norm_overflows_is_not_clipped_to_nothing(self, tmp_path):
        recipe = Recipe(Sgd(1e-30), "5it", batch=20, clip=1.0)
        run = run_of(from_function(steep_init, steep), amounts(1e15, 1e8), recipe=recipe)
        status, error, _ = told_one(run, tmp_path)
        assert (status, error) == ("diverged", "weights of w not finite at step 0")


def flat_init(key, x):
    return {"w": jnp.zeros((1, 1))}


def flat(p, x):
    return x @ p["w"]


@spec
class Fined(Full):
    """The norm is 0 at the start, its gradient is not defined there."""

    def penalty(self, fixed, theta, p):
        return jnp.sqrt(jnp.sum(jnp.square(theta["w"])))


def steep_init(key, x):
    return {"w": jnp.ones((1, 2))}


def steep(p, x):
    return 1e3 * jnp.sum(x @ p["w"], axis=1, keepdims=True)


class TestCarried:
    def test_second_moments_that_overflow_stop_a_training_without_a_word(self, tmp_path):
        """The gradient is about 1e26: its square is infinite, so that no step is made and all is finite."""
        run = run_of(from_function(steep_init, steep), amounts(1e15, 1e8), Adam(0.01), "9it")
        status, error, row = told_one(run, tmp_path)
        assert (status, error) == ("diverged", "optimiser's moments square/w not finite at step 0")
        assert np.isnan(row["test_loss"])

    def test_statistics_that_overflow(self, tmp_path):
        run = run_of(from_function(count_init, count), amounts())
        status, error, _ = told_one(run, tmp_path, points="1it")
        # 1e30, ten times as much after each step; the largest number is 3.4e38.
        assert (status, error) == ("diverged", "statistics var not finite at step 8")

    def test_the_variance_of_batch_normalisation(self, tmp_path):
        task = classes()
        # The mean of the squares is too large for a float32, that of the values is not.
        x = np.float32(2.5e19) * task.data.source.loaded.train.x
        y = task.data.source.loaded.train.y
        task = Task(Data(from_arrays(x, y, x, y), normalise="none"), CrossEntropy())
        status, error, row = told_one(run_of(from_nnx(Normalised), task, Sgd(0.0)), tmp_path)
        assert (status, error) == ("diverged", "statistics norm/var not finite at step 0")
        assert np.isnan(row["test_accuracy"])

    def test_weights_that_no_output_sees(self, tmp_path):
        status, error, row = told_one(run_of(from_function(hidden_init, hidden), amounts()), tmp_path)
        assert (status, error) == ("diverged", "weights of unused not finite at initialisation")
        assert np.isnan(row["test_loss"])
        assert history(tmp_path, "runs")["value"].isna().all()

    def test_what_is_infinite_by_right_is_no_trouble(self, tmp_path):
        run = run_of(from_function(causal_init, causal), amounts())
        assert told_one(run, tmp_path)[0] == "ok"

    def test_weights_that_overflow(self, tmp_path):
        """The loss tells one step later."""
        run = run_of(from_function(grown_init, grown), amounts(), Sgd(1.0), batch=1)
        status, error, _ = told_one(run, tmp_path)
        assert (status, error) == ("diverged", "weights of wild not finite at step 0")


def count_init(key, x):
    return {"w": jnp.ones((1, 1))}, {"var": jnp.full(3, 1e30)}


def count(p, x, *, state, train):
    return x @ p["w"], {"var": 10 * state["var"] if train else state["var"]}


class Normalised(nnx.Module):
    def __init__(self, rngs):
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.out = nnx.Linear(4, 2, rngs=rngs)

    def __call__(self, x):
        return self.out(self.norm(x))


def hidden_init(key, x):
    return {"w": jnp.ones((1, 1)), "unused": jnp.array([1.0, jnp.nan])}


def hidden(p, x):
    return x @ p["w"] + jnp.where(p["unused"][1] > 0, p["unused"][0], 0.0)


def causal_init(key, x):
    return {"w": jnp.ones((1, 1))}, {"mask": jnp.array([0.0, -jnp.inf]), "best": jnp.float32(jnp.inf)}


def causal(p, x, *, state, train):
    shares = jax.nn.softmax(state["mask"])
    return shares[0] * (x @ p["w"]), {"mask": state["mask"], "best": jnp.minimum(state["best"], 3.0)}


def grown_init(key, x):
    return {"w": jnp.ones((1, 1)), "wild": jnp.full((1,), 1e38)}


def grown(p, x):
    """Adds zero as long as `wild` is a number, and has a steep slope in it."""
    return 1e-3 * (x @ p["w"]) + _slope(p["wild"])[None, :]


@jax.custom_vjp
def _slope(wild):
    return 0 * wild


_slope.defvjp(lambda wild: (0 * wild, ()), lambda _, g: (0 * g - 3e38,))


class TestColumns:
    def test_are_nan_from_the_first_trouble_on_and_so_is_the_history(self, tmp_path):
        rng = np.random.default_rng(0)
        x = rng.normal(size=(200, 8)).astype(np.float32)
        y = np.where(x[:, 0] > 0.5, 9, 0)
        task = Task(Data(from_arrays(x, y), normalise="none", validation=40), CrossEntropy())
        runs = [run_of(from_nnx(Wide), task, Sgd(lr), "40it") for lr in (0.05, 1e20)]
        probes = (Evaluation(), Best("10it"), Reached("10it", level=0.1))
        found, table = told(runs, tmp_path, "10it", probes)
        assert found == [("ok", None), ("diverged", "loss not finite at step 1")]
        metrics = [name for name in table.columns if name.startswith(("test", "train", "best", "reached"))]
        assert len(metrics) > 10
        assert table.loc[0, metrics].notna().all()
        assert table.loc[1, metrics].isna().all()
        lines = history(tmp_path, "runs", wide=True)
        bad = lines[lines["run"] == runs[1].digest].sort_values("step")
        assert bad["test_loss"].notna().tolist() == [True, False, False, False, False]
        assert bad["test_accuracy"].notna().tolist() == [True, False, False, False, False]

    @pytest.mark.parametrize(
        ("scale", "lr", "step"), [(jnp.inf, 0.1, 0), (jnp.nan, 0.1, 0), (3e38, 0.1, 0), (3.0, 1e37, 1)]
    )
    def test_of_a_network_without_a_loss_has_no_accuracy_either(self, tmp_path, scale, lr, step):
        def init(key, x):
            return {"w": jax.random.normal(key, (4, 2))}

        model = from_function(init, lambda p, x: (x @ p["w"]) * jnp.float32(scale) * jnp.float32(10))
        status, error, row = told_one(run_of(model, classes(), Sgd(lr)), tmp_path, points="1it")
        assert (status, error) == ("diverged", f"loss not finite at step {step}")
        lines = history(tmp_path, "runs", wide=True).sort_values("step")
        for metric in ("test_loss", "test_accuracy"):
            assert np.isnan(row[metric])
            assert lines[metric].notna().tolist() == [True] * step + [False] * (21 - step)

    def test_an_infinite_loss_of_a_sound_run_is_what_it_is(self, tmp_path):
        x, y = np.ones((N, 1), np.float32), np.ones(N, np.float32)
        task = Task(Data(from_arrays(x, y, x, 1e30 * y), normalise="none"), SquaredError())
        status, _, row = told_one(run_of(from_function(flat_init, flat), task), tmp_path)
        assert status == "ok"
        assert row["test_loss"] == np.inf

    def test_the_class_of_outputs_that_are_nan_is_not_the_first(self, tmp_path):
        x = np.random.default_rng(0).uniform(1, 2, (N, 2)).astype(np.float32)
        y = np.zeros(N, np.int32)
        data = Data(from_arrays(x, y, -x, y, classes=2), normalise="none")
        run = run_of(from_function(logs_init, logs), Task(data, CrossEntropy()), Sgd(0.0))
        status, _, row = told_one(run, tmp_path, probes=(Evaluation(("train", "test")),))
        assert status == "ok"
        assert row["train_accuracy"] == pytest.approx(np.mean(x[:, 0] > x[:, 1]))
        assert np.isnan([row["test_accuracy"], row["test_loss"]]).all()


class Wide(nnx.Module):
    def __init__(self, rngs):
        self.a, self.o = nnx.Linear(8, 16, rngs=rngs), nnx.Linear(16, 10, rngs=rngs)

    def __call__(self, x):
        return self.o(nnx.relu(self.a(x)))


def logs_init(key, x):
    return {"w": jnp.eye(2)}


def logs(p, x):
    return jnp.log(x) @ p["w"]


class TestSearch:
    def test_begins_at_what_was_saved_last_and_survives_a_restart(self, tmp_path, monkeypatch):
        monkeypatch.setattr(execute, "SAVE_SECONDS", 0.0)
        monkeypatch.setattr(execute, "CALL_SECONDS", 0.0)  # one step a call after the first
        monkeypatch.setattr(execute, "FIRST_STEPS", 5)
        runs = [sliding(0, "90it"), *(sliding(seed, "90it", 0.0) for seed in range(1, 8))]
        step = slide_down(runs[0])
        starts, stops = [], [step + 3]
        within, save = trouble.Search.within, execute._Training._save

        def seen(self, carry, start, lanes):
            starts.append(start)
            return within(self, carry, start, lanes)

        def stop(self, carry):
            save(self, carry)
            if stops and self.t >= stops[0]:
                raise KeyboardInterrupt(stops.pop())

        monkeypatch.setattr(trouble.Search, "within", seen)
        monkeypatch.setattr(execute._Training, "_save", stop)
        with pytest.raises(KeyboardInterrupt):
            told(runs, tmp_path, lanes=4)
        assert starts == [step]  # the call before was saved
        found = told(runs, tmp_path, lanes=4)[0]
        assert starts == [step]
        assert found[0] == ("diverged", f"gradient of level not finite at step {step}")
        assert found[1:] == [("ok", None)] * 7

    def test_sound_runs_compile_nothing_more(self, tmp_path, monkeypatch):
        called, original = [], Block._call
        monkeypatch.setattr(
            Block, "_call", lambda self, name, *a, **k: called.append(name) or original(self, name, *a, **k)
        )
        told([sliding(seed, "8it", 0.0) for seed in range(8)], tmp_path, lanes=4)
        assert set(called) == {"start", "advance", "finish"}
