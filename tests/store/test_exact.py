"""Whole numbers of any size and text: stored, read, queried, exported and shown, every digit of them."""

import decimal
import io
import json
import math

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from tests.store.builders import row, write
from weightspace.cli import main
from weightspace.cli.output import write_frame
from weightspace.node import Derived, Found
from weightspace.run import Row
from weightspace.spec import spec
from weightspace.store.base import Store
from weightspace.store.compact import compact
from weightspace.store.exact import digits, exact_number
from weightspace.store.read import results, sql
from weightspace.sweeps.ask import sweep

HUGE = math.factorial(200)
MORE = 7**9000
"""More digits than Python's `str` gives: 7606."""


@spec
class Group(Derived):
    """How many symmetries, and what they are called."""

    number: int
    words: str = "S_n"

    def compute(self):
        order = math.factorial(int(self.number)) if self.number >= 0 else -(7 ** (-int(self.number)))
        return Found({"order": order, "half": order % 5 / 2}, {}, {"group": self.words})


def asked(*numbers, words="S_n"):
    return [Row({"n": number, "seed": 0}, Group(number, words)) for number in numbers]


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("number", [0, 2**53, 2**53 + 1, 2**64, 10**30, HUGE, MORE], ids=range(7))
def test_digits_come_back(sign, number):
    number *= sign
    assert exact_number(digits(number)) == number
    assert digits(number) == format(decimal.Decimal(number), "f")


def test_a_factorial_comes_back_exactly(tmp_path):
    table = sweep(asked(3, 40, 200), tmp_path)
    assert table["order"].tolist() == [6, math.factorial(40), HUGE]
    assert table["half"].tolist() == [0.5, 0.0, 0.0]
    assert table["half"].dtype == np.float64
    assert results(tmp_path)["order"].tolist() == [6, math.factorial(40), HUGE]
    assert table["group"].tolist() == ["S_n"] * 3


def test_numbers_that_float64_holds_are_as_ever_whoever_else_is_there(tmp_path):
    alone = sweep(asked(3, 4), tmp_path / "a")
    beside = sweep(asked(3, 4, 200), tmp_path / "b")
    assert alone["order"].dtype == np.float64
    again = sweep(asked(3, 4), tmp_path / "b")
    compact(tmp_path / "b")
    after = sweep(asked(3, 4), tmp_path / "b")
    pd.testing.assert_series_equal(alone["order"], again["order"])
    pd.testing.assert_series_equal(alone["order"], after["order"])
    assert beside["order"].tolist() == [6, 24, HUGE]


def test_files_merge_and_lose_no_digit(tmp_path):
    for number in (3, 25, 200, -9000):
        sweep(asked(number), tmp_path)
    before = results(tmp_path)
    assert len(list(tmp_path.glob("derived/*.parquet"))) == 4
    compact(tmp_path)
    files = list(tmp_path.glob("derived/*.parquet"))
    assert len(files) == 2  # 3! is a number in its file, as it would be without the others
    assert (
        results(tmp_path)["order"].tolist()
        == before["order"].tolist()
        == [6, math.factorial(25), HUGE, -MORE]
    )


def encoded(frame, kind, tmp_path):
    write_frame(frame, kind, tmp_path / f"to.{kind}")
    return (tmp_path / f"to.{kind}").read_bytes()


def test_every_format_has_every_digit(tmp_path, capsys):
    out = tmp_path / "out"
    sweep(asked(3, 200, -9000), out)
    expected = ["6", str(HUGE), digits(-MORE)]
    table = results(out)
    assert [line["order"] for line in json.loads(encoded(table, "json", tmp_path))] == expected
    assert [line["half"] for line in json.loads(encoded(table, "json", tmp_path))][:2] == [0.5, 0.0]
    assert pq.read_table(io.BytesIO(encoded(table, "parquet", tmp_path)))["order"].to_pylist() == expected
    csv = pd.read_csv(io.BytesIO(encoded(table, "csv", tmp_path)), dtype=str)
    assert csv["order"].tolist() == expected
    assert str(HUGE) in encoded(table, "latex", tmp_path).decode()
    for kind in ("table", "csv", "json"):
        assert main(["results", str(out), "--format", kind]) == 0
        printed = "".join(capsys.readouterr().out.split())
        assert all(text in printed for text in expected[1:])
    assert main(["results", str(out), "--format", "parquet", "--to", str(tmp_path / "t.parquet")]) == 0
    assert pd.read_parquet(tmp_path / "t.parquet")["order"].tolist() == expected


def test_sql_has_text_where_numbers_are_too_long_and_numbers_elsewhere(tmp_path):
    sweep(asked(3, 25, 200), tmp_path)
    for view in ("runs", "results"):
        found = sql(tmp_path, f'SELECT "order", half, "group" FROM {view} ORDER BY length("order")')
        assert found["order"].tolist() == ["6", str(math.factorial(25)), str(HUGE)]
        assert found["half"].tolist() == [0.5, 0.0, 0.0]
        assert found["group"].tolist() == ["S_n"] * 3
    found = sql(
        tmp_path, 'SELECT "order"::HUGEINT % 1000007 AS r FROM runs WHERE length("order") < 30 ORDER BY 1'
    )
    assert sorted(found["r"].tolist()) == sorted([6, math.factorial(25) % 1000007])


@pytest.mark.parametrize("other", [0.5, "text", float("nan"), -(10**40)])
def test_a_column_of_several_types_is_widened_the_same_in_any_order(tmp_path, other):
    tables = []
    for place, values in enumerate(([2.0, other], [other, 2.0])):
        store = Store(tmp_path / str(place))
        for number, value in enumerate(values):
            store.write_derived(
                f"w{number}", [row(number, scalars={"x": value}, outputs=(), readings=())], {}
            )
        store.ask("runs", [({"seed": n}, row(n).digest) for n in range(2)], {})
        tables.append(results(store)["x"].tolist())
        sql(store, "SELECT x FROM runs")
    one, two = tables[0], tables[1][::-1]
    if isinstance(other, str):
        assert one == two == ["2", "text"]
    else:
        assert list(map(str, one)) == list(map(str, two))
        assert one[0] == 2


def test_text_is_text_whatever_is_in_it(tmp_path, capsys):
    wild = '<script>alert("1")</script> =1+1 \x1b[31m 007 …'
    table = sweep([*asked(3, words=wild), *asked(4, words="007"), *asked(5, words="nan")], tmp_path)
    assert table["group"].tolist() == [wild, "007", "nan"]
    assert sql(tmp_path, 'SELECT "group" FROM runs ORDER BY 1')["group"].tolist() == ["007", wild, "nan"]
    assert main(["results", str(tmp_path)]) == 0
    assert "\x1b[31m" not in capsys.readouterr().out
    assert main(["report", str(tmp_path)]) == 0
    page = (tmp_path / "report" / "index.html").read_text()
    assert "<script>alert" not in page


def test_files_of_numbers_alone_are_those_of_older_versions(tmp_path):
    store = Store(tmp_path)
    write(store, "c", 1)
    store.write_derived("w", [row(2, scalars={"x": 5}, outputs=(), readings=())], {})
    stamps = [pq.read_schema(path).metadata[b"weightspace"] for path in tmp_path.glob("*/*.parquet")]
    assert {json.loads(stamp)["schema"] for stamp in stamps} == {1}
    store.write_derived("t", [row(3, scalars={"x": "five"}, outputs=(), readings=())], {})
    assert (
        json.loads(pq.read_schema(tmp_path / "derived" / "t.parquet").metadata[b"weightspace"])["schema"] == 2
    )


def test_rows_in_hand_come_back_as_they_were(tmp_path):
    work = Store(tmp_path).work("c")
    scalars = {"big": HUGE, "small": 0.1, "text": "007", "more": -MORE}
    work.write_manifest({"digests": []})
    kept = row(1, scalars=scalars, outputs=(), readings=(), traceback="Traceback …")
    work.save_value(kept, {})
    assert work.value() == (kept, {})


@pytest.mark.parametrize(
    ("made", "says"),
    [
        ({"columns": {"x": "4"}}, "column 'x' is '4' of type str, but must be a number"),
        ({"columns": {"x": np.ones(2)}}, "column 'x' is array.* give arrays in Found.arrays"),
        ({"text": {"x": 4}}, "text 'x' is 4 of type int; give str"),
        ({"text": {"x": "\udc80"}}, "text 'x' is .* which is no valid text"),
        ({"arrays": {3: np.ones(2)}}, "by the name 3; names are text"),
        ({"columns": {"x": 1}, "text": {"x": "a"}}, "'x' is a column of numbers and of text"),
    ],
)
def test_what_is_found_is_checked(made, says):
    with pytest.raises(ValueError, match=says):
        Found(**made)
