"""A long sweep can be looked at while it goes on: questions are in the store before their first result."""

import pytest

from weightspace.experiments import experiment_class, names
from weightspace.experiments.answered import answered
from weightspace.report.compare import compare
from weightspace.store.base import Store
from weightspace.store.status import status
from weightspace.sweeps.ask import Driver, sweep

pytestmark = pytest.mark.usefixtures("cache_apart")


def stopped_after(waves, monkeypatch):
    """Sweeps are interrupted when so many waves are done."""
    carry_out, done = Driver._carry_out, []

    def stop(self, wave):
        if len(done) == waves:
            raise KeyboardInterrupt
        done.append(wave)
        carry_out(self, wave)

    monkeypatch.setattr(Driver, "_carry_out", stop)


def asked(name, out):
    cls = experiment_class(name)
    with pytest.raises(KeyboardInterrupt):
        sweep(cls(**cls.presets["smoke"]), out)
    (part,) = answered(Store(out))
    return part


@pytest.mark.parametrize("name", names())
def test_before_the_first_result_there_is_nothing_to_see_and_no_error(name, tmp_path, monkeypatch):
    stopped_after(0, monkeypatch)
    part = asked(name, tmp_path)
    assert set(part.table["status"]) == {"waiting"}
    assert part.experiment.summary(part.measured).empty
    # Numbers of the question itself need no run.
    assert {name for name, frame in part.analyses.items() if not frame.empty} <= {"relabellings", "networks"}
    assert {panel.name for panel in part.panels} <= {"criteria"}  # which needs no run
    assert compare(Store(tmp_path)).empty
    (line,) = status(Store(tmp_path)).to_dict("records")
    assert (line["experiment"], line["waiting"]) == (name, line["runs"])


def test_what_is_there_is_drawn_while_the_rest_waits(tmp_path, monkeypatch):
    stopped_after(1, monkeypatch)
    part = asked("tickets.iterative", tmp_path)
    assert part.table.groupby("criterion")["status"].agg(set)["dense"] == {"ok"}
    assert set(part.table.loc[part.table["round"] > 0, "status"]) == {"waiting"}
    assert {"accuracy", "speed", "criteria"} <= {panel.name for panel in part.panels}
    assert part.analyses["pairs"].empty
