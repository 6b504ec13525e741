"""A spec class of a user's own is code of theirs: what it reaches is in its digest, and stays what it was."""

import dataclasses
import pickle

import jax
import numpy as np
import pytest

import weightspace as ws
from tests.identity.modules import load
from weightspace.code import check_unchanged
from weightspace.data import Data, Task, from_arrays
from weightspace.errors import InputError
from weightspace.models.zoo import make
from weightspace.recipes.base import Recipe
from weightspace.recipes.losses import SquaredError
from weightspace.recipes.optimisers import Sgd
from weightspace.run import Run
from weightspace.spaces.full import Full
from weightspace.streams import Seeds
from weightspace.sweeps.prepared import prepare
from weightspace.sweeps.requests import Request

HEAD = """import enum, random, jax, jax.numpy as jnp
from weightspace.errors import InputError
from weightspace.probes import Probe
from weightspace.recipes.losses import Loss, SquaredError
from weightspace.spec import Spec, spec, static
"""
GLOBAL = """SCALE = {scale}
@spec
class Own(SquaredError):
    def __call__(self, outputs, y):
        return SCALE * super().__call__(outputs, y)
"""
HELPER = """import helpers
@spec
class Own(SquaredError):
    def __call__(self, outputs, y):
        return helpers.scaled(super().__call__(outputs, y))
"""
BASE = """class Scaled(SquaredError):
    scale = {scale}
    def __call__(self, outputs, y):
        return self.scale * super().__call__(outputs, y)

@spec
class Own(Scaled):
    pass
"""
DEFAULT = """@spec
class Own(SquaredError):
    def __call__(self, outputs, y, scale={scale}):
        return scale * super().__call__(outputs, y)
"""
MEMBER = """class Mode(enum.Enum):
    USUAL = {scale}

@spec
class Own(SquaredError):
    mode: Mode = static(default=Mode.USUAL)
    def __call__(self, outputs, y):
        return self.mode.value * super().__call__(outputs, y)
"""
WITHIN = """class Table:
    def __init__(self): self.rows = [{scale}]
    def __canonical__(self): return "a table"
    def __eq__(self, other): return isinstance(other, Table)
    def __hash__(self): return 0
    def of(self, x): return {scale} * x

@spec
class Own(SquaredError):
    table: Table = static(default=Table())
    def __call__(self, outputs, y):
        return self.table.of(super().__call__(outputs, y))
"""


def own(folder, text, scale=1.0):
    """The class of this text, in a module that takes the place of an earlier one; and its helpers."""
    helper = f"def scaled(x):\n    return {scale} * x"
    load(folder, helper, name="helpers", attribute=None)
    return load(folder, text.format(scale=scale), attribute=None, head=HEAD)


FORMS = {
    "global": GLOBAL, "helper": HELPER, "base class": BASE, "default": DEFAULT, "enumeration": MEMBER,
    "own canonical form": WITHIN,
}  # fmt: skip


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS)
def test_an_edit_of_what_it_reaches_is_another_digest_and_a_comment_is_not(text, tmp_path):
    first = own(tmp_path, text).Own().digest
    commented = text.replace("return", "# As ever.\n        return" if text is not WITHIN else "return")
    assert own(tmp_path, '"""Words."""\n' + commented).Own().digest == first
    assert own(tmp_path, text, scale=2.0).Own().digest != first


CHANGES = {
    "global": (GLOBAL, lambda users: setattr(users, "SCALE", 2.0), "'SCALE'"),
    "helper": (HELPER, lambda users: setattr(users.helpers, "scaled", abs), "'helpers.scaled'"),
    "base class": (BASE, lambda users: setattr(users.Scaled, "scale", 2.0), "'scale'"),
    "method": (GLOBAL, lambda users: setattr(users.Own, "right", abs), "'right'"),
}


def a_run(loss):
    x = np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)
    data = Data(from_arrays(x, x[:, 0], x[:8], x[:8, 0]))
    recipe = Recipe(Sgd(1e-6), "1it", batch=8)
    return Run(make("fc:widths=4", data.shape, 1), Task(data, loss), Full(), recipe, Seeds(0))


@pytest.mark.parametrize(("text", "change", "what"), CHANGES.values(), ids=CHANGES)
def test_what_changes_before_it_runs_is_refused_in_a_sentence(text, change, what, tmp_path):
    users = own(tmp_path, text)
    run = a_run(users.Own())
    assert run.digest
    change(users)
    said = f"users:Own has changed since it was handed over: .*{what}.*make the Own anew"
    with pytest.raises(InputError, match=said):
        ws.sweep([run], tmp_path / "out")
    with pytest.raises(InputError, match=said):
        prepare(Request(run), {})  # where another process finds other files


PARTS = {
    "probe": "Probe", "in a list": "Spec", "in a table": "Spec",
}  # fmt: skip


@pytest.mark.parametrize("name", PARTS)
def test_so_is_a_part_of_any_kind_wherever_it_is_held(name, tmp_path):
    users = own(tmp_path, f"S = 1\n@spec\nclass Own({PARTS[name]}):\n    def more(self): return S")
    part = object.__new__(users.Own)
    assert part.digest
    held = {"in a list": [(1, part)], "in a table": {"a": part}}.get(name, part)
    check_unchanged(held)
    vars(users).update(S=2)
    with pytest.raises(InputError, match=r"users:Own has changed .* 'S', which it reads"):
        check_unchanged(held)
    assert object.__new__(users.Own).digest != part.digest


def test_made_anew_it_is_another_run_and_no_program_of_before_is_taken_for_it(tmp_path):
    users = own(tmp_path, GLOBAL)
    program = jax.jit(lambda loss, outputs, y: loss(outputs, y))
    given = np.full((2, 1), 3.0, np.float32), np.ones(2, np.float32)
    before, first = users.Own(), program(users.Own(), *given)
    named = a_run(before).digest
    vars(users).update(SCALE=3.0)
    after = users.Own()
    assert a_run(after).digest != named
    assert jax.tree.structure(after) != jax.tree.structure(before)
    np.testing.assert_allclose(program(after, *given), 3 * first)


def test_what_was_named_stays_so_through_trees_and_pickle(tmp_path):
    users = own(tmp_path, GLOBAL)
    loss = users.Own()
    digest = loss.digest
    same = jax.tree.map(lambda leaf: leaf, loss), pickle.loads(pickle.dumps(loss))
    vars(users).update(SCALE=2.0)
    for each in same:
        assert each.digest == digest
        with pytest.raises(InputError, match="'SCALE', which it reads"):
            each.check_unchanged()
    assert dataclasses.replace(loss).digest != digest


def test_what_cannot_be_followed_is_refused(tmp_path):
    text = "@spec\nclass Own(SquaredError):\n    def __call__(self, o, y): return o * random.random()"
    with pytest.raises(InputError, match="users:Own cannot be told apart from another version of itself"):
        a_run(own(tmp_path, text).Own()).digest  # noqa: B018


def test_versions_of_our_classes_count_where_a_user_s_class_has_one_of_its_own(tmp_path, monkeypatch):
    users = own(
        tmp_path, GLOBAL.replace("class Own(SquaredError):", "class Own(SquaredError):\n    version = 5")
    )
    before = users.Own().digest
    monkeypatch.setattr(SquaredError, "version", 2, raising=False)
    changed = users.Own()
    assert changed.version == 5
    assert changed.digest != before


def test_our_own_parts_are_known_by_name_and_version():
    loss = SquaredError()
    assert loss.canonical == {"kind": "recipes.SquaredError", "version": 1, "factor": 1.0}
    assert "_source" not in jax.tree.structure(loss).__repr__()
    loss.check_unchanged()
