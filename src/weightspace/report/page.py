"""The page of a store: what was asked, what came out, and under which circumstances.

One HTML file that needs nothing else: no network, no server. Figures are SVG within it; where scripts may run
a chart stands in their place, from which values are read off. Everything that comes from a store is escaped,
and the page forbids every script but its own.
"""

import dataclasses
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

from weightspace import __version__
from weightspace.errors import StoreError
from weightspace.experiments.answered import Answered, answered
from weightspace.experiments.base import Experiment
from weightspace.experiments.settings import settings_of
from weightspace.figures import style
from weightspace.figures.panel import Panel
from weightspace.report.compare import compared
from weightspace.report.inline import inline_svg
from weightspace.report.script import embedded, policy, scripts
from weightspace.report.tables import Column, columns, heading, shortened
from weightspace.report.twins import twin
from weightspace.store.base import Store
from weightspace.store.reasons import shortly
from weightspace.store.write import atomic, sentences
from weightspace.tables.paired import caution

_LONG = 24
"""Rows of a table that is shown at once; a longer one is folded away."""
_MAIN = ("weightspace", "jax", "jaxlib", "flax", "optax", "numpy")


@dataclasses.dataclass(frozen=True)
class TableView:
    """A table with its heading; `open` if it is not folded away."""

    title: str
    columns: list[Column]
    note: str = ""
    open: bool = True

    @property
    def rows(self) -> int:
        """How many lines it has."""
        return len(self.columns[0].cells) if self.columns else 0


@dataclasses.dataclass(frozen=True)
class FigureView:
    """A figure with its caption; `key` begins every name within it, `kind` is wide or narrow.

    `chart` is its twin as JSON, empty where it has none.
    """

    key: str
    kind: str
    title: str
    caption: str
    svg: Markup
    chart: Markup


@dataclasses.dataclass(frozen=True)
class PartView:
    """One question that the store answers, ready to be written."""

    key: str
    title: str
    settings: list[tuple[str, str, bool]]
    counts: list[tuple[str, int]]
    seconds: str
    errors: list[tuple[str, int]]
    figures: list[FigureView]
    tables: list[TableView]


@dataclasses.dataclass(frozen=True)
class Chapter:
    """All questions of one experiment."""

    name: str
    experiment: Experiment
    parts: list[PartView]


def write_report(
    store: Store,
    *,
    parts: Sequence[Answered] | None = None,
    experiments: Iterable[type[Experiment]] = (),
) -> Path:
    """Write `report/index.html` of a store; gives its path.

    Args:
      store: The store.
      parts: What `answered(store)` has found, if it is at hand.
      experiments: Classes beside those of this package, which the reader knows and trusts.

    Raises:
      StoreError: If it cannot be written.
    """
    found = answered(store, experiments=experiments) if parts is None else list(parts)
    path = store.root / "report" / "index.html"
    with sentences(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as temporary:
        temporary.write_text(render(store, found), encoding="utf-8")
    return path


def render(store: Store, parts: Sequence[Answered]) -> str:
    """The page as text."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("weightspace.report"), autoescape=True,
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    views = [(part, _part(part, f"q{i}")) for i, part in enumerate(parts)]
    chapters = [
        Chapter(
            name,
            next(p for p, _ in views if p.name == name).experiment,
            [v for p, v in views if p.name == name],
        )
        for name in dict.fromkeys(part.name for part in parts)
    ]
    charts = any(figure.chart for _, view in views for figure in view.figures)
    texts = scripts() if charts else ()
    written = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    return environment.get_template("page.html.jinja").render(
        folder=store.root.resolve().name, version=__version__, written=written, chapters=chapters,
        circumstances=_circumstances(store, parts), policy=policy(texts), scripts=list(map(Markup, texts)),
    )  # fmt: skip


def _part(part: Answered, key: str) -> PartView:
    figures = [_figure(part, panel, f"{key}f{i}") for i, panel in enumerate(part.panels)]
    runs = part.table.drop_duplicates("run")
    counts = [(str(name), int(count)) for name, count in runs["status"].value_counts().items()]
    seconds, reasons = runs["seconds"].dropna(), (part.errors, part.diverged, part.without_value)
    return PartView(
        key=key,
        title=_title(part),
        settings=_settings(part.experiment),
        counts=counts,
        seconds=f"{seconds.sum():,.1f} s over {len(seconds)} runs" if len(seconds) else "",
        errors=[(shortly(error), len(runs)) for ends in reasons for error, runs in ends.items()],
        figures=figures,
        tables=_tables(part),
    )


def _figure(part: Answered, panel: Panel, key: str) -> FigureView:
    kind = "wide" if panel.figure.get_figwidth() > 1.2 * style.COLUMN else "narrow"
    chart = part.made(f"chart {panel.name} of the page", lambda: _chart(panel), Markup())
    return FigureView(key, kind, panel.title, panel.caption, Markup(inline_svg(panel, key)), chart)


def _chart(panel: Panel) -> Markup:
    """The figure's twin as JSON; empty where it has none."""
    found = twin(panel)
    return embedded(found.as_json(panel.title)) if found else Markup()


def _title(part: Answered) -> str:
    on = " on ".join(name for name in (part.model, part.data) if name)
    settings = ", ".join(f"{name} {_plain(value)}" for name, value in part.settings.items())
    return ", ".join(piece for piece in (on, settings) if piece) or part.name


def _settings(experiment: Experiment) -> list[tuple[str, str, bool]]:
    """Name, value and whether it differs from the default, the differing first."""
    values = experiment.fields()
    defaults = {name: setting.default for name, setting in settings_of(type(experiment)).items()}
    lines = [
        (name, _plain(value), _listed(value) != _listed(defaults[name])) for name, value in values.items()
    ]
    return sorted(lines, key=lambda line: not line[2])


def _listed(value: Any) -> Any:
    return [_listed(item) for item in value] if isinstance(value, list | tuple) else value


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_plain, value)) or "none"
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _tables(part: Answered) -> list[TableView]:
    """Summary, answers and comparison; what a terminal would not show is folded away."""
    note = "Mean ± standard deviation over n finished runs, at the end of training."
    found = [_view("Summary", part.summary, note)]
    notes = {answer.name: answer.note for answer in part.answers}
    for name, frame in part.analyses.items():
        shown = part.shown(name)
        found.append(_view(name.capitalize(), shown, notes.get(name, "")))
        if len(shown) < len(frame):
            found.append(_view(f"{name.capitalize()}, all", frame, fold=True))
    beside = part.made("comparison", lambda: compared(part), pd.DataFrame())
    if len(beside):
        note = "Within: the difference is at most the joint spread, or at most 0.02 for accuracies."
        known = "; ".join(beside["known"].unique())
        found.append(_view("Compared with the reference", beside.drop(columns="known"), f"{note} {known}."))
    found.append(_view("Left out", part.left_out))
    return [view for view in found if view.rows]


def _view(title: str, frame: pd.DataFrame, note: str = "", *, fold: bool = False) -> TableView:
    short, same = shortened(frame)
    shown = [column._replace(name=heading(column.name)) for column in columns(short)]
    whole = " ".join(filter(None, (note, caution(frame), f"In all lines: {same}." if same else "")))
    return TableView(title, shown, whole.strip(), open=not fold and len(frame) <= _LONG)


def _circumstances(store: Store, parts: Iterable[Answered]) -> list[dict[str, Any]]:
    """What is known of each command whose runs are on the page."""
    found = []
    for name in dict.fromkeys(name for part in parts for name in part.provenance):
        try:
            found.append(_circumstance(store.provenance(name)))
        except (StoreError, AttributeError, LookupError, TypeError, ValueError):
            continue  # a folder from anywhere may hold anything
    return found


def _circumstance(record: Mapping[str, Any]) -> dict[str, Any]:
    versions = record.get("versions") or {}
    first = [f"{name} {versions[name]}" for name in _MAIN if name in versions]
    rest = [f"{name} {version}" for name, version in versions.items() if name not in _MAIN]
    git = record.get("git") or {}
    changed = " with uncommitted changes" if git.get("diff") else ""
    ended = "seconds" in record
    lines = {
        "command": " ".join(map(str, record.get("command") or [])),
        "started": record.get("started"),
        "took": f"{record['seconds']:,.1f} s with compilation, status {record['exit_status']}"
        if ended
        else None,
        "device": record.get("device"),
        "machine": record.get("platform"),
        "commit": f"{git['commit']}{changed}" if git.get("commit") else None,
        "versions": ", ".join([f"Python {record.get('python', '?')}", *first]),
        "others": ", ".join(rest),
    }
    return {name: value for name, value in lines.items() if value}
