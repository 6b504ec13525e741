"""An experiment as a class: what its first line says, rows one by one or adaptive, refusals."""

import pandas as pd
import pytest

from weightspace.data import make_data
from weightspace.data.task import Task
from weightspace.derived.measured import Measured
from weightspace.errors import InputError
from weightspace.experiments import Answer, Experiment, Paper, Row, Training, checked
from weightspace.recipes.losses import CrossEntropy
from weightspace.spaces.full import Full
from weightspace.streams import Seeds
from weightspace.tables.base import Rows

TRAINING = Training(model="fc:widths=4", epochs=1, seeds=2)


class Plain(Experiment, name="test.plain", paper=Paper("A title", "@x{}"), figure="Figure 4"):
    """Is it so?

    More of it.
    """

    training: Training = TRAINING

    def ask(self):
        for seeds in self.training.each_seed():
            yield Row({"a": 1}, self.training.run(Full(), seeds))


def test_the_first_line_and_the_docstring_say_what_it_is():
    assert (Plain.name, Plain.question) == ("test.plain", "Is it so?")
    assert (Plain.paper.title, Plain.paper.figure) == ("A title", "Figure 4")
    assert Plain.declared
    assert Plain() == Plain(training=TRAINING)
    with pytest.raises(Exception, match="cannot assign"):
        Plain().training = TRAINING


def test_rows_one_by_one_are_one_batch():
    (rows,) = list(Plain().ask())
    assert [row.node.seeds.base for row in rows] == [0, 1]


def test_a_list_is_given_the_table_and_single_rows_go_with_it():
    told = []

    class Adaptive(Plain, name="test.adaptive"):
        def ask(self):
            first, second = self.training.each_seed()
            run = self.training.run
            yield Row({"a": 0}, run(Full(), first))
            table = yield [Row({"a": 1}, run(Full(), first))]
            told.append(table)
            if table["a"].max() == 1:
                yield Row({"a": 2}, run(Full(), second))

    asking = Adaptive().ask()
    assert [row.labels["a"] for row in next(asking)] == [0, 1]
    assert [row.labels["a"] for row in asking.send(pd.DataFrame({"a": [0, 1]}))] == [2]
    with pytest.raises(StopIteration):
        next(asking)
    assert len(told) == 1


def test_a_list_of_rows_may_be_returned():
    class Returned(Plain, name="test.returned"):
        def ask(self):
            return [Row({"a": 1}, self.training.run(Full(), Seeds(0)))]

    assert len(next(Returned().ask())) == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [(lambda: iter([3]), "yielded 3 of type int; yield Row"), (lambda: None, "ask gave None; yield rows")],
)
def test_what_is_no_row_is_said(given, message):
    class Wrong(Plain, name="test.wrong"):
        def ask(self):
            return given()

    with pytest.raises(InputError, match=message):
        next(Wrong().ask())


def test_two_nodes_of_one_kind_need_a_label_that_tells_them_apart():
    class Twice(Plain, name="test.twice"):
        def ask(self):
            run = self.training.run(Full(), Seeds(0))
            task = Task(make_data("digits"), CrossEntropy())
            yield Row({"a": 1}, run)
            for split in ("test", "train"):
                yield Row({"a": 1}, Measured(run.model, task, run.network(), run.seeds, (split,)))

    with pytest.raises(InputError, match=r"two nodes of kind Measured .*give a label"):
        next(Twice().ask())


def test_a_word_that_no_experiment_takes_is_refused_with_the_class():
    with pytest.raises(InputError, match="class Odd is given colour="):

        class Odd(Plain, colour="red"):
            pass


class Nameless(Experiment):
    def ask(self):
        yield []


class Unnamed(Plain):
    widths: tuple[int, ...] = (1,)


class Stolen(Plain, name="freedom.random"):
    pass


class Silent(Experiment, name="test.silent"):
    pass


@pytest.mark.parametrize(
    ("cls", "message"),
    [
        (3, "is no experiment but of type int"),
        (dict, "is no experiment but of type type"),
        (Nameless, r'class Nameless\(Experiment, name="mine"\)'),
        (Unnamed, r'class Unnamed\(Experiment, name="mine"\)'),
        (Stolen, "is called freedom.random, as an experiment of this package"),
        (Silent, "give it a method ask"),
    ],
)
def test_what_cannot_be_run_is_said(cls, message):
    with pytest.raises(InputError, match=message):
        checked(cls, "m:X")


@pytest.mark.parametrize("name", ["a/b", "", "../x", ".hidden", "has space"])
def test_names_can_be_those_of_folders(name):
    class Named(Plain, name=name):
        pass

    with pytest.raises(InputError, match="an experiment is named in its class line"):
        Named()


@pytest.mark.parametrize(
    ("by", "message"),
    [
        (("a",), None),
        (("a", "burn_in"), None),  # a label of other settings
        (("a", "rat"), "by 'rat', which no row has; rows have a, rate"),
        (("burn_in", "dim"), "by 'burn_in', which no row has; rows have a, rate"),
    ],
)
def test_what_no_row_has_tells_no_lines_apart(by, message):
    class By(Plain, name="test.by", by=by):
        def ask(self):
            for rate in (0.1, 0.2):
                yield Row({"a": 1, "rate": rate}, self.training.run(Full(), Seeds(0), lr=rate))

    if message is None:
        assert len(next(By().ask())) == 2
        return
    with pytest.raises(InputError, match=message):
        next(By().ask())


@pytest.mark.parametrize("name", ["by", "metrics", "reference", "fields"])
def test_a_setting_is_not_called_like_what_every_experiment_has(name):
    """It would take its place, as `by = …` in the body does that is meant for the class line."""
    with pytest.raises(InputError, match=f"class Taken has a setting called '{name}'"):
        type("Taken", (Plain,), {"__annotations__": {name: int}, name: 3}, name="test.taken")


@pytest.mark.parametrize("name", ["means", "runs", "summary"])
def test_two_tables_of_one_name_are_refused_before_anything_is_trained(name):
    class Double(Plain, name="test.double"):
        answers = (Answer("means", Rows()), Answer(name, Rows()))

    with pytest.raises(InputError, match=f"two tables called '{name}'"):
        Double()
