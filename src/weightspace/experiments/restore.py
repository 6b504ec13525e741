"""Experiments from their records: the settings that a store keeps, as the object that asked them.

Names among the settings (of networks, data, losses) stay names: nothing that a folder names is run.
"""

import dataclasses
import warnings
from collections.abc import Generator, Mapping
from typing import Any

import pandas as pd

from weightspace.experiments import experiment_class, names
from weightspace.experiments.base import Experiment, Paper
from weightspace.named import looking
from weightspace.run import Row


class RestoreWarning(UserWarning):
    """A record holds settings that this version does not know."""


@dataclasses.dataclass(frozen=True)
class Runs(Experiment):
    """Runs asked for one by one, or by an experiment that this version does not know: a table and no more."""

    name = "runs"
    question = "Runs that were asked for one by one."
    paper = Paper("", "", "")
    by = ("model", "data")
    swept = ()

    def ask(self) -> Generator[list[Row], pd.DataFrame, None]:
        """Nothing: what was asked is in the store only."""
        yield []


def restored(name: str, fields: Mapping[str, Any]) -> Experiment:
    """The experiment of a name with recorded settings.

    Settings that were added since take their defaults. Settings that have been removed, or whose values are
    not allowed any more, are named in a `RestoreWarning`.

    Args:
      name: The experiment's name; what is no experiment of this version becomes `Runs`.
      fields: Its settings as `Experiment.fields` gives them: plain values, tuples as lists.
    """
    if name not in names():
        return Runs()
    cls = experiment_class(name)
    known = {field.name for field in dataclasses.fields(cls)}
    removed = sorted(set(fields) - known)
    if removed:
        _warn(f"{name} was asked with {', '.join(removed)}, which this version does not have; passed over")
    try:
        with looking():
            return cls(**{key: _tuples(value) for key, value in fields.items() if key in known})
    except Exception as error:  # a folder may hold anything
        _warn(
            f"{name} was asked with settings that this version does not take ({error}); shown as plain runs"
        )
        return Runs()


def _warn(text: str) -> None:
    warnings.warn(RestoreWarning(text), stacklevel=3)


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
