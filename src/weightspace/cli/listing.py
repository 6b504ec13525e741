"""`weightspace list`: what there is, by kind."""

import json
from collections.abc import Callable, Sequence
from typing import Any, Literal

from weightspace.cli.parse import parse

Kind = Literal["experiments", "models", "data", "spaces", "probes", "metrics", "optimisers"]


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
    def options(data: str = "digits", format: Literal["table", "json"] = "table") -> tuple[str, str]:  # noqa: A002
        """List what there is.

        Args:
          data: Data set that models are counted on.
          format: table or json.
        """
        return data, format

    data, shape = parse(options, arguments, prog=f"weightspace list {kind}")
    rows = _ROWS[kind](data)
    if shape == "json":
        print(json.dumps(rows, indent=2))
        return 0
    import pandas as pd
    from rich.console import Console

    from weightspace.cli.answer import print_frame

    print_frame(Console(), pd.DataFrame(rows), kind)
    return 0


def _experiments(_: str) -> list[dict[str, Any]]:
    from weightspace.experiments import experiment_class, names

    rows = []
    for name in names():
        cls = experiment_class(name)
        presets = ", ".join(f"{p} ({cls.minutes.get(p, 'not measured')})" for p in cls.presets)
        rows.append(
            {"name": name, "question": cls.question, "figure": cls.paper.figure, "presets (minutes)": presets}
        )
    return rows


def _models(data: str) -> list[dict[str, Any]]:
    from weightspace.data import make_data
    from weightspace.errors import WeightspaceError
    from weightspace.models import zoo
    from weightspace.models.base import layout_of

    source = make_data(data)
    rows = []
    for name in zoo.names():
        try:
            model = zoo.make(name, source.shape, source.outputs)
            count: Any = layout_of(model, tuple(source.shape), "float32").size
        except WeightspaceError as error:
            count = f"not on {data}: {error}"
        rows.append({"name": name, f"weights on {data}": count, "what": zoo.describe(name)})
    return rows


def _data(_: str) -> list[dict[str, Any]]:
    from weightspace import data

    return [{"name": name, "what": data.describe(name)} for name in data.names()]


def _spaces(_: str) -> list[dict[str, Any]]:
    return [
        {"name": "Full", "weights": "θ", "what": "ordinary training"},
        {"name": "Affine", "weights": "offset + B θ", "what": "random and burn-in subspaces"},
        {
            "name": "Masked",
            "weights": "m ⊙ θ + (1 − m) ⊙ frozen",
            "what": "tickets: any action on kept and pruned weights",
        },
        {
            "name": "Supermask",
            "weights": "1[u < σ(θ)] ⊙ w₀",
            "what": "masks that are learned over fixed weights, by sampling",
        },
        {"name": "EdgePopup", "weights": "top k of |θ| ⊙ w₀", "what": "the same, by the largest scores"},
        {"name": "Compose", "weights": "outer(inner(θ))", "what": "a space inside a space"},
    ]


def _probes(_: str) -> list[dict[str, Any]]:
    from weightspace.probes import describe, names

    return [{"name": name, "what": describe(name)} for name in names()]


def _metrics(_: str) -> list[dict[str, Any]]:
    from weightspace.experiments.metrics import METRICS

    return [metric._asdict() for metric in METRICS]


def _optimisers(_: str) -> list[dict[str, Any]]:
    from weightspace.recipes.optimisers import names

    return [{"name": name} for name in names()]


_ROWS: dict[str, Callable[[str], list[dict[str, Any]]]] = {
    "experiments": _experiments,
    "models": _models,
    "data": _data,
    "spaces": _spaces,
    "probes": _probes,
    "metrics": _metrics,
    "optimisers": _optimisers,
}
