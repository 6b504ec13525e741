"""Settings: what a run was asked to do beyond its labels, read from the specs that a store keeps as text.

A table may be averaged over seeds only where nothing else differs. Here a spec is compared as JSON, its seeds
apart and the outputs of other nodes by the specs of those nodes; no spec is ever built again from its text.
A setting is named by its path, as in `recipe.optimiser.lr`.
"""

import functools
import hashlib
import json
import re
import weakref
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from weightspace.store.asked import column
from weightspace.store.base import Store
from weightspace.store.marks import Marks
from weightspace.store.rows import Record
from weightspace.store.schema import DamagedError, read_parquet

SEED = "seed"
"""The label that rows may differ in and still be averaged."""
_SEEDS = re.compile(r'"seeds":\s*\{[^{}]*\}|"seed":\s*\d+')
_PARENT = re.compile(r'"of":\s*"([0-9a-f]+)"')
_NAMED = re.compile(r'"(?:kind|code|version|source)":[^,{}]*')
_EDGE = frozenset(("of", "output"))
Spec = Callable[[str], str | None]
"""A digest -> its canonical JSON, or None where it is not stored."""


class Settings:
    """The settings of nodes by digest.

    Args:
      spec: Gives a node's canonical JSON.
      marks: By what they were measured.
    """

    def __init__(self, spec: Spec, marks: Marks | None = None):
        self.marks = marks or Marks(lambda _: None)
        self.spec = functools.cache(spec)
        self._values = functools.cache(lambda digest: json.loads(self.spec(digest) or "null"))
        self._signatures: dict[str, str] = {}
        self._of_text: dict[bytes, str] = {}
        self._codes: dict[str, dict[str, Any]] = {}
        self._like = functools.cache(self._first_like)
        self._first: dict[bytes, str] = {}

    def signature(self, digest: str) -> str:
        """A text that two nodes share where they differ in no setting but seeds, nor do their parents."""
        pending = [digest]
        while pending:
            node = pending[-1]
            text = self.spec(node)
            plain = node if text is None else _SEEDS.sub("", text)
            # Runs that only their seeds tell apart have one text, and what it names one signature.
            place = hashlib.sha256(plain.encode()).digest()
            if place not in self._of_text:
                named = _PARENT.findall(text or "")
                parents = {each for each in named if each not in self._signatures} - {node}
                if parents:
                    pending += parents
                    continue
                whole = plain if text is None else _PARENT.sub(self._of, plain)
                self._of_text[place] = hashlib.sha256(whole.encode()).hexdigest()
            pending.pop()
            self._signatures[node] = self._of_text[place]
        return self._signatures[digest]

    def _of(self, found: re.Match[str]) -> str:
        return self._signatures.get(found[1], found[1])

    def differing(self, digests: Iterable[str], *, seeds: bool = False) -> list[str]:
        """The settings that tell nodes apart, the fewest that do; `seeds` among them only if asked for."""
        nodes = sorted({digest for digest in digests if self.spec(digest) is not None})
        apart = (lambda digest: digest) if seeds else self.signature
        if len({apart(node) for node in nodes}) < 2:
            return []
        first, found = nodes[0], dict[str, None]()
        for other in nodes[1:]:
            found |= dict.fromkeys(self._between(first, other, seeds))
        if not found:
            return []
        groups: dict[Hashable, list[str]] = {}
        for node in nodes:
            groups.setdefault(tuple(self.value(node, path) for path in found), []).append(node)
        if len(groups) > 1:
            for group in groups.values():
                found |= dict.fromkeys(self.differing(group, seeds=seeds))
        return list(found)

    def _between(self, one: str, other: str, seeds: bool) -> list[str]:
        return list(dict.fromkeys(self._compare(self._values(one), self._values(other), "", seeds)))

    def _compare(self, one: Any, other: Any, path: str, seeds: bool) -> list[str]:
        own, parents = [], []
        for name, a, b, edge in _pairs(one, other, path, seeds):
            (parents if edge else own).append((name, a, b))
        if own or not parents:
            return [name for name, _, _ in own]
        # What a node is made of tells more than what its parents are made of. One parent is enough: in a
        # long chain a cause far back is met along exponentially many ways.
        for name, a, b in parents:
            if not seeds and self.signature(a) == self.signature(b):
                continue
            if found := self._compare(self._values(a), self._values(b), f"{name}.", seeds):
                return found
        return []

    def value(self, digest: str, path: str) -> Any:
        """A setting as a plain value: what is a list or has parts is text; None where there is none."""
        here: Any = self._values(digest)
        for part in path.split("."):
            if isinstance(here, str):
                here = self._values(here)
            here = _part(here, part)
        return json.dumps(here, sort_keys=True) if isinstance(here, list | dict) else here

    def kind(self, digest: str) -> str:
        """The kind of a node; empty where it is not stored."""
        return self.value(self._like(digest), "kind") or ""

    def code(self, digest: str) -> dict[str, Any]:
        """By name, the versions and sources of all parts that a node and its parents are made of.

        Not to be modified: nodes that only numbers among their seeds tell apart are given one dict.
        """
        first = self._like(digest)
        if first not in self._codes:
            found: dict[str, Any] = {}
            seen, pending = {first}, [first]
            while pending:
                node = pending.pop()
                found |= _code(self._values(node))
                parents = set(_PARENT.findall(self.spec(node) or "")) - seen
                seen |= parents
                pending += parents
            self._codes[first] = found
        return self._codes[first]

    def _first_like(self, digest: str) -> str:
        """The first node looked at that differs from this one in numbers among its seeds alone."""
        text = _SEEDS.sub(_without_numbers, self.spec(digest) or "")
        return self._first.setdefault(hashlib.sha256(text.encode()).digest(), digest)


def _without_numbers(seeds: re.Match[str]) -> str:
    """Of seeds what names their code and its version."""
    return ",".join(_NAMED.findall(seeds[0]))


_KNOWN: "weakref.WeakKeyDictionary[Store, tuple[Any, Settings]]" = weakref.WeakKeyDictionary()


def settings_of(store: Store) -> Settings:
    """The settings of a store's runs; files are read on use, once until one changes."""
    records = store.records()
    before, settings = _KNOWN.get(store, (None, None))
    if settings is None or before is not records:
        settings = _settings(records)
        _KNOWN[store] = records, settings
    return settings


def _settings(records: Mapping[str, Record]) -> Settings:
    known = dict[str, str]()

    def spec(digest: str) -> str | None:
        record = records.get(digest)
        if record is not None and digest not in known:
            known.update(zip(*specs_in(record.file).values(), strict=True))
        return known.get(digest)

    return Settings(spec, Marks(records.get))


def specs_in(file: Path) -> dict[str, list[str]]:
    """Digests and specs of a file of rows; nothing of a file that is gone or damaged since it was listed."""
    try:
        return read_parquet(file, "runs", ["digest", "spec"]).to_pydict()
    except (FileNotFoundError, DamagedError):
        return {"digest": [], "spec": []}


def _pairs(one: Any, other: Any, path: str, seeds: bool) -> Iterator[tuple[str, Any, Any, bool]]:
    """Paths at which two values differ, with the values, and whether they are other nodes."""
    if one == other:
        return
    both = isinstance(one, dict) and isinstance(other, dict)
    if both and one.get("kind") != other.get("kind"):
        yield f"{path}kind", one.get("kind"), other.get("kind"), False
    elif both:
        for name in sorted(one.keys() | other.keys()):
            if name in ("seeds", "seed") and not seeds:
                continue
            a, b = one.get(name), other.get(name)
            if name == "seeds" and isinstance(a, dict) and isinstance(b, dict) and a["base"] != b["base"]:
                yield f"{path}seeds.base", a["base"], b["base"], False
            elif name == "of" and one.keys() >= _EDGE and isinstance(a, str) and isinstance(b, str):
                if a != b:
                    yield f"{path}of", a, b, True
            else:
                yield from _pairs(a, b, f"{path}{name}.", seeds)
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for place, (a, b) in enumerate(zip(one, other, strict=True)):
            yield from _pairs(a, b, f"{path}{place}.", seeds)
    else:
        yield path.rstrip("."), one, other, False


def _part(value: Any, name: str) -> Any:
    if isinstance(value, list):
        return value[int(name)] if name.isdigit() and int(name) < len(value) else None
    return value.get(name) if isinstance(value, dict) else None


def _code(value: Any) -> dict[str, Any]:
    """Versions and sources within a spec, by the name of the part."""
    found: dict[str, Any] = {}
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        found |= _code(inner)
    if isinstance(value, dict):
        name = value.get("code") or value.get("kind")
        found |= {f"{key} of {name}": value[key] for key in ("version", "source") if name and key in value}
    return {name: each for name, each in found.items() if isinstance(each, str | int)}


def telling_apart(
    asked: pd.DataFrame, settings: Settings, *, probes: bool = True, whole: bool = False
) -> pd.DataFrame:
    """Columns of what no label tells: rows that agree in all labels but the seed differ in it.

    Args:
      asked: Columns `experiment`, `run` and the labels.
      settings: Of the runs.
      probes: Whether it counts that other probes measured them; other metrics always do.
      whole: Whether metrics are told apart in all rows, not only where rows agree in their labels.

    Returns:
      A column for each such setting, named by its path, with a value for each row; none where a seed is all
      that rows of equal labels differ in. Likewise `metric.<name>` and `probe.<name>` where columns of one
      name were measured by several of the user's metrics, or by several probes, with the digest of each.
    """
    labels = [name for name in asked.columns if name != "run"]
    paths, marks = dict[str, None](), dict[str, None]()
    for names, seeds in (([name for name in labels if name != SEED], False), (labels, True)):
        for runs in _cells(asked, names):
            paths |= dict.fromkeys(settings.differing(runs, seeds=seeds))
            marks |= dict.fromkeys(settings.marks.differing(runs, probes=probes))
    if whole:
        marks |= dict.fromkeys(settings.marks.differing(asked["run"], probes=False))
    columns = {path: plain([settings.value(run, path) for run in asked["run"]]) for path in paths}
    columns |= {name: plain([settings.marks.value(run, name) for run in asked["run"]]) for name in marks}
    return pd.DataFrame(columns, asked.index)


def _cells(asked: pd.DataFrame, names: Sequence[str]) -> Iterator[list[str]]:
    """The runs of rows that agree in these columns, where there are several."""
    place = np.zeros(len(asked), np.int64)
    for name in names:
        each = _places(asked[name])
        # Numbered anew after each column, so that they stay below the square of the number of rows.
        place = pd.factorize(place * (each.max(initial=0) + 1) + each)[0]
    runs = asked["run"].to_numpy(object)
    order = np.argsort(place, kind="stable")
    ends = np.flatnonzero(np.diff(place[order])) + 1
    for cell in np.split(order, ends) if len(order) > len(ends) + 1 else ():
        if len(cell) > 1 and len(found := list(dict.fromkeys(runs[cell]))) > 1:
            yield found


def _places(column: pd.Series) -> np.ndarray:
    """A number for each row, equal where the labels are; a missing label is a value like any other."""
    if column.dtype == object:
        seen: dict[Hashable, int] = {}
        values = column.where(column.notna(), None)
        # True equals 1, but is another label.
        return np.array([seen.setdefault((type(v) is bool, v), len(seen)) for v in values], np.int64)
    return pd.factorize(column, use_na_sentinel=False)[0]


def plain(values: Sequence[Any]) -> Any:
    """Settings as a column: numbers where all are."""
    found = column(list(values))
    return np.asarray(found, object) if found.dtype == object else found.array
