"""Dense networks, masks at init, learned masks and what is trained under them, as a user runs them, small."""

import itertools

import numpy as np
import pandas as pd
import pytest

from weightspace.derived.restart import Restart
from weightspace.errors import InputError, NoResultWarning
from weightspace.experiments import experiment_class
from weightspace.experiments.answered import asked_exactly
from weightspace.experiments.tickets.at_init import LEVELS, MEANS, TicketsAtInit
from weightspace.experiments.tickets.best_masks import TicketsBestMasks
from weightspace.experiments.tickets.dense import TicketsDense
from weightspace.experiments.tickets.from_supermask import TicketsFromSupermask
from weightspace.experiments.tickets.supermask import KINDS, SETTINGS, TicketsSupermask
from weightspace.experiments.tickets.ways import TRAINED, WAYS
from weightspace.probes.initial_gradient import InitialGradient
from weightspace.recipes.base import Decay
from weightspace.run import Run
from weightspace.spaces.edge_popup import EdgePopup
from weightspace.spaces.masked import Masked
from weightspace.store.base import Store
from weightspace.sweeps.ask import sweep
from weightspace.tables.base import Given, On
from weightspace.tables.groups import TableWarning
from weightspace.tables.paired import Pairs
from weightspace.tables.ranges import Layers

SMALL = {
    "model": "fc:widths=12,initialiser=glorot_normal", "data": "digits", "validation": 200, "seeds": ("1",),
    "epochs": 2.0,
}  # fmt: skip
MASK = SMALL | {"batch_size": 50}


def rows_of(experiment):
    return [(dict(row.labels), row.node) for row in next(experiment.ask())]


def made_of(rows, table):
    """A table of made-up rows."""
    return Given(rows, rows.iloc[:0]).of(table)


def answered(experiment, out):
    sweep(experiment, out)
    return asked_exactly(Store(out), experiment)


@pytest.mark.parametrize("name", ["dense", "at-init", "supermask", "from-supermask", "best-masks"])
def test_every_preset_can_be_asked(name):
    cls = experiment_class(f"tickets.{name}")
    for preset in cls.presets.values():
        small = {"data": "digits", "validation": 100, "model": "fc:widths=4", "batch_size": 20}
        small |= {"mask_batch_size": 20} if name in ("from-supermask", "best-masks") else {}
        assert rows_of(cls(**preset | small))


def test_every_curve_is_of_the_dense_run_of_its_seed():
    experiment = TicketsAtInit(**SMALL | {"seeds": ("2",)}, criteria=("large_final", "random"), powers=3)
    rows = rows_of(experiment)
    dense = {labels["seed"]: run for labels, run in rows if labels["criterion"] == "dense"}
    made = [(labels, node) for labels, node in rows if labels["criterion"] != "dense"]
    assert len(made) == 2 * 2 * 2
    for labels, node in made:
        assert node.parents == (dense[labels["seed"]],)
        assert (node.criterion.name, node.kept.name, node.powers) == (labels["criterion"], labels["kept"], 4)


@pytest.mark.parametrize(
    ("when", "key"), [("end", "snapshot(end)"), ("early-stop", "best"), ("7it", "(7it)"), ("50%", "reached")]
)
def test_masks_may_be_made_from_any_step(when, key):
    experiment = TicketsAtInit(**SMALL, criteria=("large_final",), score_at=when)
    (_, node), *_ = [row for row in rows_of(experiment) if row[0]["criterion"] != "dense"]
    assert key in node.after.key
    assert "snapshot(0it)" in node.before.key


def test_masks_of_early_stopping_are_of_the_points_it_was_given():
    """Looked at twice as often, training stops elsewhere: those are other masks, unlike those of the end."""

    def made(when, cadence):
        small = SMALL | {"eval_every": cadence}
        experiment = TicketsAtInit(**small, criteria=("large_final",), score_at=when)
        return next(node for labels, node in rows_of(experiment) if labels["criterion"] != "dense").digest

    assert made("early-stop", "20it") != made("early-stop", "10it")
    assert made("end", "20it") == made("end", "10it")


def test_masks_at_init_from_the_dense_run_to_the_figures(tmp_path):
    changes = {"seeds": ("2",), "criteria": ("large_final_same_sign", "snip"), "powers": 4, "epochs": 4.0}
    experiment = TicketsAtInit(**SMALL | changes, lr=0.02)
    part = answered(experiment, tmp_path)
    assert (part.table["status"] == "ok").all()
    summary = experiment.summary(part.measured).dropna(subset=["curve_peak"])
    assert len(summary) == 4
    # The mean of maxima is never below the maximum of means.
    assert (summary["test_accuracy_max"] >= summary["curve_peak"] - 1e-9).all()
    found = part.analyses["curves"]
    assert len(found) == 4 * 5
    assert set(found["n"]) == {2}
    # Without pruning all criteria see one network.
    assert found[found["power"] == 0].groupby("kept")["test_loss"].nunique().tolist() == [1, 1]
    assert [panel.name for panel in part.panels] == ["accuracy", "best"]


TABLE = pd.DataFrame({
    "run": ["d", "a", "b"], "seed": [0, 0, 1], "status": "ok", "criterion": ["dense", "random", "random"],
    "kept": [None, "rewind", "rewind"], "density_0": [np.nan, 1, 1], "test_accuracy_0": [np.nan, 0.1, 0.3],
    "density_1": [np.nan, 0.5, 0.5], "test_accuracy_1": [np.nan, 0.6, 0.1],
    "test_accuracy_max": [np.nan, 0.6, 0.3], "density_at_max": [np.nan, 0.5, 1.0],
    "chance": [np.nan, 0.1, 0.1],
})  # fmt: skip


def test_curves_are_means_over_seeds_and_rows_are_runs():
    rows = made_of(TABLE, LEVELS)
    assert rows[["run", "power"]].to_numpy().tolist() == [["a", 0], ["b", 0], ["a", 1], ["b", 1]]
    found = made_of(TABLE, MEANS).set_index("power")
    assert found["test_accuracy"].tolist() == pytest.approx([0.2, 0.35])
    assert found["test_accuracy_least"].tolist() == [0.1, 0.1]
    assert found["density"].tolist() == [1, 0.5]
    line = TicketsAtInit(**SMALL).summary(TABLE).dropna(subset=["curve_peak"]).iloc[0]
    assert line["test_accuracy_max"] == pytest.approx(0.45)
    assert line["curve_peak"] == pytest.approx(0.35)
    assert line["density_at_peak"] == 0.5


def test_the_dense_network_and_its_figure(tmp_path):
    part = answered(TicketsDense(**SMALL), tmp_path)
    (panel,) = part.panels
    row = part.table.iloc[0]
    losses = part.history.set_index("step")["validation_loss"]
    assert row["best_step"] == losses.idxmin()
    stop = panel.data[(panel.data["metric"] == "validation_loss") & (panel.data["statistic"] == "run")]
    assert stop["value"].tolist() == [losses.min()]


def test_arms_are_the_products_of_what_is_swept():
    experiment = TicketsSupermask(**MASK, logit=(0.0, 2.0), density=(0.2,), popup=(0.3,), popup_lr=0.5)
    rows = rows_of(experiment)
    supermasks = [(labels, run.space) for labels, run in rows if "logit" in labels]
    assert [labels["arm"] for labels, _ in supermasks[::2]] == ["plain", "rescaled", "signed", "both"]
    for labels, space in supermasks:
        assert (space.logit, space.density) == (labels["logit"], 0.2)
        assert (space.scale == "constant") == (labels["arm"] in ("signed", "both"))
        assert (space.rescale == "gradient") == (labels["arm"] in ("rescaled", "both"))
    popups = [(labels["arm"], run) for labels, run in rows if "keep" in labels]
    assert [arm for arm, _ in popups] == ["popup", "popup_signed"]
    assert {(run.space.keep, run.recipe.optimiser.lr) for _, run in popups} == {(0.3, 0.5)}
    assert {run.recipe.optimiser.lr for labels, run in rows if "logit" in labels} == {100.0}


def test_learned_masks_to_the_figures(tmp_path):
    """One random mask, and one of edge-popup with a share that is kept exactly."""
    experiment = TicketsSupermask(
        **MASK | {"epochs": 4.0}, scale=("none",), rescale=("gradient",), popup=(0.25,), samples=3
    )  # fmt: skip
    part = answered(experiment, tmp_path)
    assert (part.table["status"] == "ok").all()
    learned, popup = (part.table[part.table["arm"] == arm].iloc[0] for arm in ("rescaled", "popup"))
    assert learned["sampled_test_accuracy"] > 0.3
    assert learned["sampled_sd_test_accuracy"] > 0
    assert np.isnan(popup["sampled_test_accuracy"])
    assert popup["density"] == pytest.approx(0.25, abs=1e-3)
    frame = part.analyses["densities"].set_index(["setting", "layer", "kind"])["mean"]
    sizes = {"hidden_0": 64 * 12, "output": 120}
    whole = sum(frame["rescaled", layer, "expected"] * size for layer, size in sizes.items())
    assert frame["rescaled", "all", "expected"] == pytest.approx(whole / sum(sizes.values()), rel=1e-5)
    pairs = part.analyses["pairs"]
    assert pairs["metric"].tolist() == ["threshold_test_accuracy"]
    panels = {panel.name: panel for panel in part.panels}
    assert list(panels) == ["accuracy", "density", "inputs"]
    assert len(panels["inputs"].data) == 2 * 64


def test_what_is_trained_under_a_learned_mask_and_beside_it(tmp_path):
    options = {"mask_epochs": 4.0, "mask_batch_size": 50, "kept": ("rewind",)}
    experiment = TicketsFromSupermask(**SMALL, **options)
    part = answered(experiment, tmp_path)
    assert (part.table["status"] == "ok").all()
    rows = part.measured.set_index("mask")
    assert rows["density"][["untrained", "learned", "random", "large_final"]].nunique() == 1
    assert rows["accuracy"]["learned"] == rows["best_test_accuracy"]["learned"]
    assert rows["accuracy"]["untrained"] == rows["threshold_test_accuracy"]["untrained"]
    store = Store(tmp_path)
    runs = {labels["mask"]: run for labels, run in rows_of(experiment)}
    masks = [runs[name].space.mask for name in ("learned", "random", "large_final")]
    kernels = [store.output(m.of.digest, m.key)["hidden"]["0"]["kernel"] for m in masks]
    assert len({int(kernel.sum()) for kernel in kernels}) == 1
    for one, other in itertools.combinations(kernels, 2):
        assert (one != other).any()
    (panel,) = part.panels
    assert list(dict.fromkeys(panel.data["setting"])) == [
        "dense",
        "learned, untrained",
        "learned",
        "random",
        "large final",
    ]


def test_tickets_start_where_their_mask_was_learned():
    experiment = TicketsFromSupermask(**SMALL, point="sample0", mask_batch_size=50)
    for labels, run in rows_of(experiment):
        assert isinstance(run, Run)
        if labels["mask"] == "learned":
            assert isinstance(run.space, Masked)
            assert run.space.mask.of.seeds == run.seeds
            assert run.space.mask.key == "learnedmask(sample0).mask"
            # Weights as they began are an output of the run itself, others of an action.
            made = run.space.start.of
            rescaled = isinstance(made, Restart) and made.kept.rescaled
            assert rescaled == ("rescaled" in labels["kept"])


def test_every_two_arms_are_compared_and_p_counts_them():
    rows = pd.DataFrame(
        [
            {"arm": arm, "logit": 0.0, "seed": seed, "status": "ok", "x": base + 0.01 * seed * (1 + i)}
            for i, (arm, base) in enumerate((("both", 0.9), ("plain", 0.5), ("signed", 0.7)))
            for seed in range(3)
        ]
    )
    with pytest.warns(TableWarning, match="no column 'missing'"):
        found = made_of(rows, On(SETTINGS, Pairs(("x", "missing"), "setting")))
    pairs = found[["setting", "against"]].astype(str).to_numpy().tolist()
    assert pairs == [["signed", "plain"], ["both", "plain"], ["both", "signed"]]
    seeds = np.arange(3)
    assert found["difference"].iloc[0] == pytest.approx(np.mean(0.2 + 0.01 * seeds * (3 - 2)))
    np.testing.assert_allclose(found["p_corrected"], np.minimum(3 * found["p"], 1))


def test_settings_say_only_what_differs_and_densities_average_seeds():
    rows = pd.DataFrame({
        "arm": ["both", "plain", "plain"], "logit": [1.0, 2.0, -1.0], "status": ["ok"] * 3,
        "density": [0.1, 0.2, 0.3], "density_output": [0.5, 0.6, 0.7],
    })  # fmt: skip
    found = made_of(rows, SETTINGS)
    assert list(found["setting"].cat.categories) == ["plain, logit -1", "plain, logit 2", "both, logit 1"]
    means = made_of(found, Layers(KINDS)).set_index(["setting", "layer"])["mean"]
    assert means["plain, logit 2", "output"] == 0.6
    assert means["both, logit 1", "all"] == 0.1


@pytest.mark.parametrize(
    ("cls", "changes", "message"),
    [
        (TicketsAtInit, {"criteria": ("large_finl",)}, "did you mean 'large_final'"),
        (TicketsAtInit, {"values": ("rewnd",)}, "did you mean 'rewind'"),
        (TicketsAtInit, {"powers": 0}, "powers is 0"),
        (TicketsAtInit, {"criteria": ()}, "no criteria to sweep"),
        (TicketsAtInit, {"dense_rate": 1.0}, "must lie in"),
        (TicketsAtInit, {"score_at": "soon"}, "soon"),
        (TicketsDense, {"epochs": 0.0}, "epochs is 0"),
        (TicketsSupermask, {"density": (1.5,)}, "density is 1.5"),
        (TicketsSupermask, {"popup": (0.0,)}, "keep is 0"),
        (TicketsSupermask, {"logit": ()}, "no logit to sweep"),
        (TicketsSupermask, {"logit": (), "popup": (0.5,), "rounding": True}, "which need a logit"),
        (TicketsSupermask, {"scale": ("constnt",)}, "did you mean 'constant'"),
        (TicketsSupermask, {"scale": ("kaiming",)}, "unknown scale 'kaiming'"),
        (TicketsSupermask, {"rescale": ("gradiant",)}, "did you mean 'gradient'"),
        (TicketsSupermask, {"rescale": ()}, "no rescale to sweep"),
        (TicketsSupermask, {"strength": 2.0}, "there is no target"),
        (TicketsSupermask, {"scale": ("none",), "multiplier": 2.0}, "no scale uses it"),
        (TicketsSupermask, {"popup_lr": 1.0}, "popup_lr is 1.0, but no popup is asked for"),
        (TicketsSupermask, {"samples": 1}, "samples is 1"),
        (TicketsSupermask, {"parts": 7}, "parts is 7, but must divide the batch_size of 250"),
        (TicketsSupermask, {"optimiser": "adamw"}, "weight_decay is 0; give a rate, or use adam"),
        (TicketsDense, {"weight_decay": -1.0}, "weight_decay is -1"),
        (TicketsAtInit, {"gradient_examples": 0}, "gradient_examples is 0"),
        (TicketsFromSupermask, {"masks": ("learnt",)}, "unknown criterion 'learnt'"),
        (TicketsFromSupermask, {"masks": ("snip",)}, "not 'snip'"),
        (TicketsFromSupermask, {"kept": ("shrunk",)}, "no weights after training"),
        (TicketsFromSupermask, {"point": "middle"}, "point is 'middle'"),
        (TicketsFromSupermask, {"scale": "constnt"}, "did you mean 'constant'"),
        (TicketsFromSupermask, {"mask_epochs": 0.0}, "mask_epochs is 0"),
    ],
)
def test_bad_input_is_refused_before_anything_is_trained(cls, changes, message):
    with pytest.raises(InputError, match=message):
        cls(**SMALL | changes)


def test_settings_of_a_training_are_those_of_its_recipe():
    """A mask for each part of a batch, decay of what is trained, the batch that gradients are of."""
    space = {"scale": ("none",), "rescale": ("none",)}
    ((_, run),) = rows_of(TicketsSupermask(**MASK | space, parts=25, weight_decay=0.5))
    assert (run.recipe.samples, run.recipe.decay) == (25, Decay(0.5))
    ((_, run),) = rows_of(TicketsDense(**MASK, optimiser="adamw", weight_decay=0.5))
    assert run.recipe.decay == Decay(0.5, decoupled=True)
    ((_, dense), (_, made)) = rows_of(
        TicketsAtInit(**MASK, criteria=("snip",), values=("rewind",), gradient_examples=128)
    )
    assert made.gradient == dense.read(InitialGradient(128), "gradient")


def test_masks_of_an_accuracy_that_is_never_reached_fail_and_say_so(tmp_path):
    fields = SMALL | {"seeds": ("1",), "epochs": 1.0, "values": ("rewind",)}
    experiment = TicketsAtInit(**fields, criteria=("large_final",), score_at="100%")
    with pytest.warns(NoResultWarning, match="1 failed .*is not finite in hidden/0/kernel"):
        table = sweep(experiment, tmp_path)
    assert table["status"].tolist() == ["ok", "failed"]
    assert table["reached_100_step"].iloc[0] == -1
    error = Store(tmp_path).record(table["run"].iloc[1]).error
    assert "'after' is not finite in hidden/0/kernel; prune a run that did not diverge" in error
    assert "at a step or an accuracy that it has reached" in error


def test_edge_popup_alone_needs_no_logit():
    experiment = TicketsSupermask(**MASK, logit=(), popup=(0.5,), scale=("kaiming",))
    ((labels, run),) = rows_of(experiment)
    assert labels["arm"] == "popup_kaiming"
    assert isinstance(run.space, EdgePopup)


WAYS_SMALL = MASK | {"mask_epochs": 2.0, "mask_batch_size": 50, "powers": 4}


def test_the_best_masks_are_the_runs_of_three_other_experiments():
    experiment = TicketsBestMasks(**WAYS_SMALL)
    asked = {labels["way"]: node.digest for labels, node in rows_of(experiment)}
    assert tuple(way for way in WAYS if way in asked) == WAYS
    found = TicketsAtInit(**MASK, criteria=("large_final_same_sign",), powers=4)
    masks = TicketsSupermask(**MASK)
    theirs = [node.digest for part in (found, masks) for _, node in rows_of(part)]
    assert list(asked.values()) == theirs
    assert asked[TRAINED] == rows_of(TicketsDense(**MASK))[0][1].digest


def test_the_best_masks_are_compared_in_one_column(tmp_path):
    experiment = TicketsBestMasks(**WAYS_SMALL | {"seeds": ("2",)})
    sweep(experiment, tmp_path / "ways")
    found = asked_exactly(Store(tmp_path / "ways"), experiment)
    rows = found.measured.set_index(["way", "seed"])
    for way, column in ((WAYS[0], "test_accuracy_max"), (WAYS[2], "sampled_test_accuracy"),
                        (TRAINED, "best_test_accuracy")):  # fmt: skip
        assert rows.loc[way, "accuracy"].tolist() == rows.loc[way, column].tolist()
        assert rows.loc[way, "accuracy"].between(0.01, 1).all()
    assert (rows.loc[TRAINED, "share_kept"] == 1).all()
    assert (rows.drop(TRAINED, level="way")["share_kept"] <= 1).all()
    assert experiment.summary(found.measured)["way"].tolist() == list(WAYS)
    answers = experiment.analyse(found.measured, found.history)
    assert answers["ranges"]["way"].tolist() == list(WAYS)
    assert (answers["ranges"]["n"] == 2).all()
    assert len(answers["pairs"]) == 7 * 6 / 2
    panels = {p.name: p for p in experiment.figures(found.measured, found.history, lambda *_: None)}
    assert list(panels) == ["accuracy", "accuracy-density"]
    # Found masks at all five powers, and learned masks once, at the share of weights that they keep.
    drawn = panels["accuracy-density"].data.rename(columns={"value": "mean"})
    assert drawn.groupby("way").size().loc[list(WAYS[:-1])].tolist() == [5, 5, 1, 1, 1, 1]
    mean = rows.loc[WAYS[2], ["accuracy", "share_kept"]].mean()
    one = drawn[drawn["way"] == WAYS[2]].iloc[0]
    assert one[["mean", "density"]].tolist() == pytest.approx(mean.tolist())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"mask_epochs": 0.0}, "mask_epochs is 0"),
        ({"criterion": "large"}, "did you mean"),
        ({"mask_batch_size": 0}, "mask_batch_size is 0"),
    ],
    ids=str,
)
def test_best_masks_that_make_no_sense(fields, message):
    with pytest.raises(InputError, match=message):
        TicketsBestMasks(**WAYS_SMALL | fields)
