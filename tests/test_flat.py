"""Forms and texts put together from parts: as a walk through the whole gives them, and not for ever."""

import dataclasses
import enum
import gc
import hashlib
import json
import math
import pickle
from typing import Any

import jax
import numpy as np
import pytest

import weightspace as ws
from tests.builders import small_run
from weightspace import flat as flat_module
from weightspace.data.task import Task
from weightspace.derived.principal import Principal
from weightspace.errors import InputError
from weightspace.flat import common_leaves, flat
from weightspace.identity import identity_digest
from weightspace.node import Derived, Output, outputs_in
from weightspace.precision import Precision
from weightspace.probes.trajectory import Trajectory
from weightspace.recipes.base import Decay, Recipe
from weightspace.recipes.custom import custom_loss
from weightspace.recipes.optimisers import Adam
from weightspace.spaces.affine import Affine
from weightspace.spaces.bases.gaussian import Gaussian
from weightspace.spaces.masked import Masked
from weightspace.spec import Spec, canonical, canonical_json, common, kind, leaf, spec, static
from weightspace.streams import Seeds


class Colour(enum.Enum):
    RED = 1


@spec
class Odd(Spec):
    """Fields of all sorts, called like what stands beside them, and neutral ones."""

    version: Any = 1.0
    kind: Any = "κ"
    items: Any = ()
    chosen: Any = static(default=None)
    added: float = leaf(default=1.0, neutral=1.0)
    limit: int | None = common(default=None)


@spec
class Sum(Derived):
    of: Any
    note: Any = static(default=None)


def error(outputs, y):
    return (outputs[..., 0] - y) ** 2


def battery():
    """Nodes and specs of many kinds, made anew."""
    plain = small_run(3)
    inside = small_run(2**31, dim=4, lr=1e-7, length="75it")
    decay = Decay(1e-4, select="kernel|output", decoupled=True)
    recipe = Recipe(Adam(1 / 3), "2.5ep", batch=32, decay=decay, clip=1.0, remainder="drop", samples=2)
    images = ws.from_arrays(np.arange(64, dtype=np.float32).reshape(4, 4, 4, 1), np.arange(4), name="wörd")
    values = [
        (), None, True, 1, 1.0, -0.0, 0.0, 10**30, 1e300, 5e-324, 'a"\\\n\u2028\ud800', [1, (2.5, "x")],
        {"b": 1, "a": {2: None}}, np.float32(0.1), np.int8(3), np.bool_(True), np.arange(3), np.ones((2, 0)),
        Colour.RED, (Seeds(1), Seeds(1, order=2)), {"part": Adam(0.5)}, 2.0**80,
    ]  # fmt: skip
    return [
        plain,
        inside,
        small_run(1, recipe=recipe),
        small_run(0, space=Affine(Gaussian(2), offset=plain.final()), precision=Precision("float64")),
        Principal(tuple(run.read(Trajectory(4, 5, 0), "steps") for run in (plain, inside)), "steps"),
        small_run(5, space=Masked({"x": np.arange(6).reshape(2, 3) > 2})),
        small_run(4, model="conv2:channels=2,3", data=ws.Data(images, normalise="standard")),
        dataclasses.replace(plain, task=Task(plain.task.data, custom_loss(error))),
        dataclasses.replace(plain, task=Task(plain.task.data, plain.task.loss, ("accuracy",))),
        Sum((plain.final(), plain.final(shared=True)), ("a", 1)),
        *(Odd(items=value, version=value) for value in values),
        Odd(added=2.0, limit=3, chosen=(Adam(0.1), 2)),
        Odd(kind=None, chosen="x"),
    ]


def plainly(value):
    """Canonical JSON as its definition says it, by one walk that keeps nothing."""
    if not isinstance(value, Spec):
        if type(value) in (tuple, list):
            return [plainly(item) for item in value]
        if type(value) is dict:
            return {str(key): plainly(item) for key, item in value.items()}
        if isinstance(value, Output):
            return {"of": reference(value.of), "output": value.name, "probe": plainly(value.probe)}
        return canonical(value)
    cls = type(value)
    said = {"kind": kind(cls), "version": value.version}
    if not cls.__module__.startswith("weightspace."):
        said["source"] = identity_digest(cls)
    for field in dataclasses.fields(cls):
        item = plainly(getattr(value, field.name))
        if "neutral" in field.metadata and json.dumps(item) == json.dumps(field.metadata["neutral"]):
            continue
        said[field.name] = item
    if isinstance(value, Task):
        del said["metrics"]
    if isinstance(value, ws.Data):
        said = canonical(value)  # which says more than its fields
    return said


def reference(value):
    text = json.dumps(plainly(value), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def test_digests_are_those_of_a_plain_walk():
    for one, again in zip(battery(), battery(), strict=True):
        assert one.digest == again.digest == reference(one)
        assert json.loads(canonical_json(one)) == json.loads(json.dumps(one.canonical))


def test_digests_of_nodes_are_pinned():
    """As they were before texts were put together from parts."""
    assert [node.digest for node in battery()[:7]] == [
        "3aece4a2e7431a7bf414b131d2a07ca3",
        "cf6f147857eaa5f0091fc3a5cfcc359b",
        "c811f35d1ca44b5102fe8ebe62bc78a9",
        "9cbbc1499c149a5056f0415f882e60e7",
        "ceb91050ef67875a52e9a99473405fbc",
        "ff9197427236665f3fad14bcb128c69a",
        "0a45f4d79dd6c80fae53307199733c0a",
    ]


@pytest.mark.parametrize("value", [math.nan, math.inf, (1, -math.inf), {"a": math.nan}, np.float32(np.nan)])
def test_numbers_that_are_not_finite_have_no_text(value):
    with pytest.raises(InputError, match="has no place in a spec: numbers must be finite"):
        _ = Odd(items=value).digest


def test_leaves_and_forms_are_those_of_jax():
    every = battery()
    for one in every:
        form, leaves = flat(one)
        expected = jax.tree.leaves(one)
        assert [id(leaf) for leaf in leaves] == [id(leaf) for leaf in expected] or list(leaves) == expected
        assert form.kinds == tuple(map(type, expected))
        assert outputs_in(one) == [item for item in expected if isinstance(item, Output)]
        assert len(common_leaves(one)) == len(expected)
    for one, other in zip(every, battery(), strict=True):
        assert flat(one)[0] is flat(other)[0]
    for one in every:
        for other in every:
            same = jax.tree.structure(one) == jax.tree.structure(other)
            assert (flat(one)[0] is flat(other)[0]) == (same and flat(one)[0].kinds == flat(other)[0].kinds)


def test_which_leaves_are_common_is_a_matter_of_the_leaf_where_it_is_an_output():
    run = small_run(0)
    apart, together = (
        small_run(1, space=Affine(Gaussian(2), offset=run.final(shared=s))) for s in (False, True)
    )
    assert flat(apart)[0] is flat(together)[0]
    places = [isinstance(leaf, Output) for leaf in flat(apart)[1]].index(True)
    assert [common_leaves(one)[places] for one in (apart, together)] == [False, True]


def test_choices_that_cannot_be_hashed_have_forms_of_their_own():
    one, other = Sum(1, note=[1, 2]), Sum(2, note=[1, 2])
    assert flat(one)[1] == (1,)
    assert flat(one)[0] is not flat(other)[0]
    assert outputs_in(Sum(small_run(0).final(), note=[1]))


def test_what_a_node_was_named_for_stays_its_text():
    """Of what holds arrays itself: a value whose `compute` writes into its own is stored as it was named."""
    made = Sum(np.zeros(3))
    text, digest = canonical_json(made), made.digest
    made.of[:] = 1
    assert (canonical_json(made), made.digest) == (text, digest)
    assert Sum(np.ones(3)).digest == Sum(made.of).digest != digest


def test_forms_live_as_long_as_specs():
    gc.collect()
    before = len(flat_module._FORMS)
    made = [Odd(chosen=f"form {number}") for number in range(50)]
    assert len({flat(each)[0] for each in made}) == 50
    assert len(flat_module._FORMS) >= before + 50
    del made
    gc.collect()
    assert len(flat_module._FORMS) <= before


def test_nothing_that_was_found_on_the_way_is_sent():
    run = small_run(0)
    assert run.digest
    assert flat(run)[1]
    assert outputs_in(run) == []
    back = pickle.loads(pickle.dumps(run))
    fields = {field.name for field in dataclasses.fields(run)}
    assert set(vars(back)) <= fields | {"digest"}
    assert set(vars(back.seeds)) == {field.name for field in dataclasses.fields(Seeds)}
    assert flat(back)[0] is flat(run)[0]


def test_a_spec_with_another_leaf_has_a_text_of_its_own():
    one = small_run(0, lr=0.1)
    assert one.digest
    moved = jax.tree.map(lambda leaf: leaf * 2 if isinstance(leaf, float) else leaf, one)
    assert moved.recipe.optimiser.lr == 0.2
    assert moved.digest == reference(moved) != one.digest
