"""Regions as tables: what lies along them, beside separate trainings; differences by seed."""

import dataclasses

import numpy as np

from weightspace.experiments.answer import Answer
from weightspace.experiments.subspaces.training import STANDARD, TWO
from weightspace.figures.charts import Curve, Dots
from weightspace.frames import Frame
from weightspace.tables.base import Given, On, Table, finished
from weightspace.tables.curves import Curves
from weightspace.tables.paired import Pairs

SCORES = ("accuracy", "nll", "ece")
ONE, PAIR, PLAIN = "one network", "pair of α and 1 - α", "one network, not recalibrated"
_MIDDLE = 0.5


@dataclasses.dataclass(frozen=True)
class Part(Table):
    """The finished rows of a part: `training`, `point` or `region`.

    Attributes:
      part: Which.
    """

    part: str

    def of(self, given: Given) -> Frame:
        """The rows."""
        rows = finished(given.rows)
        found = rows[rows["part"] == self.part] if "part" in rows else rows.iloc[:0]
        return found.dropna(axis=1, how="all").reset_index(drop=True)


@dataclasses.dataclass(frozen=True)
class Along(Table):
    """A line for each region, point and reading; those of separate trainings stand at α = 0.5 as `standard`.

    Columns `method`, `reading`, `alpha`, `seed`, `run`, `status`, `accuracy`, `nll`, `ece`. What is read of
    one network has standard training beside it, a pair two standard trainings as an ensemble.
    """

    def of(self, given: Given) -> Frame:
        """The lines."""
        from pandas import DataFrame

        lines = []
        for row in given.of(Part("region")).to_dict("records"):
            outputs = {name: given.outputs(row["run"], name) for name in ("alphas", *_matrices())}
            # A network without normalisation has no such column; what diverged is NaN at its place.
            kept = "mean_uncalibrated_accuracy" in row
            plain = {
                name: given.outputs(row["run"], f"uncalibrated_{name}") for name in (SCORES if kept else ())
            }
            whole = {name: np.asarray(outputs[f"ensemble_{name}"]) for name in SCORES}
            readings = {
                ONE: {name: np.diagonal(matrix) for name, matrix in whole.items()},
                PAIR: {name: np.diagonal(matrix[:, ::-1]) for name, matrix in whole.items()},
            } | ({PLAIN: plain} if plain else {})
            common = {name: row[name] for name in ("run", "status", "seed", "method") if name in row}
            for reading, values in readings.items():
                places = enumerate(np.asarray(outputs["alphas"]).tolist())
                lines += [
                    common | {"reading": reading, "alpha": alpha} | {k: float(values[k][i]) for k in SCORES}
                    for i, alpha in places
                ]
        there = list(dict.fromkeys(line["reading"] for line in lines))
        for row in given.of(Part("point")).to_dict("records"):
            mine = {STANDARD: (ONE, PLAIN), TWO: (PAIR,)}.get(row["method"], ())
            common = {name: row[name] for name in ("run", "status", "seed") if name in row}
            common |= {"method": STANDARD, "alpha": _MIDDLE}
            for reading in (reading for reading in mine if reading in there):
                if reading == PLAIN:
                    of_one = {k: float(given.outputs(row["run"], f"uncalibrated_{k}")[0]) for k in SCORES}
                else:
                    of_one = {name: row[f"all_{name}"] for name in SCORES}
                lines.append(common | of_one | {"reading": reading})
        columns = ["run", "status", "seed", "method", "reading", "alpha", *SCORES]
        return DataFrame(lines, columns=columns)


def _matrices() -> tuple[str, ...]:
    return tuple(f"ensemble_{name}" for name in SCORES)


def along() -> tuple[Answer, ...]:
    """Accuracy and calibration error against α, a pane a reading (Fig. 4)."""
    found = []
    for metric, what in (("accuracy", "Accuracy"), ("ece", "Calibration error"), ("nll", "Likelihood")):
        chart = Curve(
            "alpha", ("method",), name=f"{metric}-along", facet="reading", spread="sd",
            title=f"{what} between the ends", baseline=("method", STANDARD),
            baseline_words=("separate training", "separate training, two of them as an ensemble for pairs"),
        )  # fmt: skip
        table = On(Along(), Curves((metric,), "alpha", ("method", "reading"), runs=False))
        found.append(Answer(f"{metric}-along", table, chart, shown=0))
    return tuple(found)


def by_method(*beside: str) -> tuple[Answer, ...]:
    """Accuracy, likelihood and calibration error of each network and ensemble, runs side by side.

    Args:
      beside: Labels that go with a method, as what it costs.
    """
    found = []
    for metric, what in (("accuracy", "Accuracy"), ("nll", "Likelihood"), ("ece", "Calibration error")):
        name = f"all_{metric}"
        chart = Dots("method", ((name, "runs"),), name=f"{metric}-by-method", title=what, falling=True)
        table = On(Part("point"), Curves((name,), "method", beside=beside))
        found.append(Answer(f"{metric}-by-method", table, chart, shown=0))
    return tuple(found)


def differences(against: str = STANDARD) -> Answer:
    """Every point and ensemble against standard training, seed by seed."""
    metrics = ("all_accuracy", "all_nll", "all_brier", "all_ece")
    return Answer("differences", On(Part("point"), Pairs(metrics, "method", against)))
