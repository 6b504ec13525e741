"""From rows to stored answers."""

import dataclasses
import warnings

import numpy as np
import pytest

from tests.builders import EVALUATION, small_run
from weightspace.data import make_data
from weightspace.errors import InputError, NoResultWarning
from weightspace.node import Derived
from weightspace.probes import Best, Evaluation, PathLength, Snapshot
from weightspace.probes.mask import LearnedMask
from weightspace.run import Row, Watch
from weightspace.spaces.affine import Affine
from weightspace.spaces.bases.gaussian import Gaussian
from weightspace.spaces.masked import Masked
from weightspace.spaces.supermask import Supermask
from weightspace.spec import spec
from weightspace.store.base import Store
from weightspace.store.read import history, results
from weightspace.sweeps.ask import sweep
from weightspace.sweeps.cohorts import probe_groups
from weightspace.sweeps.requests import request_of, total_steps
from weightspace.tree import equal, ravel


@dataclasses.dataclass
class Asked:
    rounds: list
    name: str = "test.question"
    seen: list = dataclasses.field(default_factory=list)

    def ask(self):
        for rows in self.rounds:
            self.seen.append((yield rows))

    def fields(self):
        return {}


def row(run, **labels):
    return Row(labels | {"seed": run.seeds.base}, run, Watch("10it", (EVALUATION,)))


def files(root):
    return {
        p: p.stat().st_mtime_ns
        for p in root.rglob("*")
        if p.is_file() and p.parent.name in ("runs", "arrays")
    }


@spec
class Norm(Derived):
    weights: object

    def compute(self):
        flat, _ = ravel(self.weights)
        return {"norm": float(np.linalg.norm(flat)), "half": {"w": np.asarray(flat) / 2}}


@spec
class Broken(Derived):
    weights: object

    def compute(self):
        raise ArithmeticError("nothing to divide")


def test_a_sweep_gives_one_tidy_row_a_label_set(tmp_path):
    rows = [row(small_run(s, dim=d), dim=d) for s in (0, 1) for d in (2, 8)]
    table = sweep(Asked([rows]), tmp_path)
    assert list(table.columns[:7]) == ["run", "experiment", "model", "data", "seed", "status", "seconds"]
    assert len(table) == 4
    assert set(table["status"]) == {"ok"}
    assert set(table["model"]) == {"fc:widths=16"}
    assert table["test_accuracy"].between(0, 1).all()
    wide = history(tmp_path, "test.question", wide=True)
    assert sorted(wide["step"].unique()) == [0, 10, 20]
    last = wide[wide["step"] == 20].set_index("run")["test_loss"]
    np.testing.assert_allclose(last[table["run"]].to_numpy(), table["test_loss"].to_numpy())


def test_what_is_stored_is_never_computed_again(tmp_path):
    rows = [row(small_run(0, dim=2)), row(small_run(1, dim=2))]
    first = sweep(Asked([rows]), tmp_path)
    before = files(tmp_path)
    again = sweep(Asked([rows]), tmp_path)
    assert files(tmp_path) == before
    assert first.equals(again)
    sweep(Asked([[*rows, row(small_run(2, dim=2))]], name="other"), tmp_path)
    assert set(before) < set(files(tmp_path))


def test_an_output_of_one_run_is_the_offset_of_another(tmp_path):
    donor = small_run(0, length="7it")
    child = small_run(0, space=Affine(Gaussian(3), offset=donor.final()), length="1it", lr=0.0)
    keep = (Snapshot("end"), EVALUATION)
    sweep(Asked([[Row({"seed": 0}, child, Watch("1ep", keep))]]), tmp_path)
    store = Store(tmp_path)
    w_t = store.output(donor.digest, "snapshot(end).weights")
    child_weights = store.output(child.digest, "snapshot(end).weights")
    assert equal(w_t, child_weights)
    alone = sweep([Row({"seed": 0}, donor, Watch("1ep", keep))], tmp_path / "alone")
    assert equal(w_t, Store(tmp_path / "alone").output(alone["run"][0], "snapshot(end).weights"))


def test_a_snapshot_is_an_independent_run_of_that_length(tmp_path):
    long, short = small_run(0, length="20it"), small_run(0, length="6it")
    rows = [
        Row({"seed": 0}, long, Watch("1ep", (Snapshot("6it"),))),
        Row({"seed": 0}, short, Watch("1ep", (Snapshot("end"),))),
    ]
    sweep(rows, tmp_path)
    store = Store(tmp_path)
    assert equal(
        store.output(long.digest, "snapshot(6it).weights"),
        store.output(short.digest, "snapshot(end).weights"),
    )


def test_derived_values_are_nodes(tmp_path):
    norm = Norm(small_run(0).final())
    table = sweep(Asked([[Row({"seed": 0, "what": "norm"}, norm)]]), tmp_path)
    kept = Store(tmp_path).output(norm.digest, "half")["w"]
    assert table["norm"][0] == pytest.approx(2 * np.linalg.norm(kept), rel=1e-6)


def test_a_diverged_parent_blocks_its_children_and_is_a_result(tmp_path):
    parent = small_run(0, lr=1e30)
    child = small_run(0, space=Affine(Gaussian(2), offset=parent.final()))
    fine = small_run(1, dim=2)
    rows = [row(parent, what="parent"), row(child, what="child"), row(fine, what="fine")]
    with pytest.warns(NoResultWarning, match="2 of 3 runs .*1 blocked .parent .* is diverged: loss not fin"):
        table = sweep(Asked([rows]), tmp_path)
    assert dict(zip(table["what"], table["status"], strict=True)) == {
        "parent": "diverged", "child": "blocked", "fine": "ok",
    }  # fmt: skip
    assert parent.digest in Store(tmp_path).record(child.digest).error


def test_a_failing_node_is_recorded_with_its_error(tmp_path):
    broken = Broken(small_run(0).final())
    with pytest.warns(NoResultWarning, match="1 failed .ArithmeticError: nothing to divide"):
        table = sweep(Asked([[Row({"seed": 0}, broken)]]), tmp_path)
    assert list(table["status"]) == ["failed"]
    assert list(table["error"]) == ["ArithmeticError: nothing to divide"]
    assert "nothing to divide" in Store(tmp_path).record(broken.digest).error


def test_a_mask_of_another_network_fails_in_a_sentence_and_nothing_else_does(tmp_path):
    """It is an output, so that only its arrays can tell."""
    other = small_run(0, model="fc:widths=8", space=Supermask(), length="2it")
    mask = other.read(LearnedMask(), "mask")
    wrong, right = small_run(0, space=Masked(mask)), small_run(0, model="fc:widths=8", space=Masked(mask))
    with pytest.warns(NoResultWarning, match="belongs to another architecture"):
        table = sweep(Asked([[row(wrong, what="wrong"), row(right, what="right")]]), tmp_path)
    assert dict(zip(table["what"], table["status"], strict=True)) == {"wrong": "failed", "right": "ok"}
    error = Store(tmp_path).record(wrong.digest).error
    assert "the mask belongs to another architecture: its leaf 'hidden/0/" in error
    assert "take it from a run of this model" in error


def test_decisions_see_complete_tables_and_a_restart_replays_them(tmp_path):
    rounds = [[row(small_run(0, dim=2), dim=2)], [row(small_run(0, dim=4), dim=4)]]
    question = Asked(rounds)
    sweep(question, tmp_path)
    assert [len(t) for t in question.seen] == [1, 2]
    again = Asked(rounds)
    sweep(again, tmp_path)
    assert [len(t) for t in again.seen] == [1, 2]
    assert all(a.equals(b) for a, b in zip(question.seen, again.seen, strict=True))


def test_a_watch_of_other_probes_keeps_the_accuracies(tmp_path):
    run = small_run(0, dim=2)
    kept = sweep([Row({}, run, Watch("end", (Snapshot("end"),)))], tmp_path / "kept")
    assert {"train_accuracy", "test_accuracy", "train_loss", "test_loss"} <= {*kept}
    alone = sweep([Row({}, run, Watch("end", (Snapshot("end"),), ("evaluation",)))], tmp_path / "alone")
    assert not [name for name in alone if "accuracy" in name or "loss" in name]
    for out in ("kept", "alone"):
        assert "snapshot(end).weights" in Store(tmp_path / out).record(run.digest).outputs


def test_a_record_that_lacks_something_is_completed(tmp_path):
    run = small_run(0, dim=2)
    sweep([Row({"seed": 0}, run, Watch("10it", (EVALUATION, Snapshot("5it"))))], tmp_path)
    first = Store(tmp_path).output(run.digest, "snapshot(5it).weights")
    table = sweep([Row({"seed": 0}, run, Watch("5it", (PathLength(), Snapshot("end"))))], tmp_path)
    store = Store(tmp_path)
    record = store.record(run.digest)
    assert {"snapshot(5it).weights", "snapshot(end).weights"} <= record.outputs
    assert set(record.readings) == {0, 5, 10, 15, 20}
    assert equal(first, store.output(run.digest, "snapshot(5it).weights"))
    line = table[table["run"] == run.digest].iloc[0]
    assert line["path_length"] > 0
    assert line["test_accuracy"] > 0
    before = files(tmp_path)
    sweep([Row({"seed": 0}, run, Watch("10it", (EVALUATION, Snapshot("5it"))))], tmp_path)
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch": 5000}, "batch size 5000 exceeds the 1437 training examples"),
        ({"dim": 10**6}, "exceeds the model's D = "),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_computed(tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        sweep(Asked([[row(small_run(0, dim=2)), row(small_run(0, **change))]]), tmp_path)
    assert not list((tmp_path / "runs").iterdir())


def test_a_probe_says_what_it_needs(tmp_path):
    with pytest.raises(InputError, match="validation split"):
        sweep([Row({"seed": 0}, small_run(0), Watch("1ep", (Best(),)))], tmp_path)


def overfitting():
    """A run whose validation loss rises again."""
    return small_run(0, data=make_data("digits", validation=200), lr=2.0)


def test_what_early_stopping_finds_is_the_matter_of_its_own_cadence(tmp_path):
    """Whether the run is evaluated more often, or asked for its weights alone."""
    run, best = overfitting(), Best("3it")
    dense = Row({}, run, Watch("1it", (Evaluation(("validation",)), best)))
    table = sweep(Asked([[dense]]), tmp_path / "a")
    losses = history(tmp_path / "a", wide=True)["validation_loss"].to_numpy()
    looked_at = list(best.readings(*total_steps(run)))
    assert table["best_step"][0] == looked_at[int(np.argmin(losses[looked_at]))]
    sweep(Asked([[Row({}, Norm(run.read(best, "weights")))]]), tmp_path / "b")
    kept = [Store(tmp_path / name).output(run.digest, f"{best.key}.weights") for name in "ab"]
    assert equal(*kept)


def test_probes_read_at_the_same_points_share_what_they_measure():
    run = overfitting()
    watch = Watch("5it", (Evaluation(("validation",)), Best("5it"), Best("2it", name="w"), Snapshot("5it")))
    groups = probe_groups(request_of(Row({}, run, watch)), *total_steps(run))
    probes = request_of(Row({}, run, watch)).probes
    assert [{probes[i].key for i in group} for group in groups] == [
        {"best(every=5it)", "evaluation(splits=('validation',))"},
        {"best(every=2it,name=w)"},
        {"snapshot(5it)"},
    ]


def test_a_truncated_file_is_named_and_its_runs_are_computed_again(tmp_path):
    rows = [row(small_run(0, dim=2))]
    first = sweep(Asked([rows]), tmp_path)
    (file,) = (tmp_path / "runs").glob("*.parquet")
    file.write_bytes(file.read_bytes()[:100])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        again = sweep(Asked([rows]), tmp_path)
    assert any(file.name in str(w.message) for w in caught)
    assert list(again["test_loss"]) == list(first["test_loss"])
    assert results(tmp_path)["status"].tolist() == ["ok"]
