import pytest

from weightspace.errors import InputError
from weightspace.recipes.base import Recipe
from weightspace.recipes.length import Length
from weightspace.recipes.optimisers import Sgd


@pytest.mark.parametrize(
    ("text", "steps"), [("3ep", 30), ("0.5ep", 5), ("500it", 500), ("7", 7), ("2 epochs", 20), ("end", 99)]
)
def test_lengths_in_steps(text, steps):
    assert Length.parse(text).steps(per_epoch=10, total=99) == steps


@pytest.mark.parametrize("text", ["-3ep", "3 parsecs", "", "0.5it", "ep"])
def test_lengths_not_understood(text):
    with pytest.raises(InputError, match="length"):
        Length.parse(text)


@pytest.mark.parametrize(
    ("remainder", "size", "batch", "steps"),
    [
        ("short", 100, 32, 4),
        ("drop", 100, 32, 3),
        ("wrap", 100, 32, 4),
        ("drop", 96, 32, 3),
        ("short", 96, 32, 3),
    ],
)
def test_steps_of_an_epoch(remainder, size, batch, steps):
    assert Recipe(Sgd(0.1), "1ep", batch=batch, remainder=remainder).steps_per_epoch(size) == steps


def test_a_batch_larger_than_the_data_is_refused():
    with pytest.raises(InputError, match="batch size 128 exceeds the 100 training examples"):
        Recipe(Sgd(0.1), "1ep").steps_per_epoch(100)


def test_a_length_beyond_numbers_is_refused():
    with pytest.raises(InputError, match="more than any training"):
        Length.parse("1e999ep")


@pytest.mark.parametrize(("one", "other"), [("1234567it", "1234568it"), ("33.33334%", "33.33326%")])
def test_lengths_that_differ_beyond_six_digits_are_two(one, other):
    first, second = Length.parse(one), Length.parse(other)
    assert first.__canonical__() != second.__canonical__()
    assert str(first) != str(second)
    assert Length.parse(first.__canonical__()) == first
    assert Length.parse(str(Length.parse("5000000it"))) == Length.parse("5000000it")
