"""Planning many runs: each is what it is alone, each is checked, and what they share is looked at once."""

import cProfile
import os
import pstats
from typing import Any

import jax
import numpy as np
import pytest

import weightspace as ws
from tests.builders import EVALUATION, small_run
from weightspace.data import make_data
from weightspace.data.base import Data
from weightspace.data.task import Task
from weightspace.errors import InputError
from weightspace.models.zoo import make
from weightspace.precision import Precision
from weightspace.probes.base import Probe
from weightspace.probes.snapshot import Snapshot
from weightspace.recipes.base import Recipe
from weightspace.recipes.custom import custom_loss
from weightspace.recipes.losses import CrossEntropy
from weightspace.recipes.optimisers import Adam, Momentum
from weightspace.run import Row, Run, Watch
from weightspace.spaces.affine import Affine
from weightspace.spaces.bases.gaussian import Gaussian
from weightspace.spaces.full import Full
from weightspace.spaces.masked import Masked
from weightspace.spec import spec
from weightspace.store.base import Store
from weightspace.streams import Seeds
from weightspace.sweeps import known, prepared
from weightspace.sweeps.ask import sweep
from weightspace.sweeps.cohorts import group
from weightspace.sweeps.plan import plan
from weightspace.sweeps.prepared import prepare
from weightspace.sweeps.question import Rows
from weightspace.sweeps.requests import request_of


@spec
class Picky(Probe):
    """Looks at the seeds of the run itself."""

    def check(self, run, layout):
        if run.seeds.base == 999:
            raise InputError(f"seed {run.seeds.base} is not watched")


DATA = make_data("digits")
TASK, MODEL = Task(DATA, CrossEntropy()), make("fc:widths=8", DATA.shape, DATA.outputs)
WATCH = Watch("10it", (EVALUATION,))


def row(seed=0, *, dim=None, lr=0.1, length="20it", batch=64, task=TASK, watch=WATCH, **changes):
    """A run whose parts are made anew, but for model and data."""
    space = changes.pop("space", None) or (Full() if dim is None else Affine(Gaussian(dim)))
    run = Run(MODEL, task, space, Recipe(Momentum(lr), length, batch=batch), Seeds(seed), **changes)
    return Row({"seed": seed, "lr": lr, "dim": dim or 0, "length": length, "batch": batch}, run, watch)


def among(bad, count):
    """So many good rows, and a bad one among them."""
    good = [row(seed, dim=2, lr=0.1 + rate / 10) for rate in range(4) for seed in range(count // 4)]
    return [*good[: count // 2], bad, *good[count // 2 :]]


REFUSED = {
    "dimension": (lambda: row(3, dim=10**6), "exceeds the model's D"),
    "batch": (lambda: row(3, batch=5000), "batch size 5000 exceeds the"),
    "length": (lambda: row(3, length="5it", watch=Watch((10,), (EVALUATION,))), "step 10 of a run of 5"),
    "cadence": (lambda: row(3, watch=Watch("0it", (EVALUATION,))), "evaluation cadence is 0"),
    "moment": (lambda: row(3, length="5it", watch=Watch("1ep", (EVALUATION, Snapshot("7it")))), "step 7"),
    "rate": (lambda: row(3, lr=float("nan")), "nan"),
    "seed": (lambda: row(999, watch=Watch("10it", (EVALUATION, Picky()))), "seed 999 is not watched"),
    "metric": (lambda: row(3, task=Task(DATA, CrossEntropy(), ("acuracy",))), "did you mean 'accuracy'"),
    "mask": (lambda: row(3, space=Masked({"x": np.ones(3, bool)})), "mask"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_one_bad_row_among_a_thousand_is_refused_as_alone(name):
    made, message = REFUSED[name]
    with pytest.raises(InputError, match=message) as alone:
        plan(Rows([made()]))
    with pytest.raises(InputError) as found:
        plan(Rows(among(made(), 1000 if name == "dimension" else 40)))
    assert str(found.value) == str(alone.value)


def varied():
    """Rows of several programs, cohorts and lengths, parts shared or not."""
    rows = [row(seed, lr=lr) for seed in range(3) for lr in (0.1, 0.2, 0.0, -0.0)]
    rows += [row(seed, dim=dim) for seed in range(2) for dim in (2, 3)]
    rows += [row(0, length="21it"), row(0, length="1ep"), row(0, batch=32), row(1, length="21it")]
    rows += [
        row(5, watch=Watch("5it", (EVALUATION,))),
        row(7, watch=Watch("10it", (EVALUATION, Snapshot("3it")))),
    ]
    rows += [row(0, precision=Precision("float64")), row(0, precision=Precision("bfloat16"))]
    rows += [Row({"kept": 1}, row(8).node, WATCH, keep="final"), Row({"usual": 1}, row(9).node)]
    return rows


def test_a_run_is_planned_among_neighbours_as_alone():
    rows = varied()
    together = plan(Rows(rows), keep="none")
    assert len(together.runs) == len({each.node.digest for each in rows})
    cohort_of = {digest: cohort for cohort in together.cohorts for digest in cohort.digests}
    for own in varied():
        alone = plan(Rows([own]), keep="none")
        (request,) = alone.runs
        cohort = cohort_of[own.node.digest]
        other = together.needed[own.node.digest]
        if own.labels.get("lr") != 0 and own.labels.get("dim") == 0:
            assert (other.probes, other.readings) == (request.probes, request.readings)
        assert alone.cohorts[0].key({}).structure == cohort.key({}).structure
        first, member = alone.prepared(request, {}), prepare(other, {})
        assert first.key(own.node.precision, 1, 1) == member.key(own.node.precision, 1, 1)
        for one, same in zip(first.run.leaves, member.run.leaves, strict=True):
            assert (one.dtype, one.tobytes()) == (same.dtype, same.tobytes())


def test_cohorts_are_those_that_resolving_every_run_gives():
    """The fast way, by form and common numbers, against the plain one, which resolves all."""
    requests = list(plan(Rows(varied()), keep="none").needed.values())
    plain: dict[Any, list[str]] = {}
    for request in requests:
        made = prepare(request, {})
        run = request.node
        values = made.run.common_values(), made.probes.common_values()
        key = made.key(run.precision, 1, 1), values, request.readings
        plain.setdefault(key, []).append(run.digest)
    found = group(requests, {}, 1, "cpu")
    assert {tuple(sorted(each)) for each in plain.values()} == {cohort.digests for cohort in found}


def test_arrays_in_specs_make_programs_of_their_own():
    """One form, whose arrays differ in type or shape."""
    offsets = [np.ones((2, 3), np.float32), np.ones((3, 2), np.float32), np.ones((2, 3), np.int32)]
    rows = [row(seed, space=Affine(Gaussian(2), offset={"w": o})) for o in offsets for seed in range(2)]
    requests = [request_of(each) for each in rows]
    found = group(requests, {}, 1, "cpu")
    assert sorted(len(cohort.requests) for cohort in found) == [2, 2, 2]


@pytest.fixture
def counted(monkeypatch):
    """How often what runs share is looked at."""
    counts: dict[str, int] = {}

    def count(where, name, label):
        original = getattr(where, name)

        def called(*arguments, **named):
            counts[label] = counts.get(label, 0) + 1
            return original(*arguments, **named)

        monkeypatch.setattr(where, name, called)

    count(Data, "check", "data")
    count(Task, "check", "task")
    count(known, "layout_of_run", "layout")
    count(prepared, "resolve", "resolve")
    count(Affine, "check", "space")
    return counts


def test_what_runs_share_is_looked_at_once_each_time(counted):
    """In each planning, for things may have changed in between."""
    rows = [row(seed, dim=dim, lr=lr) for seed in range(20) for dim in (2, 3) for lr in (0.1, 0.2)]
    for times in (1, 2):
        assert len(plan(Rows(rows)).cohorts) == 2
        assert counted == {"data": 2 * times, "task": times, "layout": times, "resolve": 2 * times,
                           "space": 2 * times}  # fmt: skip


def test_calls_for_one_run_more_are_few():
    """Counted, so that no clock decides: of functions of the package, without what checks types in tests."""

    def calls(count):
        rows = [row(seed) for seed in range(count)]
        profile = cProfile.Profile()
        profile.enable()
        found = plan(Rows(rows)).cohorts
        profile.disable()
        assert sum(len(cohort.requests) for cohort in found) == count
        stats: dict[Any, Any] = pstats.Stats(profile).stats  # pyright: ignore[reportAttributeAccessIssue]
        return sum(entry[1] for (file, *_), entry in stats.items() if f"{os.sep}weightspace{os.sep}" in file)

    calls(8)
    assert (calls(50) - calls(20)) / 30 < 450  # 1,300 before parts were looked at once


SCALE = 1.0


def scaled(outputs, y):
    return SCALE * (outputs[..., 0] - y.astype(outputs.dtype)) ** 2


def test_what_changes_between_two_plannings_is_seen(monkeypatch):
    """Code that was handed over is refused once it is another; made anew it is another run."""

    def made(seeds):
        task = Task(DATA, custom_loss(scaled))
        return [row(seed, task=task) for seed in seeds]

    rows = made(range(5))
    before = set(plan(Rows(rows)).needed)
    monkeypatch.setitem(globals(), "SCALE", 2.0)
    with pytest.raises(InputError, match="SCALE', which it reads, is another now"):
        plan(Rows(rows))
    with pytest.raises(InputError, match="has changed since it was handed over"):
        plan(Rows([*made([9]), *rows]))
    after = set(plan(Rows(made(range(5)))).needed)
    assert not before & after
    monkeypatch.setitem(globals(), "SCALE", 1.0)
    assert set(plan(Rows(rows)).needed) == before


def test_an_array_that_was_changed_in_place_makes_another_run():
    mask = {"w": np.ones((2, 3), bool)}
    first = small_run(0, space=Masked(mask))
    assert first.digest == small_run(0, space=Masked(mask)).digest
    mask["w"][0, 0] = False
    assert small_run(0, space=Masked(mask)).digest != first.digest


def test_data_that_became_unfit_is_refused_by_the_next_planning(monkeypatch):
    rows = [row(seed) for seed in range(4)]
    plan(Rows(rows))

    def unfit(self):
        raise InputError("the data is gone")

    monkeypatch.setattr(Data, "check", unfit)
    with pytest.raises(InputError, match="the data is gone"):
        plan(Rows(rows))


def test_what_is_stored_is_not_planned_again_whatever_is_asked_beside(tmp_path):
    rows = [row(seed, length="2it", lr=lr) for seed in range(2) for lr in (0.1, 0.2)]
    sweep(rows, tmp_path)
    more = Row({"seed": 0, "more": 1}, rows[0].node, Watch("1it", (EVALUATION,)))
    other = row(5, length="2it")
    planned = plan(Rows([*rows, other]), Store(tmp_path))
    assert [each.node.digest for each in planned.runs] == [other.node.digest]
    again = plan(Rows([*rows, more]), Store(tmp_path))
    assert [each.node.digest for each in again.runs] == [more.node.digest]
    assert again.runs[0].readings == (0, 1, 2)


def test_recipes_of_another_optimiser_are_other_programs():
    adam = Run(MODEL, TASK, Full(), Recipe(Adam(0.1), "20it", batch=64), Seeds(0))
    assert len(plan(Rows([row(0), Row({"seed": 0, "adam": 1}, adam, WATCH)])).cohorts) == 2
    assert jax.tree.structure(adam) != jax.tree.structure(row(0).node)
    assert ws.Row is Row
