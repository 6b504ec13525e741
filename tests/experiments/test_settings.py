"""Settings: paths and short names, marks, records; without training anything."""

import dataclasses

import pytest

from weightspace.errors import InputError
from weightspace.experiments import Experiment, Training, extent, number, passing, swept
from weightspace.experiments.freedom.random_subspace import FreedomRandom
from weightspace.experiments.settings import (
    EXTENT,
    PASSING,
    SWEPT,
    marked,
    named,
    settings_of,
)


class One(Experiment, name="test.one"):
    """One recipe: every setting has a short name."""

    training: Training = Training(epochs=4, seeds=("2",))
    widths: tuple[int, ...] = swept(8, 32, words="width", least=1)
    rounds: int = extent(3, least=1)
    loud: bool = passing(False)
    share: float = number(0.5, above=0, below=1)

    def ask(self):
        yield []


class Two(Experiment, name="test.two"):
    """Two recipes, whose settings share names; `extra` is told apart."""

    training: Training = Training(epochs=4)
    masks: Training = Training(epochs=8, data="cosine")
    extra: int = 1

    def ask(self):
        yield []


def test_a_setting_has_a_path_and_a_short_name_where_nothing_else_ends_so():
    assert settings_of(One)["epochs"].path == ("training", "epochs")
    assert {"training.epochs", "masks.epochs", "extra"} <= set(settings_of(Two))
    assert "epochs" not in settings_of(Two)
    assert named(One, "training.batch-size").path == ("training", "batch_size")
    assert named(One, "nothing") is None


def test_an_unclear_short_name_is_refused_with_the_paths():
    with pytest.raises(InputError, match=r"say which: training\.epochs or masks\.epochs"):
        named(Two, "epochs")
    with pytest.raises(InputError, match=r"say which: training\.epochs or masks\.epochs"):
        Two(epochs=3)
    with pytest.raises(InputError, match=r"unknown setting of test\.one 'epoch'; did you mean 'epochs'"):
        One(epoch=3)


@pytest.mark.parametrize("name", ["epochs", "training.epochs"])
def test_either_name_is_a_keyword_and_goes_with_positions(name):
    assert One(**{name: 7, "widths": (1,)}) == One(Training(epochs=7, seeds=("2",)), (1,))
    assert One(Training(seeds=("2",), lr=1.0), **{name: 7}) == One(Training(seeds=("2",), lr=1.0, epochs=7))
    assert dataclasses.replace(One(lr=1.0), **{name: 7}).training == Training(epochs=7, seeds=("2",), lr=1.0)


def test_of_two_recipes_only_the_one_that_is_named_changes():
    two = Two(Training(seeds=("1",)), **{"masks.epochs": 7, "masks.batch-size": 5})
    assert (two.masks, two.training) == (
        Training(epochs=7, data="cosine", batch_size=5),
        Training(seeds=("1",)),
    )
    with pytest.raises(TypeError, match="multiple values"):
        Two(Training(), training=Training(), **{"masks.epochs": 7})


@dataclasses.dataclass(frozen=True)
class Longer(Training):
    more: int = 1


@pytest.mark.parametrize("given", [3, Training, Longer(), None])
def test_what_is_no_recipe_of_the_field_is_refused(given):
    """Also with settings beside it, and of a kind whose own settings no record would hold."""
    for more in ({}, {"training.epochs": 2.0}):
        with pytest.raises(InputError, match=r"training is .*but must be a Training as by default"):
            One(training=given, **more)


def test_a_field_without_a_value_is_refused_with_the_class():
    with pytest.raises(InputError, match=r"class Bare gives its field 'training' no value"):

        class Bare(Experiment, name="test.bare"):
            training: Training

    @dataclasses.dataclass(frozen=True)
    class Needing:
        depth: int
        rate: float = 1.0

    class Given(Experiment, name="test.given"):
        """A recipe may need what the experiment gives."""

        net: Needing = Needing(3)

        def ask(self):
            yield []

    assert Given().fields() == {"depth": 3, "rate": 1.0}
    assert Given(rate=2).net == Needing(3, 2.0)
    assert {name: each.default for name, each in settings_of(Given).items()} == {"depth": 3, "rate": 1.0}


def test_in_python_a_short_name_is_keyword_and_attribute():
    made_ = One(epochs=9, widths=(2,))
    assert made_ == One(training=Training(epochs=9, seeds=("2",)), widths=(2,))
    assert (made_.epochs, made_.data) == (9, "digits")
    assert dataclasses.replace(made_, lr=0.25).training == Training(epochs=9, seeds=("2",), lr=0.25)
    with pytest.raises(AttributeError, match="has no 'nothing'"):
        _ = made_.nothing


def test_records_are_flat_and_equal_for_equal_questions():
    fields = One(epochs=9, widths=[8, 16]).fields()
    assert (fields["epochs"], fields["widths"], fields["seeds"]) == (9.0, [8, 16], ["2"])
    assert isinstance(fields["epochs"], float)
    assert One(**{key: tuple(v) if isinstance(v, list) else v for key, v in fields.items()}) == One(
        epochs=9.0, widths=(8, 16)
    )
    assert Two().fields()["masks.epochs"] == 8.0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"widths": ()}, "no width to sweep; give at least one"),
        ({"widths": (8, 0)}, r"width is 0, but must lie in \[1, inf\)"),
        ({"widths": 8}, "widths is 8, but must be a list"),
        ({"rounds": 0}, "rounds is 0"),
        ({"share": 1.0}, r"share is 1.0, but must lie in \(0, 1\)"),
        ({"epochs": 0}, "epochs is 0"),
        ({"training.epochs": -2.0}, "epochs is -2"),
        ({"training.seeds": ()}, "no seeds to sweep"),
    ],
)
def test_what_is_out_of_bounds_or_empty_is_refused(values, message):
    with pytest.raises(InputError, match=message):
        One(**values)


def test_marks_say_what_joins():
    one = One()
    assert marked(one, SWEPT) == ["seeds", "probes", "widths"]
    assert marked(one, EXTENT) == ["rounds"]
    assert marked(one, PASSING) == ["loud"]
    joined = One(widths=(8, 64), seeds=(4, 0), rounds=5).joined(One(widths=(16,), loud=True))
    assert joined.widths == (8, 16, 64)
    assert (joined.rounds, joined.loud) == (5, True)
    assert joined.training.seeds == (0, 1, 4)


def test_seeds_join_as_what_they_stand_for_wherever_they_are():
    older, newer = Two(**{"masks.seeds": ("2",)}), Two(**{"masks.seeds": ("3:5",), "training.seeds": (7,)})
    joined = older.joined(newer)
    assert joined.masks.seeds == (0, 1, 3, 4)
    assert joined.training.seeds == (0, 1, 2, 7)


@pytest.mark.parametrize("given", [5, ("5",)])
def test_seeds_are_recorded_alike_however_they_are_written(given):
    for experiment in (FreedomRandom(seeds=given), One(seeds=given)):
        assert experiment.fields()["seeds"] == ["5"]
        assert experiment == type(experiment)(seeds=("5",))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("a",), "write a count, a list, or a range"),
        ((1, 1), "each may be named once"),
        (("7:3",), "at least one is needed"),
        (True, "write a count"),
    ],
)
def test_seeds_that_stand_for_none_are_refused_as_they_are_given(given, message):
    for cls in (FreedomRandom, One):
        with pytest.raises(InputError, match=message):
            cls(seeds=given)


@pytest.mark.parametrize("count", [0, 100])
def test_examples_set_aside_are_measured(count):
    evaluation = Training(validation=count).watching().probes[0]
    assert ("validation" in evaluation.splits) == bool(count)
