"""Rounds of pruning, copies and overlaps as a user runs them, small."""

import dataclasses
import shutil

import jax
import numpy as np
import pandas as pd
import pytest

from weightspace.errors import InputError, NoResultWarning
from weightspace.experiments import experiment_class, names
from weightspace.experiments.answered import answered
from weightspace.experiments.seeds import parse_seeds
from weightspace.experiments.settings import settings_of
from weightspace.experiments.tickets.connectivity import TicketsConnectivity
from weightspace.experiments.tickets.dense import TicketsDense
from weightspace.experiments.tickets.iterative import (
    TicketsIterative,
    TicketsKeptValues,
    TicketsPrunedValues,
)
from weightspace.experiments.tickets.overlap import TicketsOverlap
from weightspace.probes import Evaluation
from weightspace.run import Row, Watch
from weightspace.store.base import Store
from weightspace.store.read import history
from weightspace.sweeps.ask import Driver, sweep
from weightspace.sweeps.estimate import estimate
from weightspace.tables.paired import paired

SMALL = {
    "model": "fc:widths=12,initialiser=glorot_normal", "data": "digits", "validation": 200, "epochs": 6.0,
    "lr": 0.005, "eval_every": "20it", "dense_rate": 0.6, "output_rate": 0.3, "rounds": 2,
}  # fmt: skip
DENSE_FIELDS = set(settings_of(TicketsDense))
HIDDEN, OUTPUT = 64 * 12, 12 * 10
TICKETS = [name for name in names() if name.startswith("tickets.")]


def rows_of(experiment):
    return [(dict(row.labels), row.node) for row in next(experiment.ask())]


def runs_of(experiment, **labels):
    return [node for found, node in rows_of(experiment) if labels.items() <= found.items()]


def rounds(experiment, **labels):
    """The runs of one arm, round by round."""
    found = [(row["round"], node) for row, node in rows_of(experiment) if labels.items() <= row.items()]
    return [node for number, node in sorted(found, key=lambda pair: pair[0]) if number]


def works_on(run):
    """What the actions of a round work on; None is the model's own initialisation."""
    return run.space.start.of.weights


@pytest.fixture(scope="module")
def criteria(tmp_path_factory):
    """Three criteria, two seeds, two rounds: the experiment, its table and its folder."""
    out = tmp_path_factory.mktemp("criteria")
    experiment = TicketsIterative(
        criteria=("large_final", "random", "small_final"), seeds=("2",), rule="legacy", **SMALL
    )
    return experiment, sweep(experiment, out), out


def test_everything_finishes(criteria):
    _, table, _ = criteria
    assert len(table) == 2 * (1 + 3 * 2)
    assert set(table["status"]) == {"ok"}


def test_all_arms_and_seeds_of_a_round_are_one_cohort(criteria):
    _, _, out = criteria
    assert len(list((out / "runs").glob("*.parquet"))) == 1 + 2


def test_the_density_is_that_of_the_counts(criteria):
    _, table, _ = criteria
    # Of 768 weights 40 % are left, twice, and of 120 70 %, in the original's floating point.
    left = {1: (768 - int(768 * 0.6), 120 - 36), 2: (308 - int(308 * 0.6), 84 - 25)}
    assert left == {1: (308, 84), 2: (124, 59)}
    for number, counts in left.items():
        shares = table.loc[table["round"] == number, "density"].unique()
        np.testing.assert_allclose(shares, sum(counts) / (HIDDEN + OUTPUT), rtol=1e-6)


def test_masks_are_nested_and_made_for_each_arm_and_seed(criteria):
    experiment, _, out = criteria
    store, seen = Store(out), set()
    for name in experiment.criteria:
        for seed in (0, 1):
            first, second = (
                store.output(run.space.mask.of.digest, "mask")
                for run in rounds(experiment, criterion=name, seed=seed)
            )
            jax.tree.map(lambda new, old: np.testing.assert_array_equal(new & ~old, False), second, first)
            seen.add(np.packbits(second["hidden"]["0"]["kernel"]).tobytes())
    assert len(seen) == 6


def test_large_weights_are_better_kept_than_any_and_any_better_than_small_ones(criteria):
    _, table, _ = criteria
    means = table[table["round"] == 2].groupby("criterion")["test_accuracy"].mean()
    assert means["large_final"] > means["random"] > means["small_final"]


def test_a_second_sweep_trains_nothing(criteria, monkeypatch):
    experiment, table, out = criteria

    def never(*_):
        raise AssertionError("something was computed again")

    monkeypatch.setattr(Driver, "_train", never)
    monkeypatch.setattr(Driver, "_derive", never)
    pd.testing.assert_frame_equal(sweep(experiment, out), table)


def test_rounds_go_on_where_they_were_interrupted(tmp_path, monkeypatch):
    """Stopped in the second round of a chain of masks and restarts: the first is not trained again."""
    experiment = TicketsKeptValues(kept=("signed_reinit",), seeds=("1",), **SMALL)
    whole = sweep(experiment, tmp_path / "whole")
    train, calls = Driver._train, []

    def stopped(self, cohorts):
        calls.append([request.node.digest for cohort in cohorts for request in cohort.requests])
        if len(calls) == 3:
            raise KeyboardInterrupt
        return train(self, cohorts)

    monkeypatch.setattr(Driver, "_train", stopped)
    with pytest.raises(KeyboardInterrupt):
        sweep(experiment, tmp_path / "cut")
    again = sweep(experiment, tmp_path / "cut")
    assert calls[3:] == calls[2:3]
    columns = ["run", "best_test_accuracy", "test_loss", "density", "best_step"]
    pd.testing.assert_frame_equal(again[columns], whole[columns])


def test_test_data_are_looked_at_once_at_the_end_and_for_the_best_weights(tmp_path):
    """A rate at which validation loss rises again, so that the best weights are not the last."""
    fields = SMALL | {"lr": 0.1, "epochs": 10.0}
    experiment = TicketsDense(seeds=("1",), **{k: v for k, v in fields.items() if k in DENSE_FIELDS})
    table = sweep(experiment, tmp_path)
    seen = history(tmp_path, wide=True).sort_values("step")
    for column in ("test_accuracy", "train_loss", "best_test_accuracy", "best_train_loss"):
        assert seen[column].notna().tolist() == [False] * (len(seen) - 1) + [True]
    assert seen["validation_loss"].notna().all()
    best = int(table["best_step"].iloc[0])
    assert best == seen["step"].iloc[int(np.argmin(seen["validation_loss"]))]
    assert 0 < best < seen["step"].iloc[-1]
    (_, run), *_ = rows_of(experiment)
    then = dataclasses.replace(run, recipe=dataclasses.replace(run.recipe, length=f"{best}it"))
    stopped = sweep([Row({}, then, Watch("1ep", (Evaluation(("test",)),)))], tmp_path / "then")
    assert table["best_test_accuracy"].iloc[0] == stopped["test_accuracy"].iloc[0]
    assert table["best_test_accuracy"].iloc[0] != table["test_accuracy"].iloc[0]


@pytest.mark.parametrize(
    ("preset", "model", "steps", "lr", "conv_rate"),
    [
        ("paper", "fc:initialiser=glorot_normal", 50_380, 1.2e-3, 0.1),
        ("paper-conv2", "lth_conv2", 20_250, 2e-4, 0.1),
        ("paper-conv4", "lth_conv4", 25_500, 3e-4, 0.1),
        ("paper-conv6", "lth_conv6", 30_000, 3e-4, 0.15),
    ],
)
def test_presets_of_the_paper_are_its_table(preset, model, steps, lr, conv_rate):
    """Table 2.3: steps from 55,000 and 45,000 examples in batches of 60, the last one dropped."""
    experiment = TicketsIterative(**TicketsIterative.presets[preset])
    examples = 55_000 if preset == "paper" else 45_000
    assert (experiment.model, experiment.lr, experiment.validation) == (model, lr, 5000)
    recipe = experiment.training.recipe
    assert recipe.steps(examples) == steps
    assert recipe.steps_per_epoch(examples) == {55_000: 916, 45_000: 750}[examples]
    assert dataclasses.astuple(experiment.pruning.rates) == (0.2, conv_rate, 0.1)
    assert (experiment.rounds, len(parse_seeds(experiment.seeds)), experiment.batch_size) == (24, 5, 60)


def trained(monkeypatch):
    """The cohorts that sweeps train from now on."""
    found = []
    train = Driver._train

    def noted(self, cohorts, *rest):
        found.extend(cohorts)
        return train(self, cohorts, *rest)

    monkeypatch.setattr(Driver, "_train", noted)
    return found


def test_a_changed_question_in_the_same_folder_loses_nothing(criteria, tmp_path, monkeypatch):
    """Another rate is another question: the dense runs serve both, and the old answer stays as it was."""
    experiment, table, out = criteria
    shutil.copytree(out, tmp_path / "out")
    cohorts = trained(monkeypatch)
    changed = dataclasses.replace(experiment, dense_rate=0.5, criteria=("random",), rounds=1)
    found = sweep(changed, tmp_path / "out")
    assert set(found["status"]) == {"ok"}
    assert sum(len(cohort.runs) for cohort in cohorts) == 2
    first, second = answered(Store(tmp_path / "out"))
    assert {part.settings["dense_rate"] for part in (first, second)} == {0.6, 0.5}
    (old,) = (part for part in (first, second) if part.settings["dense_rate"] == 0.6)
    assert sorted(old.table["run"]) == sorted(table["run"])


def test_the_answer_of_the_store(criteria):
    _, _, out = criteria
    (part,) = answered(Store(out))
    assert part.measured.loc[part.measured["criterion"] == "dense", "density"].tolist() == [1, 1]
    pairs = part.analyses["pairs"]
    # Each arm and round against the dense network, and two arms a round against the first.
    assert len(pairs) == 6 + 4
    assert set(pairs["n"]) == {2}
    shown = part.shown("pairs")
    assert set(shown["round"]) == {2}
    assert {panel.name for panel in part.panels} == {"accuracy", "speed", "criteria", "criteria-weights"}


def test_early_stopping_looks_at_validation_alone(criteria):
    _, table, _ = criteria
    assert {"best_test_accuracy", "best_train_accuracy", "best_validation_loss", "best_step"} <= set(table)
    assert (table["best_step"] <= 6 * 20).all()
    last = table["best_step"] == table["best_step"].max()
    np.testing.assert_allclose(table.loc[last, "best_test_accuracy"], table.loc[last, "test_accuracy"])


def test_every_criterion_goes_with_every_pair_of_actions(tmp_path):
    experiment = TicketsIterative(
        criteria=("large_final", "magnitude_increase"), kept=("rewind", "signed_constant"),
        pruned=("zero", "at_init"), seeds=("1",), **SMALL | {"epochs": 1.0, "rounds": 1},
    )  # fmt: skip
    table = sweep(experiment, tmp_path)
    assert set(table["status"]) == {"ok"}
    arms = table[table["round"] == 1].groupby(["criterion", "kept", "pruned"]).size()
    assert len(arms) == 8
    assert (arms == 1).all()
    assert table.loc[table["round"] == 1, "test_loss"].nunique() == 8
    # The dense run, and all arms of the round.
    assert len(list((tmp_path / "runs").glob("*.parquet"))) == 1 + 1


CHAIN = TicketsKeptValues(
    kept=("signed_constant",), seeds=("1",), rewind="5it", score_at="early-stop", **SMALL | {"epochs": 2.0}
)


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """Constants with the signs at a later step, scored at early stopping, over two rounds."""
    out = tmp_path_factory.mktemp("chain")
    assert set(sweep(CHAIN, out)["status"]) == {"ok"}
    return Store(out)


def test_constants_that_build_on_each_other_keep_the_signs_of_a_later_step(chain):
    (dense,) = runs_of(CHAIN, criterion="dense")
    assert [str(run.recipe.length) for run in rounds(CHAIN, criterion="large_final")] == ["35it"] * 2
    w = chain.output(dense.digest, "snapshot(5it).weights")["hidden"]["0"]["kernel"]
    for run in rounds(CHAIN, criterion="large_final"):
        given = chain.output(works_on(run).of.digest, works_on(run).key)["hidden"]["0"]["kernel"]
        np.testing.assert_array_equal(np.sign(given), np.sign(w))
    # What the second round works on: the constants of the first.
    np.testing.assert_allclose(np.abs(given), np.std(w), rtol=1e-5)


def test_the_best_weights_are_scored_and_the_pruned_ones_stay_zero(chain):
    (dense,) = runs_of(CHAIN, criterion="dense")
    first, second = rounds(CHAIN, criterion="large_final")
    for before, run in ((dense, first), (first, second)):
        mask = chain.output(run.space.mask.of.digest, "mask")["hidden"]["0"]["kernel"]
        best = np.abs(chain.output(before.digest, "best(every=20it).weights")["hidden"]["0"]["kernel"])
        assert best[mask].min() >= best[~mask].max()
    mask = chain.output(first.space.mask.of.digest, "mask")
    weights = chain.output(first.digest, "best(every=20it).weights")
    jax.tree.map(lambda m, w: np.testing.assert_array_equal(w[~m], 0), mask, weights)


def test_scores_are_read_where_they_are_asked_for():
    for score_at, key in (("end", "snapshot(end).weights"), ("20it", "snapshot(20it).weights")):
        experiment = TicketsIterative(criteria=("movement",), seeds=("1",), score_at=score_at, **SMALL)
        (dense,) = runs_of(experiment, criterion="dense")
        first, second = rounds(experiment, criterion="movement")
        assert (first.space.mask.of.after.of, first.space.mask.of.after.key) == (dense, key)
        assert (second.space.mask.of.after.of, second.space.mask.of.after.key) == (first, key)


def test_over_all_layers_at_once_the_share_left_is_the_rate_s():
    experiment = TicketsIterative(criteria=("random",), scope="global", **SMALL)
    made = [run.space.mask.of for run in rounds(experiment)]
    assert {(prune.scope, prune.rates) for prune in made} == {("global", SMALL["dense_rate"])}
    layered = dataclasses.replace(experiment, scope="layer")
    assert {run.space.mask.of.rates for run in rounds(layered)} == {layered.pruning.rates}


def test_one_shot_is_the_first_round_of_an_iterative_one():
    fields = {"criteria": ("large_final", "random"), "seeds": ("1",), **SMALL, "rounds": 3}
    step, at_once = TicketsIterative(**fields), TicketsIterative(one_shot=True, **fields)
    for name in fields["criteria"]:
        one, other = rounds(step, criterion=name), rounds(at_once, criterion=name)
        assert [a == b for a, b in zip(one, other, strict=True)] == [True, False, False]
        assert [run.space.mask.of.power for run in other] == [1, 2, 3]
        assert {run.space.mask.of.mask for run in other} == {None}


def test_the_gradient_is_that_of_the_dense_run_s_start_in_every_round():
    experiment = TicketsIterative(criteria=("snip",), seeds=("1",), **SMALL)
    (dense,) = runs_of(experiment, criterion="dense")
    assert [run.space.mask.of.gradient.of for run in rounds(experiment, criterion="snip")] == [dense, dense]


def test_without_compounding_actions_work_on_the_first_weights():
    fields = {"kept": ("reinit",), "seeds": ("1",), **SMALL, "rounds": 3}
    compounding, apart = (TicketsKeptValues(compounding=c, **fields) for c in (True, False))
    (dense,) = runs_of(apart, criterion="dense")
    runs = rounds(compounding, kept="reinit")
    assert [works_on(run) for run in runs] == [dense.at("0it"), runs[0].space.start, runs[1].space.start]
    runs = rounds(apart, kept="reinit")
    assert [works_on(run) for run in runs] == [dense.at("0it")] * 3
    # Weights are scored by what they really started from.
    assert [run.space.mask.of.before for run in runs[1:]] == [run.space.start for run in runs[:2]]


def test_a_rescaling_does_not_multiply_over_rounds():
    experiment = TicketsKeptValues(kept=("rewind:rescaled=true",), seeds=("1",), **SMALL)
    (dense,) = runs_of(experiment, criterion="dense")
    assert [works_on(run) for run in rounds(experiment, criterion="large_final")] == [dense.at("0it")] * 2


def test_frozen_values_last_whatever_is_asked():
    experiment = TicketsPrunedValues(pruned=("zero_grown",), compounding=False, seeds=("1",), **SMALL)
    first, second = rounds(experiment, criterion="large_final")
    assert second.space.frozen.of.weights == first.space.frozen.of.output("start")


def test_the_dense_networks_serve_the_tickets_asked_for_later(tmp_path, monkeypatch):
    small = SMALL | {"epochs": 1.0, "rounds": 1, "seeds": ("2",)}
    sweep(TicketsDense(**{key: small[key] for key in small if key in DENSE_FIELDS}), tmp_path)
    cohorts = trained(monkeypatch)
    sweep(TicketsIterative(criteria=("random",), **small), tmp_path)
    assert [len(cohort.runs) for cohort in cohorts] == [2]


@pytest.mark.parametrize("probe", ["best:every=5it", "density:layers=true"])
def test_what_tickets_record_themselves_is_not_asked_for_in_other_settings(probe):
    with pytest.raises(InputError, match=f"records {probe.partition(':')[0]} itself"):
        rows_of(TicketsIterative(**SMALL, probes=(probe,)))
    assert rows_of(TicketsIterative(**SMALL, probes=("best", "distance")))


def test_questions_of_more_and_of_fewer_rounds_are_one(tmp_path):
    small = SMALL | {"epochs": 1.0, "seeds": ("1",)}
    sweep(TicketsIterative(criteria=("random",), **small | {"rounds": 1}), tmp_path)
    sweep(TicketsIterative(criteria=("large_final",), **small), tmp_path)
    (part,) = answered(Store(tmp_path))
    assert part.experiment == TicketsIterative(criteria=("random", "large_final"), **small)
    levels = part.measured.groupby("criterion")["round"].max().to_dict()
    assert levels == {"dense": 0, "random": 1, "large_final": 2}
    assert len(part.measured) == 4


def test_the_control_knows_what_earlier_rounds_have_pruned():
    fields = {"pruned": ("zero_shuffled",), "seeds": ("1",), **SMALL}
    first, second = rounds(TicketsPrunedValues(**fields))
    assert first.space.frozen.of.pruned.last is None
    assert second.space.frozen.of.pruned.last == first.space.mask
    at_once = rounds(TicketsPrunedValues(**fields, one_shot=True))
    assert [run.space.frozen.of.pruned.last for run in at_once] == [None, None]


def test_an_arm_that_diverges_blocks_its_own_later_rounds_only(tmp_path):
    experiment = TicketsKeptValues(
        kept=("rewind", "signed_constant:value=1e30"), seeds=("1",), **SMALL | {"epochs": 1.0}
    )
    with pytest.warns(NoResultWarning, match="1 blocked .*1 diverged"):
        table = sweep(experiment, tmp_path)
    status = {(row.kept, row.round): row.status for row in table.itertuples() if row.round}
    assert status == {
        ("rewind", 1): "ok", ("rewind", 2): "ok",
        ("signed_constant:value=1e30", 1): "diverged", ("signed_constant:value=1e30", 2): "blocked",
    }  # fmt: skip


def test_a_layer_that_is_pruned_to_nothing_stops_there_and_says_so(tmp_path):
    experiment = TicketsIterative(
        criteria=("large_final",), seeds=("1",), **SMALL | {"epochs": 1.0, "output_rate": 0.99}
    )
    with pytest.warns(NoResultWarning, match="1 blocked .*would keep none of its 1 weights"):
        table = sweep(experiment, tmp_path).set_index("round")["status"]
    assert table.to_dict() == {0: "ok", 1: "ok", 2: "blocked"}
    (part,) = answered(Store(tmp_path))
    ((text, runs),) = part.errors.items()
    assert "layer 'output/kernel' would keep none of its 1 weights; lower the pruning rate 'output'" in text
    assert len(runs) == 1
    assert part.panels


@pytest.mark.parametrize("name", TICKETS)
@pytest.mark.parametrize("preset", ["smoke", "quick", "paper"])
def test_presets_are_experiments(name, preset):
    cls = experiment_class(name)
    experiment = cls(**cls.presets[preset])
    assert experiment.name == name
    assert cls.__doc__
    assert experiment.reading


@pytest.mark.parametrize("name", TICKETS)
def test_the_cost_of_every_smoke_preset_can_be_told(name):
    cls = experiment_class(name)
    cost = estimate(cls(**cls.presets["smoke"] | {"seeds": ("1",)}))
    assert cost.runs >= 1
    assert cost.minutes < 2


def test_the_cost_counts_runs_masks_and_programs():
    small = SMALL | {"rounds": 4}
    cost = estimate(TicketsIterative(criteria=("large_final", "random"), seeds=("3",), **small))
    assert cost.runs == 3 * (1 + 2 * 4)
    # A mask for each ticket, and zeros for each seed.
    assert cost.derived == 3 * 2 * 4 + 3
    # The dense networks, then each round with all seeds and arms at once; the last one keeps no weights.
    assert (cost.cohorts, cost.programs) == (1 + 4, 3)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"dense_rate": 1.0}, r"pruning rate 'dense' is 1.0, but must lie in \[0, 1\)"),
        ({"output_rate": -0.1}, "pruning rate 'output' is -0.1"),
        ({"criteria": ("large_finl",)}, "did you mean 'large_final'"),
        ({"criteria": ()}, "no criteria to sweep"),
        ({"kept": ("rewnd",)}, "did you mean 'rewind'"),
        ({"kept": ("constant:vale=1",)}, "did you mean 'value'"),
        ({"pruned": ("zer0",)}, "did you mean 'zero'"),
        ({"rounds": 0}, "rounds is 0"),
        ({"rewind": "soon"}, "length 'soon' is not understood"),
        ({"criteria": ("snip",), "rewind": "5it"}, "gradient at the start of training, but rewind is 5it"),
        ({"score_at": "late"}, "length 'late' is not understood"),
        ({"score_at": "half%"}, "score_at is 'half%'; write an accuracy as in 50%"),
        ({"score_at": "50%%"}, "score_at is '50%%'; write an accuracy as in 50%"),
        ({"score_at": "150%"}, r"accuracy of score_at is 1.5, but must lie in \(0, 1\]"),
        ({"rule": "legasy"}, "did you mean 'legacy'"),
        ({"scope": "globl"}, "did you mean 'global'"),
    ],
    ids=str,
)
def test_fields_that_make_no_sense(fields, message):
    with pytest.raises(InputError, match=message):
        TicketsIterative(**SMALL | fields)


@pytest.mark.parametrize("fields", [{"rewind": "121it"}, {"score_at": "121it"}], ids=str)
@pytest.mark.parametrize("cls", [TicketsIterative, TicketsConnectivity, TicketsOverlap])
def test_weights_after_the_last_step_are_refused_before_anything_is_trained(cls, fields, tmp_path):
    several = {} if cls is TicketsIterative else {"rounds": (1,)}
    if "rewind" in fields and cls is not TicketsIterative:
        if cls is TicketsOverlap:
            return
        fields = {"rewind": ("121it",)}
    if cls is TicketsConnectivity:
        several |= {"rewind": ("0it",)}
    experiment = cls(**SMALL | several | fields)
    with pytest.raises(InputError, match=r"121.*120 steps"):
        sweep(experiment, tmp_path)
    assert not list((tmp_path / "runs").glob("*"))


def test_tickets_need_validation():
    with pytest.raises(InputError, match="give validation="):
        rows_of(TicketsIterative(**SMALL | {"validation": 0}))


def test_the_first_arm_is_the_one_named_first_whatever_became_of_its_runs():
    """Its first seed failed in a round: the second arm must not take its place."""
    lines = [("dense", 0, seed, "ok") for seed in range(3)]
    lines += [
        (arm, 1, seed, "failed" if (arm, seed) == ("large_final", 0) else "ok")
        for seed in range(3) for arm in ("large_final", "random")
    ]  # fmt: skip
    table = pd.DataFrame(lines, columns=["criterion", "round", "seed", "status"])
    table = table.assign(density=0.5, best_test_accuracy=0.9 + 0.01 * np.arange(len(table)) ** 1.5)
    found = paired(table, ("criterion",)).set_index(["criterion", "against"])
    assert sorted(found.index) == [("large_final", "dense"), ("random", "dense"), ("random", "large_final")]
    assert found["n"].to_dict() == {
        ("large_final", "dense"): 2, ("random", "dense"): 3, ("random", "large_final"): 2,
    }  # fmt: skip
    gone = table[(table["criterion"] != "large_final") | (table["seed"] == 0)]
    assert set(paired(gone, ("criterion",))["against"]) == {"dense"}


def test_weights_of_an_accuracy_never_reached_leave_the_other_figures(tmp_path):
    experiment = TicketsIterative(
        criteria=("large_final",), seeds=("1",), score_at="100%", **SMALL | {"epochs": 1.0, "rounds": 1}
    )
    with pytest.warns(NoResultWarning, match="1 blocked"):
        sweep(experiment, tmp_path)
    (part,) = answered(Store(tmp_path))
    assert sorted(part.measured["status"]) == ["blocked", "ok"]
    assert "criteria" in {panel.name for panel in part.panels}


def test_comparisons_are_those_of_a_paired_t_test():
    lines = [("dense", 0, seed, value) for seed, value in enumerate((0.90, 0.92, 0.91))]
    lines += [("large_final", 1, seed, value) for seed, value in enumerate((0.91, 0.95, 0.93))]
    lines += [("random", 1, seed, value) for seed, value in enumerate((0.90, 0.92, 0.91))]
    table = pd.DataFrame(lines, columns=["criterion", "round", "seed", "best_test_accuracy"])
    found = paired(table.assign(status="ok", density=0.5), ("criterion", "kept"))
    against = found.set_index(["criterion", "against"])
    ours = against.loc[("large_final", "dense")]
    # Differences .01, .03, .02: t = .02 / (.01 / √3) = √12, and p = 1 - √(t² / (t² + 2)) for 2 degrees.
    assert ours["difference"] == pytest.approx(0.02)
    assert ours["p"] == pytest.approx(1 - np.sqrt(12 / 14))
    half = 4.302652729749464 * 0.01 / np.sqrt(3)
    assert (ours["difference_low"], ours["difference_high"]) == pytest.approx((0.02 - half, 0.02 + half))
    assert ours["p_corrected"] == pytest.approx(3 * ours["p"])
    assert ours["n"] == 3
    assert against.loc[("random", "large_final"), "difference"] == pytest.approx(-0.02)
    # No difference at all is no test either.
    assert np.isnan(against.loc[("random", "dense"), "p"])


def test_the_first_arm_is_the_one_that_was_named_first():
    lines = [("rewind", seed, 0.9 + 0.01 * seed) for seed in (0, 1)]
    lines += [("constant", seed, 0.8 + 0.02 * seed) for seed in (0, 1)]
    table = pd.DataFrame(lines, columns=["kept", "seed", "best_test_accuracy"])
    found = paired(table.assign(criterion="large_final", round=1, status="ok", density=0.5), ("kept",))
    (line,) = found[found["against"] != "dense"].to_dict("records")
    assert (line["kept"], line["against"]) == ("constant", "rewind")
    assert line["difference"] == pytest.approx(-0.095)


def test_seeds_that_one_arm_lacks_are_left_out_of_a_comparison():
    """A run that failed has no value; one that diverged has what it had before."""
    lines = [("dense", 0, seed, 0.9, "ok") for seed in range(4)]
    lines += [("random", 1, 0, 0.8, "ok"), ("random", 1, 2, 0.6, "diverged"), ("random", 1, 3, 0.1, "failed")]
    table = pd.DataFrame(lines, columns=["criterion", "round", "seed", "best_test_accuracy", "status"])
    found = paired(table.assign(density=0.5), ("criterion",))
    assert found["n"].tolist() == [2]
    assert found["difference"].item() == pytest.approx(-0.2)


CONNECTED = TicketsConnectivity(
    rewind=("0it", "3ep"), seeds=("1",), points=3, **SMALL | {"rounds": (0, 2), "epochs": 6.0}
)


@pytest.fixture(scope="module")
def connected(tmp_path_factory):
    out = tmp_path_factory.mktemp("connected")
    return sweep(CONNECTED, out), out


def test_copies_share_all_but_the_order_and_train_for_what_is_left():
    (dense,) = runs_of(CONNECTED, part="training")
    for step in (0, 60):
        for number in (0, 2):
            a, b = runs_of(CONNECTED, part="copy", rewind=step, round=number)
            assert len({a.seeds.order, b.seeds.order, dense.seeds.order}) == 3
            assert dataclasses.replace(b.seeds, order=a.seeds.order) == a.seeds
            assert a.space == b.space
            assert str(a.recipe.length) == f"{120 - step}it"
            assert (a.space.start.of, str(a.space.start.probe.when)) == (dense, "3ep" if step else "0it")


def test_one_mask_serves_all_steps():
    masks = {run.space.mask for run in runs_of(CONNECTED, part="copy", round=2)}
    assert len(masks) == 1


def test_the_ends_of_a_line_are_the_copies(connected):
    table, out = connected
    assert set(table["status"]) == {"ok"}
    (part,) = answered(Store(out))
    assert len(part.measured) == 4
    for line in part.measured.itertuples():
        same = (table["part"] == "copy") & (table["round"] == line.round) & (table["rewind"] == line.rewind)
        copies = table[same].sort_values("copy")["test_accuracy"].tolist()
        assert [1 - line.error_a, 1 - line.error_b] == pytest.approx(copies)
        assert line.copies_test_accuracy == pytest.approx(np.mean(copies))
        assert line.distance_ab > 0
        assert line.stable == float(line.barrier_error < 0.02)
    densities = part.measured.set_index("round")["density"]
    assert densities[0].tolist() == [1, 1]
    # Two rounds in one: 768 · 0.16 and 120 · 0.49 weights.
    np.testing.assert_allclose(densities[2], (123 + 59) / (HIDDEN + OUTPUT), rtol=1e-6)
    assert {panel.name for panel in part.panels} == {"barrier", "line"}


def test_copies_that_part_later_end_nearer_to_each_other(connected):
    table, _ = connected
    distance = table[table["part"] == "barrier"].set_index(["round", "rewind"])["distance_ab"]
    assert distance[(2, 60)] < distance[(2, 0)]


def test_overlaps_of_criteria_and_of_seeds(tmp_path):
    names_ = ("large_final", "magnitude_increase", "random")
    experiment = TicketsOverlap(criteria=names_, seeds=("3",), **SMALL | {"rounds": (1,), "epochs": 3.0})
    table = sweep(experiment, tmp_path)
    assert set(table["status"]) == {"ok"}
    (part,) = answered(Store(tmp_path))
    pairs = part.measured
    assert pairs["part"].value_counts().to_dict() == {"criteria": 3 * 3, "seeds": 3 * 3}
    mine = pairs[pairs["part"] == "criteria"].groupby(["criterion", "other"])["iou"].mean()
    chance = pairs["expected_iou"].iloc[0]
    assert mine[("large_final", "magnitude_increase")] > 1.2 * chance
    assert mine[("large_final", "random")] == pytest.approx(chance, rel=0.1)
    between = pairs[pairs["part"] == "seeds"]
    assert between[between["criterion"] == "random"]["iou"].mean() == pytest.approx(chance, rel=0.1)
    assert between["sign_agreement"].between(0.3, 0.8).all()
    assert {panel.name for panel in part.panels} == {"overlap-criteria", "overlap-seeds"}


@pytest.mark.parametrize(
    ("cls", "fields", "message"),
    [
        (TicketsConnectivity, {"rounds": ()}, "no rounds to sweep"),
        (TicketsConnectivity, {"rounds": (-1,)}, "rounds is -1"),
        (TicketsConnectivity, {"points": 1}, "points is 1"),
        (TicketsConnectivity, {"criteria": ("lage_final",)}, "did you mean 'large_final'"),
        (TicketsConnectivity, {"rewind": ("later",)}, "length 'later' is not understood"),
        (TicketsOverlap, {"rounds": (0,)}, "rounds is 0"),
        (TicketsOverlap, {"criteria": ()}, "no criteria to sweep"),
    ],
    ids=str,
)
def test_questions_that_make_no_sense(cls, fields, message):
    several = {name: value for name, value in SMALL.items() if name != "rounds"}
    with pytest.raises(InputError, match=message):
        cls(**several | fields)
