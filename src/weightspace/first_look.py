"""A first look at a network: one call, one page, in the minutes that one has.

`look` asks the experiment of that name, in the largest of a few sizes whose estimate fits: what the layers
are, ordinary trainings with their path, random slices and lottery tickets on the axis of degrees of freedom.
"""

import dataclasses
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weightspace import platform
from weightspace.errors import InputError, NoResultWarning, check_number
from weightspace.experiments.look import Look
from weightspace.named import hand_over
from weightspace.node import ancestors

if TYPE_CHECKING:
    import pandas as pd

    from weightspace.sweeps.plan import Plan

_DIMS, _FRACTIONS = (4, 16, 64, 256, 1024, 4096), (0.2, 0.05, 0.02, 0.005)
SIZES: tuple[dict[str, Any], ...] = (
    {"seeds": ("5",), "epochs": 30.0, "dims": _DIMS, "fractions": _FRACTIONS},
    {"seeds": ("3",), "epochs": 15.0, "dims": _DIMS, "fractions": _FRACTIONS},
    {"seeds": ("3",), "epochs": 8.0, "dims": (16, 64, 256, 1024), "fractions": (0.2, 0.05, 0.01)},
    {"seeds": ("2",), "epochs": 4.0, "dims": (16, 128, 1024), "fractions": (0.2, 0.02), "dense_epochs": 1.0},
)
"""From the largest to the least; flags of the command replace what they name."""


@dataclasses.dataclass(frozen=True)
class Looked:
    """What was seen.

    Attributes:
      layers: A row a leaf of the weights: its path, kind, shape and number of weights.
      training: What ordinary training reached, mean and deviation over seeds, and how far it went.
      enough: By method, the least degrees of freedom asked that keep .9, .95 and .99 of the full accuracy.
      table: A row a run.
      page: The page with the figures.
    """

    layers: "pd.DataFrame"
    training: "pd.DataFrame"
    enough: "pd.DataFrame"
    table: "pd.DataFrame"
    page: Path


def look(
    model: Any, data: Any, out: str | Path = "out/look", *, minutes: float = 3.0,
    say: Callable[[str], None] | None = print, **settings: Any,
) -> Looked:  # fmt: skip
    """Look at a network: train it, find how few degrees of freedom it needs, write one page.

    Args:
      model: A model (`from_nnx(Net)`), what makes one (a module class, a function), or a name of the zoo.
      data: A set (`Data(from_arrays(x, y), validation=200)`), a source, arrays `(x, y)`, a name or folder.
      out: Folder of results; the same folder again trains nothing twice.
      minutes: What may be spent; the largest look whose estimate is below is taken.
      say: What to do with the sentences that tell what it will cost; None keeps them back.
      settings: Those of the experiment `look`, as `lr=0.1` or `seeds=5`; they replace what a size says.

    Raises:
      InputError: If a part makes no sense, or the least look takes longer.
    """
    platform.start()
    from weightspace.experiments.answered import answered, asked_exactly
    from weightspace.experiments.draw import draw
    from weightspace.report.page import write_report
    from weightspace.store.base import Store
    from weightspace.sweeps.ask import see_through

    called, kept = named_data(data)
    experiment, planned = sized(named_model(model), called, Path(out), minutes, kept | settings, say)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoResultWarning)  # the page and the table say so themselves
        table = see_through(lambda _: planned, out)
    store = Store(Path(out), create=False)
    mine, parts = asked_exactly(store, experiment, table), answered(store)
    draw(store, experiment.name, parts=parts)
    shown = {name: mine.shown(name) for name in ("training", "enough")}
    return Looked(layers(experiment), table=table, page=write_report(store, parts=parts), **shown)


def sized(
    model: str, data: str, out: Path, minutes: float, settings: dict[str, Any],
    say: Callable[[str], None] | None = None,
) -> tuple[Look, "Plan"]:  # fmt: skip
    """The largest look that fits, and its plan.

    Args:
      model: The network's name.
      data: The data set's name.
      out: Folder of results: what it has costs nothing.
      minutes: What may be spent.
      settings: Further settings.
      say: What to do with the sentence on each size tried.

    Raises:
      InputError: If the least takes longer.
    """
    check_number("minutes", minutes, above=0)
    needed = float("inf")
    for experiment, planned, of_question in _sizes(model, data, out, settings):
        runs, needed = len(planned.runs), sum(of_question.values())
        if say is not None:
            slices, more = experiment.slices, f": more than {minutes:g}, so a smaller look"
            say(
                f"{slices.epochs:g} epochs, {len([*slices.each_seed()])} seeds: {runs} runs to train, about "
                f"{needed:.1f} min{_told(of_question)}{more if needed > minutes else ''}"
            )
        if needed <= minutes:
            return experiment, planned
    raise InputError(
        f"the least look at {model} on {data} takes about {needed:.1f} minutes here, more than the "
        f"{minutes:g} given; give more minutes, or fewer epochs, as 1"
    )


def _sizes(
    model: str, data: str, out: Path, settings: dict[str, Any]
) -> Iterator[tuple[Look, "Plan", dict[str, float]]]:
    from weightspace.store.base import MARKER, Store
    from weightspace.sweeps.estimate import estimate
    from weightspace.sweeps.plan import plan

    store = Store(out, create=False) if (out / MARKER).is_file() else None
    for size in SIZES:
        given: Any = {**size, "model": model, "data": data, **settings}
        experiment = Look(**given)
        planned = plan(experiment, store)  # pyright: ignore[reportArgumentType]
        yield experiment, planned, _by_question(planned, estimate(planned).seconds) if planned.runs else {}


QUESTIONS = {"full": "training", "random": "degrees of freedom", "ticket": "tickets"}
"""What each method is for."""


def _by_question(planned: "Plan", seconds: Sequence[float]) -> dict[str, float]:
    """Minutes of each question; what several rows need is of the first."""
    of_run = {row.node.digest: str(row.labels["method"]) for row in planned.rows}
    for row in planned.rows:
        for digest in ancestors([row.node]):
            of_run.setdefault(digest, str(row.labels["method"]))
    found = dict.fromkeys(QUESTIONS, 0.0)
    for cohort, spent in zip(planned.cohorts, seconds, strict=True):
        for digest in cohort.digests:
            found[of_run[digest]] += spent / len(cohort.digests) / 60
    return found


def _told(minutes: dict[str, float]) -> str:
    shown = [f"{QUESTIONS[name]} {value:.1f}" for name, value in minutes.items() if value]
    return f" ({', '.join(shown)})" if shown else ""


def layers(experiment: Look) -> "pd.DataFrame":
    """A row a leaf of the weights."""
    import pandas as pd

    leaves = experiment.slices.layout
    return pd.DataFrame(
        {
            "layer": [leaf.path for leaf in leaves],
            "kind": [leaf.kind for leaf in leaves],
            "shape": ["×".join(map(str, leaf.shape)) for leaf in leaves],
            "weights": [leaf.size for leaf in leaves],
        }
    )


def named_model(model: Any) -> str:
    """The name under which experiments find a network that was given as an object."""
    if isinstance(model, str):
        return model
    from weightspace.models import zoo

    called = getattr(model, "name", None) or getattr(model, "__name__", type(model).__name__)
    return hand_over(str(called), model, zoo.names())


def named_data(data: Any) -> tuple[str, dict[str, Any]]:
    """The name under which experiments find data that were given as an object or as arrays, and settings.

    Settings are what experiments say of data themselves, as the examples set aside: that of what was given.
    """
    if isinstance(data, str | Path):
        return str(data), {}
    from weightspace.data import Data, from_arrays, names

    given = Data(from_arrays(*data)) if isinstance(data, tuple) else data
    settings: dict[str, Any] = {}
    if isinstance(given, Data):
        settings = {"validation": given.validation}
        settings |= {} if given.noise is None else {"noise": (given.noise,)}
    return hand_over(str(getattr(given, "name", type(given).__name__)), given, names()), settings
