"""Words: what a label and a metric are called, and a vocabulary that is asked for them.

Names of columns are looked up as they are, then by patterns (`<split>_loss`), then by what stands before
and after them (`best_test_accuracy`, `train_loss_last10`). A name that no vocabulary has is its own words:
figures of a stranger's experiment need none.
"""

import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import Any

from weightspace.errors import InputError

_PLACES = {
    "<split>": "train|validation|test",
    "<layer>": r"\w+",
    "<part>": r"\w+",
    "<point>": r"[a-z]+\d*",
    "<number>": r"\d+",
}
"""What stands in patterns of names, as regular expressions."""
_BETTER = {"accuracy": "higher", "loss": "lower", "error": "lower"}
"""Which is better of metrics that no vocabulary has, by the end of their names."""
_ANY = ("<layer>", "<part>")
"""Those of them that any name fits."""
_SPLITS = {"train": "training", "validation": "validation", "test": "test"}


@dataclasses.dataclass(frozen=True)
class Label:
    """What rows are told apart by.

    Attributes:
      name: The column.
      words: What it is, for axes.
      value: How a value is named, as in `rate {:g}`.
      names: Values that have names of their own.
      order: Whether its values have an order that colours follow: "always", "alone" (where nothing else
        differs) or "" (they have none).
      scale: Of its axis: linear, log2, log, symlog (0 included) or percent.
      symbol: A sign for it in sentences.
      spaced: Whether underscores in its values stand for spaces.
    """

    name: str
    words: str
    value: str = "{}"
    names: tuple[tuple[Any, str], ...] = ()
    order: str = ""
    scale: str = "linear"
    symbol: str = ""
    spaced: bool = False

    def text(self, value: Any) -> str:
        """A value in words.

        >>> Label("lr", "learning rate", "rate {:g}").text(0.05)
        'rate 0.05'
        """
        own = dict(self.names).get(value)
        if own is not None:
            return own
        try:
            text = self.value.format(value)
            return text.replace("_", " ") if self.spaced else text
        except (ValueError, TypeError):
            return str(value)


@dataclasses.dataclass(frozen=True)
class Metric:
    """What was measured.

    Attributes:
      name: The column; `<split>`, `<layer>`, `<point>` and `<number>` stand for names in it.
      words: What it is, for axes.
      symbol: Its sign.
      unit: Its unit.
      better: "higher", "lower", or "" where neither is.
      formula: What it is, exactly.
      scale: Of its axis: linear or log.
    """

    name: str
    words: str
    symbol: str = ""
    unit: str = ""
    better: str = ""
    formula: str = ""
    scale: str = "linear"

    @property
    def axis(self) -> str:
        """The text of its axis."""
        return f"{self.words} ({self.unit})" if self.unit and self.scale == "log" else self.words


@dataclasses.dataclass(frozen=True)
class Part:
    """What stands before or after the name of a metric: `best_` and `_last10`.

    Attributes:
      text: What stands there.
      words: With `{}` for the words of the metric.
      formula: With `{}` for its formula.
    """

    text: str
    words: str
    formula: str


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """Labels and metrics that are known.

    Attributes:
      labels: By name.
      metrics: By name, in the order of panes; patterns among them.
      before: What may stand before a metric's name.
      after: What may stand after it.
    """

    labels: Mapping[str, Label]
    metrics: Mapping[str, Metric]
    before: tuple[Part, ...] = ()
    after: tuple[Part, ...] = ()

    def with_words(self, more: Iterable[Label | Metric]) -> "Vocabulary":
        """The same with words of an experiment's own, which come first."""
        more = tuple(more)
        labels = {each.name: each for each in more if isinstance(each, Label)}
        metrics = {each.name: each for each in more if isinstance(each, Metric)}
        return dataclasses.replace(
            self, labels={**self.labels, **labels}, metrics={**metrics, **self.metrics, **metrics}
        )

    def knows(self, name: str) -> bool:
        """Whether a column is in it, as a label or as a metric."""
        return name in self.labels or self._metric(name) is not None

    def label(self, name: str) -> Label:
        """A label; an unknown one is called by its name."""
        return self.labels.get(name) or Label(name, name.replace("_", " "))

    def metric(self, name: str) -> Metric:
        """A metric; an unknown one is called by its name.

        Of an unknown one an accuracy is better where it is higher, a loss or an error where it is lower.
        """
        better = next((better for end, better in _BETTER.items() if name.endswith(end)), "")
        plain = Metric(name, name.replace("_", " "), better=better)
        return self._metric(name) or plain

    def words(self, name: str) -> str:
        """A column in words."""
        return self.labels[name].words if name in self.labels else self.metric(name).words

    def rising(self, name: str) -> bool:
        """Whether more of a metric is better.

        Raises:
          InputError: If it is not said whether more or less is.
        """
        better = self.metric(name).better
        if not better:
            raise InputError(
                f"which '{name}' is best is not known: say whether more or less of it is better, in the "
                f'experiment\'s words=(Metric("{name}", "…", better="higher"),), or "lower"'
            )
        return better == "higher"

    def in_order(self, names: Iterable[str]) -> list[str]:
        """Metrics in the order of panes, then those that are not known, as they come."""
        names = list(dict.fromkeys(names))
        places = {name: self._place(name) for name in names}
        return sorted(names, key=lambda name: (places[name], names.index(name)))

    def _place(self, name: str) -> int:
        return list(self.metrics).index(name) if name in self.metrics else len(self.metrics)

    def _metric(self, name: str) -> Metric | None:
        if name in self.metrics:
            return self.metrics[name]
        whole = self._ends(name)
        for pattern, metric in self.metrics.items():
            # What follows a metric is no layer: `density_sd` is the spread of the density.
            if whole and any(place in pattern for place in _ANY):
                continue
            if "<" in pattern and (match := _matching(pattern).fullmatch(name)):
                return _filled(metric, name, match.groupdict())
        for part in (*self.before, *self.after):
            first = part in self.before
            inner = name.removeprefix(part.text) if first else name.removesuffix(part.text)
            found = self._metric(inner) if inner != name and inner else None
            if found is not None:
                words, formula = (text.format(old) for text, old in (
                    (part.words, found.words), (part.formula, found.formula or found.words),
                ))  # fmt: skip
                return dataclasses.replace(found, name=name, words=words, formula=formula)
        return None

    def _ends(self, name: str) -> bool:
        """Whether a name is that of a metric, followed by what may stand after one."""
        ends = [name.removesuffix(part.text) for part in self.after if name.endswith(part.text)]
        return any(self._metric(inner) is not None for inner in ends if inner)

    def layer(self, column: str, name: str) -> str:
        """The layer that a column `<column>_<layer>` is of, "all" for the column itself, else nothing.

        A column that is a metric of its own, or the spread or number of another, is of no layer.
        """
        layer = name.removeprefix(f"{column}_")
        if name == column or layer == name or name in self.metrics:
            return "all" if name == column else ""
        after = any(name in (f"{column}{part.text}", f"{column}_{part.text}") for part in self.after)
        return "" if after or self._ends(name) else layer


def _matching(pattern: str) -> re.Pattern[str]:
    text = re.escape(pattern)
    for place, expression in _PLACES.items():
        text = text.replace(re.escape(place), f"(?P<{place.strip('<>')}>{expression})", 1)
    return re.compile(text)


def _filled(metric: Metric, name: str, places: Mapping[str, str]) -> Metric:
    """A pattern's metric for one name: its words have the places filled in."""

    def filled(text: str) -> str:
        for place, value in places.items():
            text = text.replace(f"<{place}>", _SPLITS.get(value, value))
        return text

    return dataclasses.replace(metric, name=name, words=filled(metric.words), formula=filled(metric.formula))
