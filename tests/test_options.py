"""Options in names: one syntax for models, data and probes."""

import dataclasses

import pytest

from weightspace.errors import InputError
from weightspace.options import read_options, split_options


@dataclasses.dataclass
class Made:
    count: int = 1
    rate: float | None = None
    name: str = "a"
    deep: bool = False
    widths: tuple[int, ...] = ()
    shares: tuple[float, ...] | None = None
    words: tuple[str, ...] = ()
    plane: tuple[tuple[float, ...], ...] | None = None
    hidden: int = 0


ALLOWED = [field.name for field in dataclasses.fields(Made) if field.name != "hidden"]


def read(text):
    return read_options("thing", Made, ALLOWED, text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("a=1", {"a": ["1"]}),
        ("a=1,b=x", {"a": ["1"], "b": ["x"]}),
        ("a=1,2,b=x,y,z", {"a": ["1", "2"], "b": ["x", "y", "z"]}),
        (" a = 1 , 2 , b = x ", {"a": ["1", "2"], "b": ["x"]}),
        ("a=,b=1", {"a": [""], "b": ["1"]}),
    ],
)
def test_a_piece_without_a_name_belongs_to_the_one_before(text, expected):
    assert split_options(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("count=3", {"count": 3}),
        ("rate=3", {"rate": 3.0}),
        ("rate=1e-3,count=-2", {"rate": 0.001, "count": -2}),
        ("name=3", {"name": "3"}),
        ("deep=yes", {"deep": True}),
        ("deep=False", {"deep": False}),
        ("widths=5", {"widths": (5,)}),
        ("widths=5,4,3,name=x", {"widths": (5, 4, 3), "name": "x"}),
        ("shares=0.5,1", {"shares": (0.5, 1.0)}),
        ("words=test,train", {"words": ("test", "train")}),
    ],
)
def test_values_have_the_types_of_the_fields(text, expected):
    found = read(text)
    assert found == expected
    assert {name: type(value) for name, value in found.items()} == {
        name: type(value) for name, value in expected.items()
    }
    Made(**found)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cuont=3", r"thing has no option 'cuont'; did you mean 'count'\? Options: count \(a whole number\)"),
        ("zzz=3", r"thing has no option 'zzz'\. Options: .*widths \(a whole number or several, by commas\)"),
        ("hidden=3", "no option 'hidden'"),
        ("plane=3", "no option 'plane'"),
        ("count=three", "thing: option 'count' is 'three', but must be a whole number"),
        ("count=1.5", "'count' is '1.5', but must be a whole number"),
        ("count=1,2", "'count' is '1,2', but must be a whole number"),
        ("rate=fast", "'rate' is 'fast', but must be a number"),
        ("deep=maybe", "'deep' is 'maybe', but must be true or false"),
        ("widths=1,b", "'widths' is 'b', but must be a whole number"),
        ("widths=", "'widths' is '', but must be a whole number"),
        ("count=1,count=2", "option 'count' is given twice"),
        ("3", "'3' is no option; write name=value"),
        ("3,count=1", "'3' is no option"),
    ],
)
def test_what_is_not_understood(text, message):
    with pytest.raises(InputError, match=message):
        read(text)
