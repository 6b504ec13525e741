"""Arguments of the wrong kind: one sentence with the field, what was given and what was probably meant."""

import dataclasses

import flax.linen as nn
import pytest
from flax import nnx

import weightspace as ws
from tests.builders import small_run
from weightspace.errors import InputError

RUN = small_run(0)


class Net(nnx.Module):
    def __init__(self, rngs):
        self.o = nnx.Linear(64, 10, rngs=rngs)


class Dense(nn.Module):
    pass


def run(**changes):
    fields = {name: getattr(RUN, name) for name in ("model", "task", "space", "recipe", "seeds")} | changes
    return ws.Run(**fields)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": 0}, r"Run.seeds is 0 of type int; give ws.Seeds\(0\)"),
        ({"seeds": 7}, r"give ws.Seeds\(7\)"),
        ({"seeds": [0, 1]}, r"Run.seeds is of type list; a run has one seed; make a run for each"),
        ({"seeds": range(3)}, "a run has one seed"),
        ({"seeds": "0"}, r"Run.seeds is '0' of type str; give ws.Seeds\(0\)"),
        ({"seeds": None}, r"Run.seeds is None of type NoneType; give ws.Seeds\(0\)"),
        ({"seeds": ws.Seeds}, r"Run.seeds is the class Seeds; give one of it: Seeds\(…\)"),
        ({"model": "conv2"}, r"Run.model is 'conv2' of type str; .*zoo.make\('conv2'"),
        ({"model": Net}, r"Run.model is the class Net; give the class, not a module: ws.from_nnx\(Net\)"),
        ({"model": Dense()}, r"ws.from_linen\(Dense\)"),
        ({"model": len}, "Run.model is of type builtin_function_or_method; give a model: ws.from_nnx"),
        ({"model": RUN.task}, "it is a Task, as task is; the order is Run.model, task, space, recipe, seeds"),
        ({"task": RUN.task.data}, r"Run.task is of type Data; .*ws.Task\(data, ws.CrossEntropy\(\)\)"),
        ({"task": ws.CrossEntropy()}, r"give ws.Task\(data, loss\)"),
        ({"task": RUN.model}, "it is a Fc, as model is; the order is"),
        ({"space": ws.Gaussian(3)}, r"give the space of that basis: ws.Affine\(basis\)"),
        ({"space": ws.Full}, r"Run.space is the class Full; give one of it: Full\(…\)"),
        ({"space": 8}, r"give ws.Affine\(ws.Gaussian\(8\)\)"),
        ({"space": RUN.recipe, "recipe": RUN.space}, "Run.space .* it is a Recipe, as recipe is; the order"),
        ({"recipe": 0.1}, r"Run.recipe is 0.1 of type float; .*ws.Recipe\(ws.Adam\(0.1\), \"1ep\""),
        ({"recipe": ws.Adam(0.1)}, "give its length and batch too"),
        ({"recipe": RUN.seeds, "seeds": RUN.recipe}, "it is a Seeds, as seeds is; the order"),
        ({"edits": (1,)}, "Run.edits is of type tuple; give a tuple of edits"),
        ({"precision": "float64"}, r"give ws.Precision\('float64'\)"),
    ],
    ids=str,
)
def test_fields_of_a_run(changes, message):
    with pytest.raises(InputError, match=message) as caught:
        run(**changes)
    assert "\n" not in str(caught.value)


def test_replacing_a_field_is_checked_too():
    with pytest.raises(InputError, match=r"Run.seeds is 3 of type int; give ws.Seeds\(3\)"):
        dataclasses.replace(RUN, seeds=3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ws.Row(RUN), r"Row.labels is of type Run; give ws.Row\({'width': 4}, run\), with {}"),
        (lambda: ws.Row(RUN, {"a": 1}), "give the other way round: ws.Row"),
        (lambda: ws.Row({"a": 1}), "Row.node is None of type NoneType; give a Run or a derived value"),
        (lambda: ws.Row("a", RUN), "Row.labels is 'a' of type str; give a dict of names and values"),
        (lambda: ws.Row({1: 2}, RUN), "a name in Row.labels is 1 of type int; names of labels are text: '1'"),
        (lambda: ws.Row({}, RUN.model), "Row.node is of type Fc; give a Run"),
        (lambda: ws.Row({}, RUN, ws.Evaluation()), "Row.watch is of type Evaluation; give ws.Watch"),
        (lambda: ws.Row({}, RUN, "1ep"), "Row.watch is '1ep' of type str; give ws.Watch"),
        (lambda: ws.Watch(50), r"Watch.steps is 50; give '50it' for every 50 steps, or \(50,\) for one"),
        (lambda: ws.Watch((1, -2)), "a step of Watch.steps is -2; steps are counted from 0"),
        (lambda: ws.Watch((1, 2.5)), "a step of Watch.steps is 2.5 of type float; steps are whole numbers"),
        (lambda: ws.Watch((True,)), "a step of Watch.steps is True of type bool"),
        (lambda: ws.Watch(None), "Watch.steps is None of type NoneType; give '1ep', '50it' or a tuple"),
        (lambda: ws.Watch(1.5), "Watch.steps is 1.5 of type float"),
        (lambda: ws.Watch("1ep", ws.Evaluation()), r"give a tuple: \(Evaluation\(…\),\)"),
        (lambda: ws.Watch("1ep", ws.Evaluation), r"give a tuple: \(Evaluation\(\),\)"),
        (lambda: ws.Watch("1ep", (ws.Evaluation,)), r"is the class Evaluation; give Evaluation\(\)"),
        (lambda: ws.Watch("1ep", ("best",)), r"give weightspace.probes.make_probe\('best'\)"),
        (lambda: ws.Watch("1ep", 3), "Watch.probes is 3 of type int; give a tuple"),
        (lambda: ws.Recipe(0.1, "1ep"), r"Recipe.optimiser is 0.1 .*such as ws.Adam\(0.1\)"),
        (lambda: ws.Recipe(ws.Adam, "1ep"), "Recipe.optimiser is the class Adam"),
        (lambda: ws.Recipe(ws.Adam(0.1), "1ep", decay=0.5), r"Recipe.decay is 0.5 .*ws.Decay\(0.5\)"),
    ],
)
def test_rows_watches_and_recipes(make, message):
    with pytest.raises(InputError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_what_is_meant_is_taken_where_it_is_clear():
    """Lists for tuples; steps in any order and twice are the same points."""
    watch = ws.Watch([20, 5, 5], [ws.Evaluation()])
    assert watch == ws.Watch((20, 5, 5), (ws.Evaluation(),))
    from weightspace.sweeps.requests import readings_of

    assert readings_of(RUN, watch) == (0, 5, 20)


def test_a_watch_keeps_the_evaluation_unless_it_is_taken_out_by_name():
    usual = ws.Evaluation(("train", "test"))
    assert ws.Watch().probes == (usual,)
    assert ws.Watch("end", (ws.Snapshot("end"),)).probes == (usual, ws.Snapshot("end"))
    own = (ws.Snapshot("end"), ws.Evaluation(("test",)))
    assert ws.Watch("end", own).probes == own
    for without in ("evaluation", ["evaluation"]):
        watch = ws.Watch("end", (ws.Snapshot("end"),), without=without)
        assert (watch.probes, watch.without) == ((ws.Snapshot("end"),), ("evaluation",))
    assert ws.Watch(without="evaluation").probes == ()


@pytest.mark.parametrize(
    ("without", "message"),
    [
        ("evaluations", "unknown name in Watch.without 'evaluations'; did you mean 'evaluation'?"),
        (3, r"Watch.without is 3 of type int; give a tuple of names: \('evaluation',\)"),
        (ws.Evaluation(), "give a tuple of names"),
    ],
)
def test_what_a_watch_leaves_out_is_a_name(without, message):
    with pytest.raises(InputError, match=message):
        ws.Watch(without=without)


def test_a_watch_does_not_leave_out_what_it_asks_for():
    with pytest.raises(InputError, match=r"takes the evaluation out, but Watch\.probes has evaluation"):
        ws.Watch("end", (ws.Evaluation(("test",)),), without="evaluation")
