"""Questions: asked twice is stored once, and labels come back with their types."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from weightspace.errors import InputError, StoreError
from weightspace.store import asked, schema
from weightspace.store.read import results, sql
from weightspace.store.schema import StoreWarning

from .builders import digest, names, truncate, write

LABELS = {"dim": 8, "sparsity": 0.5, "criterion": "magnitude", "masked": True, "note": None}


def test_the_same_question_is_one_file(store):
    for _ in range(2):
        store.ask("e", [(LABELS, digest(1))], {"epochs": 3, "lr": (0.1, 0.2)})
    assert len(names(store.root / "asked")) == 1
    (question,) = store.questions()
    assert question.fields == {"epochs": 3, "lr": [0.1, 0.2]}
    assert question.rows == [(LABELS, digest(1))]


@pytest.mark.parametrize(
    ("experiment", "labels", "number", "fields"),
    [
        ("f", LABELS, 1, {"epochs": 3}),
        ("e", LABELS | {"dim": 9}, 1, {"epochs": 3}),
        ("e", LABELS, 2, {"epochs": 3}),
        ("e", LABELS, 1, {"epochs": 4}),
    ],
)
def test_another_question_is_another_file(store, experiment, labels, number, fields):
    store.ask("e", [(LABELS, digest(1))], {"epochs": 3})
    store.ask(experiment, [(labels, digest(number))], fields)
    assert len(names(store.root / "asked")) == 2


def test_rows_keep_their_order_and_one_asked_twice_is_there_once(store, monkeypatch):
    times = iter([2.0, 1.0])
    monkeypatch.setattr(asked.time, "time", lambda: next(times))
    store.ask("e", [({"dim": 4}, digest(4)), ({"dim": 2}, digest(2))], {"when": "later"})
    store.ask("e", [({"dim": 9}, digest(9)), ({"dim": 4}, digest(4))], {"when": "earlier"})
    frame = store.asked("e")
    assert list(frame["dim"]) == [9, 4, 2]
    assert list(frame["run"]) == [digest(9), digest(4), digest(2)]


def test_one_run_may_answer_under_several_labels(store):
    store.ask("e", [({"dim": 1, "flag": True}, digest(1)), ({"dim": 1, "flag": 1}, digest(1))], {})
    store.ask("f", [({"method": "dense"}, digest(1))], {})
    frame = store.asked()
    assert list(frame.columns) == ["experiment", "run", "dim", "flag", "method"]
    assert list(frame["experiment"]) == ["e", "e", "f"]
    assert set(frame["run"]) == {digest(1)}
    assert frame["method"].isna().tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([1, 2], "int64"),
        ([1, None], "Int64"),
        ([1, 0.5], "float64"),
        ([0.5, None], "float64"),
        ([True, False], "bool"),
        ([True, None], "boolean"),
        ([1, "full"], "object"),
        ([True, 2], "object"),
        ([None, None], "object"),
        ([np.float32(0.5), np.int64(2)], "float64"),
    ],
)
def test_types_of_label_columns(store, values, dtype):
    store.ask("e", [({"x": value}, digest(row)) for row, value in enumerate(values)], {})
    column = store.asked()["x"]
    assert column.dtype == dtype
    for found, value in zip(column, values, strict=True):
        assert pd.isna(found) if value is None else found == value
        assert dtype != "object" or value is None or type(found) is type(value)


def test_text_labels_are_text(store):
    store.ask("e", [({"x": "ä"}, digest(1)), ({}, digest(2))], {})
    assert pd.api.types.is_string_dtype(store.asked()["x"].dropna())
    assert store.asked()["x"].isna().tolist() == [False, True]


def test_a_column_of_one_experiment_may_have_another_type_in_the_next(store):
    store.ask("e", [({"x": 1}, digest(1))], {})
    store.ask("f", [({"x": "full"}, digest(1))], {})
    assert store.asked()["x"].tolist() == [1, "full"]
    assert store.asked("e")["x"].dtype == "int64"


@pytest.mark.parametrize("name", sorted(asked.NOT_LABELS))
def test_labels_with_names_of_columns_are_refused(store, name):
    with pytest.raises(StoreError, match=f"cannot be called '{name}'"):
        store.ask("e", [({name: 1}, digest(1))], {})


@pytest.mark.parametrize("value", [[1], {"a": 1}, object(), 1j, 2**63, float("nan")])
def test_labels_that_are_no_plain_values_are_refused(store, value):
    with pytest.raises((StoreError, InputError)):
        store.ask("e", [({"x": value}, digest(1))], {})
    assert names(store.root / "asked") == []


def test_no_rows_no_labels_no_questions(store):
    assert store.asked().empty
    assert list(store.asked().columns) == ["experiment", "run"]
    store.ask("e", [], {})
    assert store.asked("e").empty
    store.ask("e", [({}, digest(1)), ({}, digest(2))], {})
    assert len(store.asked("e")) == 2


def test_a_misspelt_experiment_gets_the_nearest_name(store):
    store.ask("random_subspace", [({}, digest(1))], {})
    with pytest.raises(InputError, match="did you mean 'random_subspace'"):
        store.asked("random_subspce")


def test_before_the_first_answer_the_sweep_under_way_is_pointed_to(store):
    assert store.questions() == []
    with pytest.raises(InputError, match=r"nothing is answered in .* yet, 'e' neither; weightspace status"):
        store.questions("e")


def test_damaged_questions_are_named_and_asked_again(store):
    store.ask("e", [({"x": 1}, digest(1))], {})
    (path,) = (store.root / "asked" / "e").iterdir()
    truncate(path)
    with pytest.warns(StoreWarning, match="counts as not asked"):
        assert store.asked("e").empty
    with pytest.warns(StoreWarning, match="counts as not asked"):
        store.ask("e", [({"x": 1}, digest(1))], {})
    assert store.asked("e")["x"].tolist() == [1]


def test_questions_of_another_version_are_refused(store, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(schema, "SCHEMA", 99)
        store.ask("e", [({"x": 1}, digest(1))], {})
    with pytest.raises(StoreError, match="schema version 99"):
        store.asked()


LARGE = 2**53 + 1
"""A whole number that is no float64."""


@pytest.mark.parametrize(
    "values",
    [
        (LARGE, 0.5),
        (0.5, LARGE, None),
        (True, 2),
        (True, 0.5),
        ("1", 1),
        ("a", None, 2.5),
        (-(2**63), 2**63 - 1),
        (2**63 - 1, 0.25),
        (1, 0.5),
        ("ü\u2028\x00", ""),
        (np.int64(LARGE), np.float64(0.5)),
        (np.float32(0.1), np.bool_(True), np.str_("x"), np.uint8(200)),
    ],
    ids=str,
)
@pytest.mark.parametrize("calls", [1, 2])
def test_labels_of_several_kinds_come_back_exactly(store, values, calls):
    rows = [({"x": value, "i": i}, digest(i)) for i, value in enumerate(values)]
    for part in (rows,) if calls == 1 else (rows[:1], rows[1:]):
        store.ask("e", part, {})
    plain = [value.item() if isinstance(value, np.generic) else value for value in values]
    labels = {
        labels["i"]: labels.get("x") for question in store.questions("e") for labels, _ in question.rows
    }
    assert [labels[i] for i in range(len(plain))] == plain
    found = store.asked("e").set_index("i")["x"]
    back = [None if pd.isna(found[i]) else found[i] for i in range(len(plain))]
    assert back == plain
    assert [isinstance(value, bool | np.bool_) for value in back] == [isinstance(v, bool) for v in plain]
    wide = sql(store, "SELECT count(DISTINCT x) AS n, count(x) AS m FROM results")
    assert wide["n"][0] == wide["m"][0] == sum(value is not None for value in plain)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (2**63, "label x is 9223372036854775808; whole numbers must be below 2.63 in size; give it as text"),
        (float("nan"), "label x is nan, which equals no other value; give None, or 'nan'"),
        (float("inf"), "label x is inf"),
        ((1, 2), r"label x is \(1, 2\) of type tuple; .* give one label for each part, or text"),
        ([1], "of type list"),
        ({"a": 1}, "of type dict"),
        (dt.date(2026, 1, 1), "of type date; labels are text, numbers, booleans or None; give str"),
        (np.datetime64("2026-01-01"), "of type date"),
        (1j, "of type complex"),
        (b"a", "of type bytes"),
        (np.ones(1), "of type ndarray"),
        ("\ud800", "which is no valid text"),
    ],
)
def test_labels_that_cannot_be_kept_are_refused_in_one_sentence(store, value, message):
    with pytest.raises(StoreError, match=message) as caught:
        store.ask("e", [({"x": 0.5}, digest(1)), ({"x": value}, digest(2))], {})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "error", "run", "\ud800"])
def test_names_of_labels_are_text_and_not_those_of_columns(store, name):
    with pytest.raises(StoreError, match="a label"):
        store.ask("e", [({name: 1}, digest(1))], {})


def test_a_label_called_error_in_a_folder_of_old_keeps_its_column(store, monkeypatch):
    write(store, "c", 1, status="failed", error="boom", outputs=(), readings=())
    with monkeypatch.context() as before:
        before.setattr(asked, "NOT_LABELS", frozenset())
        store.ask("e", [({"error": "mine"}, digest(1))], {})
    table = results(store)
    assert (table["error"].tolist(), table["error_value"].tolist()) == (["mine"], ["boom"])
