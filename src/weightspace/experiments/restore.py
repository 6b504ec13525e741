"""Experiments from their records: the settings that a store keeps, as the object that asked them.

Names among the settings (of networks, data, losses) stay names: nothing that a folder names is run.
"""

import warnings
from collections.abc import Mapping
from typing import Any

from weightspace.experiments import experiment_class, names
from weightspace.experiments.base import Experiment
from weightspace.experiments.plain import Runs
from weightspace.experiments.settings import named
from weightspace.named import looking

__all__ = ["RestoreWarning", "Runs", "restored"]


class RestoreWarning(UserWarning):
    """A record holds settings that this version does not know."""


def restored(
    name: str, fields: Mapping[str, Any], experiments: Mapping[str, type[Experiment]] | None = None
) -> Experiment:
    """The experiment of a name with recorded settings.

    Settings that were added since take their defaults. Settings that have been removed, or whose values are
    not allowed any more, are named in a `RestoreWarning`.

    Args:
      name: The experiment's name; what is no experiment of this version becomes `Runs`.
      fields: Its settings as `Experiment.fields` gives them: plain values, tuples as lists.
      experiments: Classes by name that the reader's own command names; no other is imported.
    """
    given = experiments or {}
    if name not in given and name not in names():
        return Runs()
    cls = given[name] if name in given else experiment_class(name)
    removed = sorted(key for key in fields if named(cls, key) is None)
    if removed:
        _warn(f"{name} was asked with {', '.join(removed)}, which this version does not have; passed over")
    try:
        with looking():
            kept = {key: _tuples(value) for key, value in fields.items() if key not in removed}
            return cls(**kept)
    except Exception as error:  # a folder may hold anything
        _warn(
            f"{name} was asked with settings that this version does not take ({error}); shown as plain runs"
        )
        return Runs()


def _warn(text: str) -> None:
    warnings.warn(RestoreWarning(text), stacklevel=3)


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
