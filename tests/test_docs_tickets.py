"""The page about tickets says what each option of the original is here: it is asked, and found to be so."""

import pytest

from tests.pages import ROOT
from weightspace.cli.run import read, run
from weightspace.experiments import experiment_class


def commands(file):
    """The commands of a page's last column, with what they are said to equal."""
    lines = [line.split("|") for line in (ROOT / file).read_text().splitlines() if line.startswith("| ")]
    found = [(cells[1].strip(), cells[-2].strip().strip("`")) for cells in lines]
    return [(theirs, ours.split()[2:]) for theirs, ours in found if ours.startswith("weightspace run ")]


TICKETS = commands("docs/tickets.md")


SAID = {
    "random_reinit ": {"kept": "reinit"}, "random_reshuffle": {"kept": "reshuffle"},
    "rand_signed_constant": {"kept": "constant"}, "signed_reinit": {"kept": "signed_reinit"},
    "signed_reshuffle": {"kept": "signed_reshuffle"}, "mask signed_constant": {"kept": "signed_constant"},
    "random_reinit_rescaling": {"kept": "reinit:rescaled=true"}, "freeze_init none": {"pruned": "at_init"},
    "zero_mask": {"kept": "rewind", "pruned": "zero_shrunk"},
    "zero_all": {"kept": "shrunk", "pruned": "zero_shrunk"}, "zero_reshuffle": {"pruned": "zero_shuffled"},
    "zero_rev": {"pruned": "zero_grown"}, "multiplier 2 --dynamic_scaling": {"arm": "both"},
    "large_final -1 mask none": {"criterion": "large_final", "kept": "rewind", "pruned": "zero"},
    "--signed_constant 0.1": {"kept": "signed_constant:value=0.1"}, "--sigmoid_bias 1": {"logit": 1.0},
}  # fmt: skip
"""What an option of the original means, in labels of ours."""


@pytest.mark.parametrize(("theirs", "ours"), TICKETS, ids=[" ".join(ours) for _, ours in TICKETS])
def test_every_command_of_the_original_has_its_equal(theirs, ours):
    name, *arguments = ours
    small = ["--data", "digits", "--validation", "100", "--model", "fc:widths=8"]
    small += ["--rounds", "2"] if name in ("tickets.iterative", "tickets.kept-values") else []
    experiment, _ = read(experiment_class(name), [*arguments, *small])
    rows = next(experiment.ask())
    assert {row.labels["seed"] for row in rows} == {0}
    arms = {tuple(row.labels.get(name) for name in ("criterion", "kept", "pruned", "arm")) for row in rows}
    arms -= {("dense", None, None, None)}
    meant = [labels for option, labels in SAID.items() if option in theirs]
    for row in rows:
        if row.labels.get("criterion") != "dense":
            assert all(labels.items() <= row.labels.items() for labels in meant)
    # As many as the original's command has: one, but at init all of its criteria.
    assert len(arms) == {"tickets.dense": 0, "tickets.at-init": 13, "tickets.from-supermask": 2}.get(name, 1)


def test_the_table_of_tickets_is_whole():
    """The examples of the original's README, and its options."""
    assert len(TICKETS) == 23
    assert all(any(option in theirs for theirs, _ in TICKETS) for option in SAID)
    assert {ours[0] for _, ours in TICKETS} >= {f"tickets.{name}" for name in (
        "dense", "iterative", "kept-values", "pruned-values", "at-init", "supermask", "from-supermask"
    )}  # fmt: skip


def test_an_equal_can_be_tried_without_doing_anything(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    _, ours = TICKETS[1]
    small = ["--data", "digits", "--validation", "100", "--model", "fc:widths=8", "--rounds", "2"]
    assert run([*ours, *small, "--dry-run", "--out", "out"]) == 0
    assert "run-steps" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()
