"""`weightspace list`: what there is, by kind.

Each kind has one set of keys, the same in every row and in both formats: lower_snake_case, numbers as
numbers, null where there is nothing to say, and what went wrong as `error`, never in a number's place. A
released key stays.
"""

import json
import sys
from collections.abc import Callable, Sequence
from typing import Any, Literal

from weightspace.cli.parse import parse

Kind = Literal["experiments", "models", "data", "spaces", "bases", "probes", "metrics", "optimisers"]
Rows = list[dict[str, Any]]

KEYS: dict[str, tuple[str, ...]] = {
    "experiments": ("name", "question", "figure", "presets"),
    "models": ("name", "data", "weights", "error", "what"),
    "data": ("name", "shape", "classes", "train", "test", "source", "on_disk", "error", "what"),
    "spaces": ("name", "formula", "what"),
    "bases": ("name", "columns", "what"),
    "probes": ("name", "what"),
    "metrics": ("name", "symbol", "unit", "better", "formula"),
    "optimisers": ("name",),
}
"""The keys of each list, in order; those of a preset are `name`, `minutes` and `note`."""


def listing(arguments: Sequence[str]) -> int:
    """The command."""
    kinds = Kind.__args__  # pyright: ignore[reportAttributeAccessIssue]
    first = [a for a in arguments[:1] if not a.startswith("-")]
    if first and first[0] not in kinds:
        from weightspace.errors import unknown

        raise unknown("list", first[0], kinds)
    kind = first[0] if first else "experiments"
    return _parsed(kind, arguments[len(first) :])


def _parsed(kind: str, arguments: Sequence[str]) -> int:
    def options(
        data: str = "digits",
        format: Literal["table", "json"] = "table",  # noqa: A002
        about: str = "",
    ) -> tuple[str, str, str]:
        """List what there is.

        Args:
          data: Data set that models are counted on.
          format: table or json.
          about: Of experiments those that answer what you want to know, in your own words, nearest first.
        """
        return data, format, about

    data, shape, wanted = parse(options, arguments, prog=f"weightspace list {kind}")
    found = _about(kind, wanted, _ROWS[kind](data)) if wanted else _ROWS[kind](data)
    rows = [{key: row.get(key) for key in KEYS[kind]} for row in found]
    if shape == "json":
        print(json.dumps(rows, indent=2, allow_nan=False))
        return 0
    cells = [{key: _cell(value) for key, value in row.items() if key not in _HIDDEN} for row in rows]
    if not sys.stdout.isatty():
        width = max((len(str(row["name"])) for row in cells), default=0)
        print("\n".join(_line(width, row) for row in cells))
        return 0
    import pandas as pd
    from rich.console import Console

    from weightspace.cli.output import print_frame

    print_frame(Console(), pd.DataFrame(cells), kind)
    return 0


def _about(kind: str, text: str, rows: Rows) -> Rows:
    """The experiments that a text is about, nearest first."""
    from weightspace.errors import InputError
    from weightspace.experiments.topics import about

    if kind != "experiments":
        raise InputError(
            f"--about looks for experiments, but {kind} are listed; weightspace list --about '{text}'"
        )
    by_name = {row["name"]: row for row in rows}
    return [by_name[name] for name in about(text)]


_HIDDEN = ("figure", "on_disk")
"""Keys that are for programs: JSON alone has them."""


def _line(width: int, row: dict[str, Any]) -> str:
    """A row on a line of its own, for `grep`: the name, then what there is to say, without padding."""
    name, *rest = (None if value is None else _plain(key, value) for key, value in row.items())
    return "  ".join([f"{name:<{width}}", *filter(None, rest)]).rstrip()


def _plain(key: str, value: Any) -> str:
    return f"{value:,} {key}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _cell(value: Any) -> Any:
    """Lists as text, for people: shapes as 8×8×1, presets with their minutes."""
    if not isinstance(value, list):
        return value
    if value and isinstance(value[0], dict):
        return ", ".join(
            each["name"] + (f" ({', '.join(said)})" if (said := _said(each)) else "") for each in value
        )
    return "×".join(map(str, value))


def _said(preset: dict[str, Any]) -> list[str]:
    """What is said of a preset behind its name."""
    measured = [preset["note"].partition(" on ")[0]] if preset["note"] else []
    return measured + ["for a GPU"] * preset["gpu"]


def _experiments(_: str) -> Rows:
    from weightspace.experiments import experiment_class, names
    from weightspace.experiments.minutes import took

    rows = []
    for name in names():
        cls = experiment_class(name)
        presets = [_preset(preset, took(cls, preset), preset in cls.gpu) for preset in cls.presets]
        rows.append({"name": name, "question": cls.question, "figure": cls.paper.figure, "presets": presets})
    return rows


def _preset(name: str, found: Any, gpu: bool) -> dict[str, Any]:
    """A preset's time: a number of minutes where it was measured, and on what; whether it is for a GPU."""
    minutes, note = (None, None) if found is None else (found.minutes, found.note)
    return {"name": name, "minutes": minutes, "note": note, "gpu": gpu}


def _models(data: str) -> Rows:
    from weightspace.data import make_data
    from weightspace.remembered import remembered

    source = make_data(data)
    fits = (tuple(map(int, source.shape)), source.outputs, source.input_dtype("float32"))
    return [row | {"data": data} for row in remembered("models", fits, lambda: _counted(*fits))]


def _counted(shape: tuple[int, ...], outputs: int, dtype: str) -> Rows:
    """The networks of the zoo with their weights on data of a shape, or with why they do not take it."""
    from weightspace.errors import WeightspaceError
    from weightspace.models import zoo
    from weightspace.models.base import layout_of

    rows: Rows = []
    for name in zoo.names():
        row: dict[str, Any] = {"name": name, "what": zoo.describe(name)}
        try:
            model = zoo.make(name, shape, outputs, dtype)
            row["weights"] = int(layout_of(model, shape, dtype).size)
        except WeightspaceError as error:
            row["error"] = str(error)
        rows.append(row)
    return rows


def _data(_: str) -> Rows:
    from weightspace import data
    from weightspace.errors import WeightspaceError

    rows: Rows = []
    for name in data.names():
        try:
            known = data.describe(name)
            known |= {"shape": list(known["shape"]), "source": known["from"], "what": known["about"]}
        except (WeightspaceError, OSError) as error:
            known = {"name": name, "error": str(error)}
        rows.append(known)
    return rows


def _spaces(_: str) -> Rows:
    return [
        {"name": "Full", "formula": "θ", "what": "ordinary training"},
        {"name": "Affine", "formula": "offset + B θ", "what": "random and burn-in subspaces; B: list bases"},
        {
            "name": "Masked",
            "formula": "m ⊙ θ + (1 − m) ⊙ frozen",
            "what": "tickets: any action on kept and pruned weights",
        },
        {
            "name": "Supermask",
            "formula": "1[u < σ(θ)] ⊙ w₀",
            "what": "masks that are learned over fixed weights, by sampling",
        },
        {"name": "EdgePopup", "formula": "top k of |θ| ⊙ w₀", "what": "the same, by the largest scores"},
        {"name": "Simplex", "formula": "Σ cᵢ θᵢ", "what": "learned lines and simplexes of networks"},
        {
            "name": "Bezier",
            "formula": "Σ C(n,i) (1−t)ⁿ⁻ⁱ tⁱ θᵢ",
            "what": "learned curves",
        },
        {"name": "Chain", "formula": "(1−s) θᵢ + s θᵢ₊₁", "what": "the same of straight pieces"},
        {"name": "Each", "formula": "wᵢ = spaceᵢ(θᵢ)", "what": "a space for each vertex of a mixture"},
        {"name": "Compose", "formula": "outer(inner(θ))", "what": "a space inside a space"},
    ]


def _bases(_: str) -> Rows:
    from weightspace.spaces.bases import describe, names

    return [dict(zip(KEYS["bases"], (name, *describe(name)), strict=True)) for name in names()]


def _probes(_: str) -> Rows:
    from weightspace.probes import describe, names

    return [{"name": name, "what": describe(name)} for name in names()]


def _metrics(_: str) -> Rows:
    from weightspace.tables.vocabulary import VOCABULARY

    keys = KEYS["metrics"]
    return [{key: getattr(metric, key) or None for key in keys} for metric in VOCABULARY.metrics.values()]


def _optimisers(_: str) -> Rows:
    from weightspace.recipes.optimisers import names

    return [{"name": name} for name in names()]


_ROWS: dict[str, Callable[[str], Rows]] = {
    "experiments": _experiments,
    "models": _models,
    "data": _data,
    "spaces": _spaces,
    "bases": _bases,
    "probes": _probes,
    "metrics": _metrics,
    "optimisers": _optimisers,
}
