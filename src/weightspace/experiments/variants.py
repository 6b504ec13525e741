"""Questions that a folder answers in two ways: equal labels and settings, but other code, content or parts.

A part's version or the source of a user's network is no setting of an experiment. Where rows of one question
differ in them, each way is a question of its own; no mean, no figure and no comparison is made of both.
"""

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from weightspace.experiments.plain import Runs
from weightspace.store.settings import Settings, settings_of, telling_apart

if TYPE_CHECKING:
    from weightspace.experiments.part import Answered

KIND = "kind of the node"
ANY = "any"
"""The value of what a row has not: it goes with rows of all values."""


def variants(part: "Answered") -> list["Answered"]:
    """A question as several where its rows differ in what neither labels nor settings tell.

    Such are settings in which rows that agree in all labels but the seed differ, and versions and sources of
    parts of one name. Rows that have no such part belong to each. Plain runs stay together: their table has
    columns of these settings.
    """
    if isinstance(part.experiment, Runs) or part.table.empty:
        return [part]
    settings = settings_of(part.store)
    found = []
    for each in _by_code([part], settings):
        # Nodes of several kinds may answer one row: they are no two ways of answering it.
        kinds = [settings.kind(run) for run in each.asked["run"]]
        asked = each.asked.assign(**{KIND: kinds})
        apart = telling_apart(asked, settings, probes=False)
        found += _split(each, {str(name): list(map(_given, apart[name])) for name in apart})
    return found


def _by_code(parts: list["Answered"], settings: Settings) -> list["Answered"]:
    """The same apart by versions and sources, one part's name after the other."""
    done = []
    while parts:
        part = parts.pop(0)
        code = [settings.code(run) for run in part.table["run"]]
        distinct = list({id(each): each for each in code}.values())
        names = dict.fromkeys(name for each in distinct for name in each)
        several = [name for name in names if len({each[name] for each in distinct if name in each}) > 1]
        if several:
            column = [each.get(several[0], ANY) for each in code]
            parts = [*_split(part, {several[0]: column}), *parts]
        else:
            done.append(part)
    return done


def _split(part: "Answered", columns: dict[str, list[Any]]) -> list["Answered"]:
    """A question as one for each set of values of these columns, of one value for each row."""
    lines = list(zip(*columns.values(), strict=True))
    found = []
    for values in dict.fromkeys(line for line in lines if ANY not in line):
        same = [all(v in (mine, ANY) for v, mine in zip(line, values, strict=True)) for line in lines]
        told = dict(zip(columns, values, strict=True))
        rows = part.table[np.array(same, bool)].reset_index(drop=True)
        found.append(dataclasses.replace(part, table=rows, settings=part.settings | told))
    return found or [part]


def _given(value: Any) -> Any:
    return None if pd.isna(value) else value
