"""Settings: paths and short names, marks, records; without training anything."""

import dataclasses

import pytest

from weightspace.errors import InputError
from weightspace.experiments import Experiment, Training, extent, number, passing, swept
from weightspace.experiments.settings import (
    EXTENT,
    PASSING,
    SWEPT,
    made,
    marked,
    named,
    settings_of,
    with_settings,
)


class One(Experiment, name="test.one"):
    """One recipe: every setting has a short name."""

    training: Training = Training(epochs=4, seeds=2)
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
    with pytest.raises(InputError, match=r"no setting 'epoch'; did you mean 'epochs'"):
        with_settings(One(), {"epoch": 3})


@pytest.mark.parametrize("name", ["epochs", "training.epochs", "training-epochs".replace("-", ".")])
def test_presets_take_either_name(name):
    assert made(One, {name: 7, "widths": (1,)}).training.epochs == 7
    assert made(Two, {"masks.epochs": 7}).masks.epochs == 7
    assert made(Two, {"masks.epochs": 7}).training.epochs == 4


def test_in_python_a_short_name_is_keyword_and_attribute():
    made_ = One(epochs=9, widths=(2,))
    assert made_ == One(training=Training(epochs=9, seeds=2), widths=(2,))
    assert (made_.epochs, made_.data) == (9, "digits")
    assert dataclasses.replace(made_, lr=0.25).training == Training(epochs=9, seeds=2, lr=0.25)
    with pytest.raises(AttributeError, match="has no 'nothing'"):
        _ = made_.nothing
    with pytest.raises(TypeError, match="epochs"):
        Two(epochs=3)


def test_records_are_flat_and_equal_for_equal_questions():
    fields = One(epochs=9, widths=[8, 16]).fields()
    assert (fields["epochs"], fields["widths"], fields["seeds"]) == (9.0, [8, 16], ["2"])
    assert isinstance(fields["epochs"], float)
    assert made(One, {key: tuple(v) if isinstance(v, list) else v for key, v in fields.items()}) == One(
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
        made(One, values)


def test_marks_say_what_joins():
    one = One()
    assert marked(one, SWEPT) == ["seeds", "probes", "widths"]
    assert marked(one, EXTENT) == ["rounds"]
    assert marked(one, PASSING) == ["eval_every", "loud"]
    joined = One(widths=(8, 64), seeds=(4, 0), rounds=5).joined(One(widths=(16,), eval_every="5it"))
    assert joined.widths == (8, 16, 64)
    assert (joined.rounds, joined.eval_every) == (5, "5it")
    assert joined.training.seeds == (0, 1, 4)


def test_a_list_of_the_old_kind_that_names_no_field_is_refused():
    @dataclasses.dataclass(frozen=True)
    class Old(Experiment):
        name = "test.old"
        swept = ("width",)
        widths: tuple[int, ...] = (1,)

        def ask(self):
            yield []

    with pytest.raises(InputError, match=r"Old\.swept names 'width', which is none of its fields"):
        marked(Old(), SWEPT)
