"""Folders of many runs: what repeats is told once, and the tables say what they said run by run."""

import itertools
import json

import numpy as np
import pandas as pd
import pytest

from weightspace.store import asked as asked_module
from weightspace.store import settings as settings_module
from weightspace.store.base import Store
from weightspace.store.marks import Marks
from weightspace.store.read import history, readings_of, results
from weightspace.store.reasons import reasons, reasons_in
from weightspace.store.schema import digest_of
from weightspace.store.settings import Settings, _cells, settings_of, telling_apart

from .builders import digest, row, write


def cells_row_by_row(table, names):
    """The rule, as it is said: rows that agree in all labels, True and 1 apart, absent like any other."""
    cells = {}
    columns = [table[name].astype(object).where(table[name].notna(), None) for name in names]
    for run, *values in zip(table["run"], *columns, strict=True):
        cells.setdefault(tuple((type(v) is bool, v) for v in values), {})[run] = None
    return [list(runs) for runs in cells.values() if len(runs) > 1]


@pytest.mark.parametrize("seed", range(6))
def test_rows_that_agree_are_those_found_row_by_row(seed):
    draw = np.random.default_rng(seed)
    count = 200

    def taken(values, dtype=None):
        return pd.Series([values[i] for i in draw.integers(len(values), size=count)], dtype=dtype)

    table = pd.DataFrame({
        "run": taken([f"r{i}" for i in range(120)]),
        "mixed": taken([True, 1, None, "a", 1.5, 0, False], object),
        "number": taken([1.0, float("nan"), 0.0, -0.0]),
        "whole": taken([1, 2, None], "Int64"),
        "flag": taken([True, False]),
        "text": taken(["a", "b", None]),
    })  # fmt: skip
    labels = list(table)[1:]
    for size in range(len(labels) + 1):
        for names in itertools.combinations(labels, size):
            assert list(_cells(table, names)) == cells_row_by_row(table, names)
    assert list(_cells(table.iloc[:0], labels)) == []


def node(seed, parent=None, **values):
    entry = {"kind": "run.Run", "version": 1, "seeds": {"base": seed, "kind": "streams.Seeds", "version": 1}}
    entry |= values | ({} if parent is None else {"start": {"of": parent, "output": "weights"}})
    return json.dumps(entry, sort_keys=True, separators=(",", ":"))


@pytest.fixture
def nodes():
    """Parents of two settings and four seeds, and a child of each."""
    found = {}
    for lr in (0.1, 0.2):
        for seed in range(4):
            parent = node(seed, lr=lr)
            found[lr, seed, "parent"] = parent
            found[lr, seed, "child"] = node(seed, digest_of(parent), name="child")
    return {digest_of(text): (key, text) for key, text in found.items()}


def test_signatures_tell_settings_apart_and_not_seeds(nodes):
    settings = Settings(lambda name: nodes[name][1] if name in nodes else None)
    groups = {}
    for name, ((lr, _, kind), _) in nodes.items():
        groups.setdefault((lr, kind), set()).add(settings.signature(name))
    assert {len(each) for each in groups.values()} == {1}
    assert len(set.union(*groups.values())) == 4
    assert settings.signature("unknown") != settings.signature("other")
    children = [name for name, ((_, _, kind), _) in nodes.items() if kind == "child"]
    assert settings.differing(children) == ["start.of.lr"]


def test_code_is_that_of_the_node_and_its_parents_also_of_its_seeds(nodes):
    texts = {name: text for name, (_, text) in nodes.items()}
    newer = texts[next(iter(texts))].replace('streams.Seeds","version":1', 'streams.Seeds","version":2')
    texts[digest_of(newer)] = newer
    settings = Settings(texts.get)
    assert settings.code(digest_of(newer))["version of streams.Seeds"] == 2
    alike = [name for name in nodes if nodes[name][0][2] == "parent"]
    assert {json.dumps(settings.code(name), sort_keys=True) for name in alike} == {
        json.dumps({"version of run.Run": 1, "version of streams.Seeds": 1}, sort_keys=True)
    }
    assert {settings.kind(name) for name in nodes} == {"run.Run"}
    assert settings.kind("unknown") == ""


def test_nothing_is_looked_up_for_each_pair_of_runs():
    """A signature takes as many looks at others as a node has parents, however many are known already."""
    looks = []

    class Known(dict):
        def __iter__(self):
            looks.append(len(self))
            return super().__iter__()

    texts = {digest_of(node(seed)): node(seed) for seed in range(50)}
    settings = Settings(texts.get)
    settings._signatures = Known()
    for name in texts:
        settings.signature(name)
    assert looks == []


def test_marks_come_in_the_order_of_the_runs(store):
    probes = [
        ("column test: bb",),
        ("column test: aa", "metric th: cc"),
        ("column test: bb",),
        ("metric th: dd",),
    ]
    rows = [row(number, outputs=(), readings=(), probes=each) for number, each in enumerate(probes)]
    store.write_cohort("c", rows, {}, {})
    marks = Marks(store.records().get)
    runs = [digest(number) for number in range(4)]
    assert marks.differing(runs) == ["probe.test", "metric.th"]
    assert marks.differing(runs[::-1]) == ["metric.th", "probe.test"]
    assert marks.differing([runs[0], runs[2], "unknown"]) == []
    assert marks.differing(runs, probes=False) == ["metric.th"]


@pytest.fixture
def folder(store):
    """Runs of every end, a label called like a metric, and one run asked twice."""
    for number, ended in enumerate(("ok", "ok", "diverged", "failed", "blocked", "failed")):
        error = None if number == 0 else f"because\n of {ended}" if number < 5 else "of another kind"
        outputs = ("end.weights",) if ended in ("ok", "diverged") else ()
        write(store, f"c{number}", number, status=ended, error=error, outputs=outputs)
    rows = [({"seed": number, "train_loss": 1.0}, digest(number)) for number in (3, 1, 0, 2, 4, 5, 6)]
    store.ask("e", rows, {})
    store.ask("f", [({"x": x}, digest(3)) for x in range(2)], {})
    return store


def test_reasons_of_records_are_those_of_the_table(folder):
    found = reasons_in(folder)
    assert found == reasons(results(folder))
    assert ("failed", "because of failed", 1) in found
    assert ("ok", "because of ok", 1) in found
    assert sum(count for *_, count in found) == 5


def test_readings_are_those_of_histories_without_labels(folder):
    whole = history(folder, "e", wide=True)
    labels = [name for name in folder.asked("e") if name not in ("experiment", "run")]
    expected = whole.drop(columns=labels).drop_duplicates(["run", "step"]).reset_index(drop=True)
    found = readings_of(folder, "e", folder.asked("e")["run"])
    pd.testing.assert_frame_equal(found, expected)
    assert "train_loss_value" in found
    some = readings_of(folder, "e", [digest(2), digest(0), digest(2), "unknown"])
    assert list(dict.fromkeys(some["run"])) == [digest(2), digest(0)]


def counting(monkeypatch, module, name):
    calls, real = [], getattr(module, name)
    monkeypatch.setattr(module, name, lambda path: calls.append(path) or real(path))
    return calls


def test_specs_are_read_once_a_file_for_all_tables(folder, monkeypatch):
    calls = counting(monkeypatch, settings_module, "specs_in")
    for _ in range(2):
        results(folder)
        telling_apart(folder.asked("e").drop(columns="seed"), settings_of(folder))
    assert len(calls) == len(set(calls)) > 0
    before = settings_of(folder)
    assert settings_of(folder) is before
    write(folder, "more", 9)
    assert settings_of(folder) is not before
    assert settings_of(folder).spec(digest(9)) is not None


def test_questions_are_read_once_until_one_is_asked(folder, monkeypatch):
    calls = counting(monkeypatch, asked_module, "_read")
    store = Store(folder.root, create=False)
    frames = [store.asked("e"), store.asked(), store.asked("e")]
    assert len(calls) == 2
    pd.testing.assert_frame_equal(frames[0], frames[2])
    frames[0]["seed"] = -1  # a table is its reader's own
    frames[2].loc[:, "seed"] = -1
    assert (store.asked("e")["seed"] >= 0).all()
    store.ask("e", [({"seed": 8}, digest(8))], {})
    assert digest(8) in set(store.asked("e")["run"])
    assert len(store.questions()) == 3
