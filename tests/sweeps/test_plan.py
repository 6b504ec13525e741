"""One plan: asked, checked, resolved and traced once, for the estimate, the question and the sweep."""

import dataclasses
import pickle
from collections import Counter
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from rich.console import Console

import weightspace as ws
from tests.builders import EVALUATION, small_run
from weightspace.cli import main
from weightspace.data import make_data
from weightspace.errors import InputError, NoResultWarning
from weightspace.experiments import experiment_class
from weightspace.node import Derived, Found
from weightspace.run import Row, Watch
from weightspace.spaces.affine import Affine
from weightspace.spaces.bases.gaussian import Gaussian
from weightspace.spaces.masked import Masked
from weightspace.spec import spec
from weightspace.store.base import Store
from weightspace.store.read import results
from weightspace.sweeps import cohorts, estimate, prepared
from weightspace.sweeps.ask import sweep
from weightspace.sweeps.engines.base import CohortJob, DerivedJob
from weightspace.sweeps.plan import plan
from weightspace.sweeps.question import Rows
from weightspace.sweeps.requests import Request, request_of
from weightspace.training.block import block_for
from weightspace.training.program import Program
from weightspace.tree import equal

pytestmark = pytest.mark.usefixtures("cache_apart")
SIX = ["run", "freedom.random", "--preset", "smoke", "--model", "fc:widths=8", "--dims", "4", "16"]
SIX += ["--seeds", "2", "--epochs", "1"]


@pytest.fixture
def calls(monkeypatch):
    """How often what is dear is called."""
    counts = Counter()

    def counted(where, name, label):
        original = getattr(where, name)

        def called(*arguments, **named):
            counts[label] += 1
            return original(*arguments, **named)

        monkeypatch.setattr(where, name, called)

    counted(experiment_class("freedom.random"), "ask", "ask")
    counted(prepared, "resolve", "resolve")
    counted(Program, "start", "start")
    counted(estimate, "_step_seconds", "cost")
    block_for.cache_clear()
    return counts


def test_the_example_of_six_runs_is_planned_once(calls, tmp_path, monkeypatch):
    """Before: asked twice, 27 resolutions, 15 traces of the start of 3 programs."""
    monkeypatch.setattr("weightspace.cli.answer.answer", lambda *_: 0)  # figures, which are slow
    assert main([*SIX, "--out", str(tmp_path)]) == 0
    assert results(tmp_path)["status"].tolist() == ["ok"] * 6
    assert calls == {"ask": 1, "resolve": 6, "start": 3, "cost": 3}
    calls.clear()
    assert main([*SIX, "--out", str(tmp_path)]) == 0
    assert calls == {"ask": 1}


def test_a_dry_run_traces_each_program_once_too(calls, tmp_path, capsys):
    """And resolves none but one of a form and the first of each cohort."""
    assert main([*SIX, "--dry-run", "--out", str(tmp_path / "none")]) == 0
    assert 3 <= calls.pop("resolve") <= 6
    assert calls == {"ask": 1, "start": 3, "cost": 3}
    assert "stored already" not in capsys.readouterr().out


def test_a_finished_sweep_is_not_refused_and_a_new_one_is(tmp_path, monkeypatch):
    runs = [small_run(seed, dim=2) for seed in range(2)]
    monkeypatch.setattr(estimate, "ASK_ABOVE_MINUTES", 1e-9)
    rows = Rows(runs)
    with pytest.raises(InputError, match="hours on this CPU; give --yes"):
        estimate.confirm(plan(rows), yes=False, interactive=False, console=Console(quiet=True))
    sweep(runs, tmp_path)
    planned = plan(Rows(runs), Store(tmp_path))
    estimate.confirm(planned, yes=False, interactive=False, console=Console(quiet=True))
    cost = estimate.estimate(planned)
    assert (cost.runs, cost.programs, cost.minutes, cost.stored) == (0, 0, 0, 2)
    more = plan(Rows([*runs, small_run(3, dim=2)]), Store(tmp_path))
    assert (len(more.runs), estimate.estimate(more).stored) == (1, 2)


@spec
class Half(Derived):
    """A mask, and the weights halved."""

    weights: Any

    def blank(self):
        return {"mask": jax.tree.map(lambda a: np.ones(a.shape, bool), self.weights), "half": self.weights}

    def compute(self):
        mask = jax.tree.map(lambda a: a > 0, self.weights)
        return Found({"positive": 1}, {"mask": mask, "half": jax.tree.map(lambda a: a / 2, self.weights)})


def chain(seed=0):
    """A run, a value, a masked run, and one in a subspace about its end."""
    dense = small_run(seed, length="3it")
    half = Half(dense.final())
    ticket = small_run(seed, space=Masked(half.output("mask")), length="3it")
    around = small_run(seed, space=Affine(Gaussian(2), offset=ticket.final()), length="3it")
    watch = Watch("1ep", (EVALUATION,))
    return [Row({"seed": seed, "what": what}, run, watch) for what, run in
            (("dense", dense), ("ticket", ticket), ("around", around))]  # fmt: skip


def test_runs_of_later_waves_are_resolved_once_and_trained_on_the_arrays(calls, tmp_path):
    """What was planned with shapes is trained as if it had never been planned."""
    rows = [*chain(0), *chain(1)]
    planned = plan(Rows(rows))
    assert [len(cohort.requests) for cohort in planned.cohorts] == [2, 2, 2]
    assert {type(request.node) for request in planned.derived} == {Half}
    estimate.estimate(planned)
    assert 3 <= calls["resolve"] <= 6
    assert calls["start"] == 3
    from weightspace.sweeps.ask import see_through

    table = see_through(lambda _: planned, tmp_path / "planned")
    assert (calls["resolve"], calls["start"]) == (6, 3)
    block_for.cache_clear()
    alone = sweep(rows, tmp_path / "alone")
    columns = ["run", "test_loss", "train_loss", "test_accuracy"]
    assert table[columns].equals(alone[columns])
    for row in rows[:2]:
        key = "snapshot(end).weights"
        one, two = (Store(tmp_path / name).output(row.node.digest, key) for name in ("planned", "alone"))
        assert equal(one, two)


def test_what_depends_on_a_diverged_run_is_blocked_in_the_plan_too(tmp_path):
    parent = small_run(0, lr=1e30)
    half = Half(parent.final())
    child = small_run(0, space=Masked(half.output("mask")))
    with pytest.warns(NoResultWarning):
        sweep([Row({"seed": 0}, child), Row({"seed": 0, "p": 1}, parent)], tmp_path)
    planned = plan(Rows([Row({"seed": 0}, child), small_run(1)]), Store(tmp_path))
    assert planned.blocked == {half.digest, child.digest}
    cost = estimate.estimate(planned)
    assert (cost.runs, cost.derived, cost.blocked, cost.stored) == (1, 0, 2, 1)


def test_what_is_half_there_is_planned_from_the_shapes_in_the_store(tmp_path):
    rows = chain(0)
    sweep(rows[:2], tmp_path, keep="none")
    planned = plan(Rows(rows), Store(tmp_path))
    # The ticket lacks its last weights, which nobody had asked for.
    assert [request.node.digest for request in planned.runs] == [rows[2].node.digest, rows[1].node.digest]
    assert estimate.estimate(planned).cohorts == 2


def read(run):
    """The run, with all that training reads of its data on the way."""
    data = run.task.data
    data.arrays(), data.shape, run.digest, data.canonical
    return run


def job(run):
    request = request_of(Row({"seed": 0}, read(run)))
    (cohort,) = cohorts.group([request], {}, 1, "cpu")
    return CohortJob(cohort, Path(), "p")


@pytest.mark.parametrize("name", ["digits", pytest.param("cifar10", marks=pytest.mark.real_data)])
def test_a_job_carries_no_data(name):
    made = job(small_run(0, data=make_data(name), length="1it"))
    sent = pickle.dumps(made)
    assert len(sent) < 10_000
    back = pickle.loads(sent)
    assert back.cohort == made.cohort
    assert back.requests[0].node.digest == made.requests[0].node.digest
    assert back.cohort.key({}) == made.cohort.key({})


def test_arrays_of_a_user_and_derived_values_are_sent_by_name():
    x = np.random.default_rng(0).normal(size=(2000, 50)).astype(np.float32)
    y = (x[:, 0] > 0).astype(int)
    data = ws.Data(ws.from_arrays(x, y, x[:9], y[:9]), normalise="none")
    run = read(small_run(0, data=data, length="1it"))
    assert len(pickle.dumps(job(run))) < 10_000
    values = DerivedJob((Request(Half(run.final())),), Path(), "p", 0.0)
    assert len(pickle.dumps(values)) < 10_000


def test_a_spec_that_was_sent_is_the_same_spec():
    run = read(small_run(0))
    back = pickle.loads(pickle.dumps(run))
    assert back == run
    assert "canonical" not in vars(back)
    assert (
        dataclasses.replace(back, seeds=ws.Seeds(1)).digest
        == dataclasses.replace(run, seeds=ws.Seeds(1)).digest
    )
