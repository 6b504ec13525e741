"""What presets set aside, on other data than theirs: a fifth, where theirs would leave less than half.

A preset's number goes with its own data. Where others are given and the number is not, half of them at least
are trained on; a number that is given stays as it is, and is refused where it does not fit.
"""

import dataclasses
from collections.abc import Collection
from typing import Any, TypeVar

from weightspace.data.split import EVERY
from weightspace.experiments import settings

T = TypeVar("T")


def fitted(experiment: T, preset: T, given: Collection[str]) -> tuple[T, list[str]]:
    """The experiment with as many examples set aside as its data can spare, and sentences of what changed.

    Args:
      experiment: Of a preset, with settings that were given in place of some of its own.
      preset: The preset as it is.
      given: The names, or paths, of those settings.
    """
    cls, changed, told = type(experiment), {}, []
    known = list(settings.settings_of(cls).items())
    for name, aside in known:
        data = next((each for _, each in known if each.path == (*aside.path[:-1], "data")), None)
        if aside.path[-1] != "validation" or data is None or {name, aside.dotted} & {*given}:
            continue
        if data.of(experiment) == data.of(preset):
            continue
        wanted, total = aside.of(experiment), _least(data.of(experiment))
        if total is None or wanted <= total // 2:
            continue
        changed[aside.dotted] = total // EVERY
        told.append(
            f"{changed[aside.dotted]} of {total} training examples, a fifth, are set aside for validation, "
            f"as the preset's {wanted} would leave less than half; give --{name.replace('_', '-')} to choose"
        )
    if not changed:
        return experiment, []
    fields: Any = dataclasses.fields(experiment)  # pyright: ignore[reportArgumentType]
    own = {field.name: getattr(experiment, field.name) for field in fields if field.init}
    return cls(**settings.nested(cls, own, changed)), told


def _least(names: Any) -> int | None:
    """How many training examples the smallest of the data sets has; None where none lies in a file."""
    from weightspace.data import Data, make_data

    sets = [make_data(name) for name in (names if isinstance(names, tuple | list) else (names,))]
    sizes = [len(each.source.loaded.train.y) for each in sets if isinstance(each, Data)]
    return min(sizes, default=None)
