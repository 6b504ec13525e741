"""Figures of tickets, from made-up tables: which numbers they draw, and what they leave out."""

import itertools

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection

from weightspace.errors import StoreError
from weightspace.experiments.tickets.connectivity import TicketsConnectivity
from weightspace.experiments.tickets.dense import TicketsDense
from weightspace.experiments.tickets.iterative import TicketsIterative, TicketsKeptValues
from weightspace.experiments.tickets.overlap import TicketsOverlap
from weightspace.figures.chart import Notes
from weightspace.figures.charts import Plane
from weightspace.figures.style import settle
from weightspace.masks.criteria import MAIN
from weightspace.tables import planes
from weightspace.tables.base import Given
from weightspace.tables.paired import paired

ARMS = ("criterion", "kept", "pruned")
DENSITY = (0.64, 0.41, 0.26)
NO_HISTORY = pd.DataFrame({"run": [], "step": []})


def line(criterion, number, seed, accuracy, **more):
    return {
        "run": f"{criterion}{number}{seed}", "criterion": criterion, "kept": "rewind" if number else None,
        "pruned": "zero" if number else None, "round": number, "seed": seed, "status": "ok",
        "density": DENSITY[number - 1] if number else 1.0, "best_test_accuracy": accuracy,
        "test_accuracy": accuracy - 0.01, "best_step": 100.0 * (number + 1), **more,
    }  # fmt: skip


def lines():
    dense = [line("dense", 0, seed, 0.9 + 0.02 * seed) for seed in (0, 1)]
    arms = itertools.product((("large_final", 0.9), ("random", 0.7)), (1, 2, 3), (0, 1))
    return dense + [line(name, n, seed, top - 0.1 * n + 0.02 * seed) for (name, top), n, seed in arms]


def gone(run, key):
    raise StoreError("gone")


def panels(table, experiment=None, outputs=gone):
    """The figures of an experiment by name, of rows as they are measured."""
    experiment = experiment or TicketsIterative(criteria=("snip",))
    return {panel.name: panel for panel in experiment.figures(table, NO_HISTORY, outputs)}


@pytest.fixture(scope="module")
def drawn():
    return panels(pd.DataFrame(lines()))


def test_the_numbers_are_means_ranges_and_runs(drawn):
    data = drawn["accuracy"].data
    best = data[data["metric"] == "best_test_accuracy"].set_index(["criterion", "round"])
    for name, top in (("large_final", 0.9), ("random", 0.7)):
        assert best.loc[name, "value"].tolist() == pytest.approx([top - 0.1 * n + 0.01 for n in (1, 2, 3)])
        assert best.loc[name, "min"].tolist() == pytest.approx([top - 0.1 * n for n in (1, 2, 3)])
        assert best.loc[name, "max"].tolist() == pytest.approx([top - 0.1 * n + 0.02 for n in (1, 2, 3)])
    assert set(best["n"]) == {2}
    assert "n = 2 runs at each point" in drawn["accuracy"].caption
    speed = drawn["speed"].data
    assert speed.groupby("round")["value"].first().tolist() == [100, 200, 300, 400]


def test_the_axis_is_the_share_of_weights_left_and_begins_at_all(drawn):
    pane = drawn["accuracy"].figure.axes[0]
    left, right = pane.get_xlim()
    assert left > 1 > 0.26 > right
    curve = next(one for one in pane.lines if one.get_label() == "large_final")
    assert sorted(curve.get_xdata(), reverse=True) == list(DENSITY)
    dense = next(one for one in pane.lines if one.get_label() == "dense")
    assert list(dense.get_ydata()) == pytest.approx([0.91, 0.91])


def test_stars_are_where_arms_differ_from_the_first():
    """At round 1 random lies .2 below large_final in all seeds, at round 3 now below and now above."""
    rows = [line("dense", 0, seed, 0.9) for seed in range(3)]
    for seed in range(3):
        rows += [line("large_final", n, seed, 0.9 + 0.001 * seed) for n in (1, 3)]
        rows.append(line("random", 1, seed, 0.7 + 0.002 * seed))
        rows.append(line("random", 3, seed, 0.9 + 0.01 * (-1) ** seed))
    table = pd.DataFrame(rows)
    pairs = paired(table, ARMS)
    accuracy = panels(table)["accuracy"]
    data = accuracy.data[accuracy.data["metric"] == "best_test_accuracy"].set_index(["criterion", "round"])
    assert data.loc["large_final", "p"].isna().all()
    assert data.loc[("random", 1), "p_corrected"] < 0.05 < data.loc[("random", 3), "p"]
    drawn = [one for one in accuracy.figure.axes[0].collections if isinstance(one, PathCollection)]
    # An open star below a filled one, and no other.
    stars = [place for one in drawn for place in one.get_offsets().tolist()]
    assert stars == [pytest.approx([0.64, 0.702])] * 2
    stars = "Stars, test accuracy at early stopping: differs from large final, rewind, zero seed by seed"
    assert stars in accuracy.caption
    assert f"times all {len(pairs)} comparisons" in accuracy.caption
    assert "Stars" not in panels(table[table["seed"] < 1])["accuracy"].caption


def test_restarts_without_signs_are_dotted():
    rows = [line("large_final", n, 0, 0.9) | {"kept": k} for n in (1, 2) for k in ("rewind", "reinit")]
    panel = panels(pd.DataFrame(rows), TicketsKeptValues(kept=("rewind", "reinit")))["accuracy"]
    dashes = {one.get_label(): one.get_linestyle() for one in panel.figure.axes[0].lines}
    assert dashes["rewind"] == "-" != dashes["reinit"]
    assert "Dotted: restarts that do not keep the signs" in panel.caption
    one = pd.DataFrame(rows[:2]).query("kept == 'rewind'")
    assert "Dotted" not in panels(one, TicketsKeptValues(kept=("rewind",)))["accuracy"].caption


def test_rounds_that_did_not_finish_are_left_out(drawn):
    absent = [
        line("random", 3, 2, np.nan, status=s, best_step=np.nan) for s in ("failed", "blocked", "waiting")
    ]
    found = panels(pd.DataFrame(lines() + absent))
    for name, panel in drawn.items():
        pd.testing.assert_frame_equal(found[name].data, panel.data)


def test_arms_that_fail_do_not_press_the_others_into_one_line():
    near = [line("dense", 0, seed, 0.97) for seed in (0, 1)] + [line("random", 1, 0, 0.98)]
    close, far = (
        panels(pd.DataFrame(rows))["accuracy"] for rows in (near, [*near, line("small_final", 1, 0, 0.3)])
    )
    assert {pane.get_yscale() for pane in close.figure.axes} == {"linear"}
    assert {pane.get_yscale() for pane in far.figure.axes} == {"logit"}
    low, high = far.figure.axes[0].get_ylim()
    assert 0 < low < 0.29
    assert 0.98 < high < 1
    assert "logistic" in far.caption
    assert "logistic" not in close.caption


@pytest.mark.parametrize("count", [1, 2])
def test_little_is_enough(count):
    """The dense run alone, or one with a round."""
    found = panels(pd.DataFrame([line("dense", 0, 0, 0.9), line("random", 1, 0, 0.8)][:count]))
    assert set(found) == {"accuracy", "speed"}
    assert all(panel.svg.startswith(b"<?xml") for panel in found.values())
    assert ("no runs" in found["speed"].caption) == (count == 1)


def test_the_legend_is_no_wider_than_the_figure():
    frozen = ("zero", "at_init", "zero_shrunk", "zero_shuffled", "zero_grown", "interpolated:amount=0.25")
    table = pd.DataFrame([
        line("large_final", 1, seed, 0.9, pruned=pruned, kept=kept)
        for seed in (0, 1) for pruned in frozen for kept in ("rewind", "signed_constant")
    ])  # fmt: skip
    for panel in panels(table).values():
        (legend,) = panel.figure.legends
        assert len(legend.get_texts()) == len(frozen) * 2
        settle(panel.figure)
        seen = legend.get_window_extent()
        assert 0 <= seen.x0 < seen.x1 <= panel.figure.bbox.width


def test_without_the_weights_the_plane_is_that_of_the_cloud():
    experiment = TicketsIterative(data="digits", criteria=("large_final", "random", "snip"), validation=100)
    found = panels(pd.DataFrame(lines()), experiment)
    assert list(found) == ["accuracy", "speed", "criteria"]
    assert list(found["criteria"].data) == ["before", "after", "large_final", "random"]
    assert "blue: the 40 % that a criterion keeps" in found["criteria"].caption


@pytest.fixture(scope="module")
def plane():
    return planes.Cloud(MAIN).of(Given(NO_HISTORY, NO_HISTORY))


@pytest.mark.parametrize("name", MAIN)
def test_each_criterion_keeps_the_same_share_of_the_cloud(plane, name):
    assert plane[name].sum() == round((1 - planes.REMOVED) * len(plane))


def test_the_regions_are_those_of_the_paper_s_figure(plane):
    before, after = plane["before"].abs(), plane["after"].abs()
    moved = (plane["after"] - plane["before"]).abs()
    scores = {
        "large_final": after, "small_final": -after, "large_init": before, "small_init": -before,
        "magnitude_increase": after - before, "movement": moved,
    }  # fmt: skip
    for name, score in scores.items():
        kept = plane[name]
        assert score[kept].min() >= score[~kept].max() - 1e-6
    assert np.corrcoef(plane["random"], after)[0, 1] == pytest.approx(0, abs=0.05)
    # Both joint criteria cut rectangles: nothing kept lies inside, or outside, the kept ones' corner.
    large, small = (plane[name] for name in ("large_init_large_final", "small_init_small_final"))
    inside = (before >= before[large].min()) & (after >= after[large].min())
    assert large.equals(inside)
    assert small.equals((before <= before[small].max()) & (after <= after[small].max()))


def test_the_cloud_is_correlated_and_always_the_same():
    one, other = planes.cloud(), planes.cloud()
    np.testing.assert_array_equal(one, other)
    assert np.corrcoef(one.T)[0, 1] == pytest.approx(planes.CORRELATION, abs=0.03)


def test_a_layer_s_own_weights():
    rng = np.random.default_rng(0)
    before = rng.standard_normal((40, 30)).astype(np.float32)
    rows = pd.DataFrame([line("dense", 0, seed, 0.9) for seed in (4, 3)])
    kept = {"dense03": {"a": before}, "dense04": {"a": before * 0}}

    def outputs(run, key):
        shift = {"snapshot(0it).weights": 0.0, "snapshot(end).weights": 0.5}
        if key == "network":
            return {"kind": np.array([0]), "order": np.array([0])}
        return {"a": kept[run]["a"] + np.float32(shift[key])}

    asked = TicketsIterative(criteria=("large_final", "random"))
    panel = panels(rows, asked, outputs)["criteria-weights"]
    assert "The 1,200 weights of a, seed 3" in panel.caption
    np.testing.assert_allclose(panel.data["after"] - panel.data["before"], 0.5, rtol=1e-5)
    assert panel.data["large_final"].sum() == panel.data["random"].sum() == 480
    maps = [axes for axes in panel.figure.axes if axes.get_title(loc="left")]
    assert [axes.get_title(loc="left") for axes in maps] == ["large final", "random"]


def pair(criterion, number, step, seed, barrier, **more):
    return {
        "run": f"{criterion}-{number}-{step}-{seed}", "criterion": criterion, "round": number,
        "rewind": step, "seed": seed, "status": "ok", "density": 0.8**number, "barrier_error": barrier,
        "train_barrier_error": barrier / 2, **more,
    }  # fmt: skip


def connected(*more):
    arms = (("dense", 0, 0.1), ("large_final", 4, 0.3), ("random", 4, 0.5))
    found = [
        pair(name, number, step, seed, top / (1 + step) + 0.02 * seed)
        for name, number, top in arms
        for step in (0, 9)
        for seed in (0, 1)
    ]
    return copies(pd.DataFrame([*found, *more]))


def copies(table):
    def outputs(run, key):
        height = table.set_index("run").loc[run, "barrier_error"]
        return np.array([0.0, 0.5, 1.0]) if key == "alphas" else np.array([0.1, 0.1 + height, 0.1])

    return panels(table, TicketsConnectivity(criteria=("large_final", "random")), outputs)


def test_barriers_are_drawn_in_per_cent_against_the_step_one_line_a_mask():
    panel = connected()["barrier"]
    panes = panel.figure.axes
    assert [axes.get_ylabel() for axes in panes] == [
        "error barrier, test (%)", "error barrier, training (%)",
    ]  # fmt: skip
    curves = {one.get_label(): one for one in panes[0].lines}
    assert set(curves) == {"stable", "dense", "41 % left, large_final", "41 % left, random"}
    assert curves["dense"].get_xdata().tolist() == [0, 9]
    assert curves["dense"].get_ydata().tolist() == pytest.approx([0.11, 0.02])
    assert list(curves["stable"].get_ydata()) == [0.02, 0.02]
    assert panes[0].yaxis.get_major_formatter()(0.11) == "11"
    first = panel.data[(panel.data["metric"] == "barrier_error") & (panel.data["mask"] == "dense")].iloc[0]
    assert first[["value", "min", "max", "n"]].tolist() == pytest.approx([0.11, 0.1, 0.12, 2])


def test_the_error_along_the_line_is_a_map_a_mask():
    panel = connected()["line"]
    assert len(panel.figure.axes) == 3
    data = panel.data[(panel.data["mask"] == "dense") & (panel.data["rewind"] == 0)]
    assert data["alpha"].tolist() == [0, 0.5, 1]
    assert data["value"].tolist() == pytest.approx([0.1, 0.21, 0.1])


def test_a_pair_without_a_barrier_changes_nothing():
    blocked = pair("dense", 0, 0, 7, np.nan, status="blocked")
    for name, panel in connected().items():
        pd.testing.assert_frame_equal(connected(blocked)[name].data, panel.data)
    assert copies(pd.DataFrame([blocked])) == {}
    assert copies(pd.DataFrame([blocked]).drop(columns="barrier_error")) == {}


def masks(part, a, b, number, iou, seed=0):
    return {
        "part": part, "criterion": a, "other": b, "round": number, "seed": seed, "status": "ok", "iou": iou,
        "expected_iou": 0.2, "sign_agreement": 0.5 if part == "seeds" else None,
    }  # fmt: skip


def overlaps(*more):
    names = ("large_final", "movement", "random")
    pairs = itertools.combinations(names, 2)
    shares = dict(zip(pairs, (0.6, 0.3, 0.1), strict=True))
    rows = [
        masks("criteria", a, b, n, share + 0.1 * seed, seed)
        for (a, b), share in shares.items()
        for n in (2, 4)
        for seed in (0, 1)
    ]
    rows += [masks("seeds", name, name, n, 0.2 + 0.1 * i) for i, name in enumerate(names) for n in (2, 4)]
    return panels(pd.DataFrame([*rows, *more]), TicketsOverlap(criteria=names))


def test_the_map_of_criteria_is_symmetric_with_ones_on_the_diagonal():
    panel = overlaps()["overlap-criteria"]
    maps = [axes for axes in panel.figure.axes if axes.images]
    assert [axes.get_title(loc="left") for axes in maps] == ["2 rounds (0.20)", "4 rounds (0.20)"]
    shown = np.asarray(maps[0].images[0].get_array())
    expected = [[1, 0.65, 0.35], [0.65, 1, 0.15], [0.35, 0.15, 1]]
    np.testing.assert_allclose(shown, expected)
    assert set(panel.data["n"]) == {2}


def test_the_map_of_seeds_has_a_row_a_criterion_and_a_column_a_level():
    panel = overlaps()["overlap-seeds"]
    shown = np.asarray(panel.figure.axes[0].images[0].get_array())
    np.testing.assert_allclose(shown, [[0.2, 0.2], [0.3, 0.3], [0.4, 0.4]])
    assert set(panel.data["sign_agreement"]) == {0.5}


def test_of_one_seed_there_is_no_map_between_seeds():
    table = pd.DataFrame([masks("criteria", "random", "movement", 1, 0.5)])
    asked = TicketsOverlap(criteria=("random", "movement"))
    (panel,) = panels(table, asked).values()
    assert panel.name == "overlap-criteria"
    assert panel.figure.axes[0].get_title(loc="left") == "1 round (0.20)"
    assert panels(table.drop(columns="iou"), asked) == {}


def test_the_map_of_seeds_names_what_chance_gives():
    panel = overlaps()["overlap-seeds"]
    axes = panel.figure.axes[0]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["2 rounds\n(0.20)", "4 rounds\n(0.20)"]
    assert axes.get_xlabel() == "rounds of pruning (overlap by chance)"


def test_only_one_plane_a_criterion_that_chooses_by_weights_alone():
    frame = planes.plane(planes.cloud(50), "it", ("snip", "random:per=neuron", "movement"))
    assert list(frame) == ["before", "after", "movement", "of"]
    (panel,) = Plane(caption="{count} of {of}.").draw(frame, Notes(NO_HISTORY))
    assert panel.caption == "50 of it."
    assert Plane().draw(planes.plane(planes.cloud(50), "it", ("snip",)), Notes(NO_HISTORY)) == []


def test_of_the_dense_network_dots_are_where_runs_stop_early():
    history = pd.DataFrame({
        "run": np.repeat(["dense00", "dense01"], 3), "step": [0, 20, 40] * 2,
        "validation_loss": [2.0, 0.5, 1.0, 2.2, 1.1, 0.4], "validation_accuracy": [0.1, 0.8, 0.7] * 2,
    })  # fmt: skip
    rows = pd.DataFrame([line("dense", 0, seed, 0.9, best_step=20.0 * (seed + 1)) for seed in (0, 1)])
    (panel,) = TicketsDense().figures(rows, history, gone)
    loss, accuracy = panel.figure.axes
    assert [axes.get_ylabel() for axes in (loss, accuracy)] == ["validation loss", "validation accuracy"]
    drawn = {one.get_label(): one for one in loss.lines}
    assert drawn["mean over runs"].get_ydata().tolist() == pytest.approx([2.1, 0.8, 0.7])
    dots = drawn["early stopping"]
    assert list(zip(dots.get_xdata(), dots.get_ydata(), strict=True)) == [(20, 0.5), (40, 0.4)]
    assert "mean over runs (n = 2 runs), band of one standard deviation" in panel.caption


def test_of_many_masks_the_first_the_last_and_some_between_have_a_pane():
    rows = [pair("dense", 0, 0, 0, 0.1)] + [pair("large_final", n, 0, 0, 0.1) for n in (1, 2, 3, 4, 5)]
    found = copies(pd.DataFrame(rows))["line"]
    titles = [axes.get_title(loc="left") for axes in found.figure.axes]
    assert len(titles) == 4
    assert (titles[0], titles[-1]) == ("dense", "32.8 % left")
    assert found.data["mask"].nunique() == 6
