import dataclasses
import math

import jax
import numpy as np
import pytest

from weightspace.errors import InputError
from weightspace.flat import common_leaves
from weightspace.recipes.base import Recipe
from weightspace.recipes.optimisers import Adam, Momentum
from weightspace.spaces.affine import Affine
from weightspace.spaces.bases.gaussian import Gaussian
from weightspace.spec import Spec, canonical_json, common, leaf, spec, static
from weightspace.streams import Seeds


@spec
class Part(Spec):
    rate: float
    count: int = static(default=3)
    length: int = common(default=10)
    extra: float | None = None


@spec
class Grown(Spec):
    rate: float
    added: float = leaf(default=1.0, neutral=1.0)


@spec
class Before(Spec):
    rate: float


@spec
class Whole(Spec):
    parts: tuple[Part, ...]
    scale: float = 1.0


def test_numbers_are_leaves_and_choices_are_structure():
    a, b = Part(0.1, count=3), Part(0.7, count=3, length=5)
    assert jax.tree.leaves(a) == [0.1, 10]
    assert jax.tree.structure(a) == jax.tree.structure(b)
    assert jax.tree.structure(a) != jax.tree.structure(Part(0.1, count=4))
    assert jax.tree.structure(a) != jax.tree.structure(Part(0.1, extra=0.5))


def test_common_leaves_are_found_at_any_depth():
    whole = Whole((Part(0.1), Part(0.2, extra=0.3)))
    assert common_leaves(whole) == [False, True, False, True, False, False]


def test_a_spec_survives_flattening_with_other_leaves():
    doubled = jax.tree.map(lambda x: 2 * x, Whole((Part(0.5),), scale=2.0))
    assert doubled == Whole((Part(1.0, length=20),), scale=4.0)


def test_whole_numbers_become_floats_where_the_field_is_one():
    assert Part(1).digest == Part(1.0).digest
    assert isinstance(Part(1).rate, float)
    assert Part(np.float32(0.5)).digest == Part(0.5).digest


@pytest.mark.parametrize("bad", ["0.1", True])
def test_a_number_field_refuses_other_types(bad):
    with pytest.raises(InputError, match=r"Part\.rate is .* but must be a number"):
        Part(bad)


def test_nan_has_no_place_in_a_digest():
    with pytest.raises(InputError, match="finite"):
        _ = Part(math.nan).digest


def test_any_change_of_a_value_changes_the_digest():
    base = Part(0.1, extra=0.5)
    changed = [
        dataclasses.replace(base, rate=0.2),
        dataclasses.replace(base, count=4),
        dataclasses.replace(base, length=11),
        dataclasses.replace(base, extra=None),
    ]
    assert len({base.digest, *(c.digest for c in changed)}) == 5


def test_a_field_at_its_neutral_value_leaves_the_canonical_form_as_it_was():
    old, new = Before(0.1).canonical, Grown(0.1).canonical
    assert set(new) == set(old)
    assert "added" in Grown(0.1, added=2.0).canonical


def test_arrays_count_by_content():
    a = Affine(Gaussian(2), offset={"w": np.ones(3, np.float32)})
    b = Affine(Gaussian(2), offset={"w": np.ones(3, np.float32)})
    c = Affine(Gaussian(2), offset={"w": np.zeros(3, np.float32)})
    assert a == b
    assert a != c


def test_digests_are_pinned():
    """A digest that moves orphans every stored result: raise a part's version only if its numbers change."""
    assert Seeds(3).digest == "89dbed1c6e84cc701c53934b1208899f"
    assert Recipe(Momentum(0.1), "3ep").digest == PINNED["recipe"]
    assert Affine(Gaussian(8)).digest == PINNED["affine"]
    assert canonical_json(Adam(0.05)) == (
        '{"b1":0.9,"b2":0.999,"eps":1e-08,"kind":"recipes.Adam","lr":0.05,"version":1}'
    )


PINNED = {
    "recipe": "1f790c4b7880c9402310dd928b3a0201",
    "affine": "768bdda82fff4dd8a18f900b94cc23cd",
}


def test_static_fields_take_lists_as_tuples():
    @spec
    class Widths(Spec):
        widths: tuple[int, ...] = static(default=(1,))

    assert Widths([3, 4.0]).widths == (3, 4)
    assert hash(jax.tree.structure(Widths([3, 4]))) == hash(jax.tree.structure(Widths((3, 4))))
