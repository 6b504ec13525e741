"""What is read off a program, against numbers: what is proved to be apart is, and a path is one."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weightspace.models.reach import reached
from weightspace.models.rows import apart, path_between
from weightspace.recipes.mixing import mixes

ROWS = 5
X = np.random.default_rng(0).normal(size=(ROWS, 4)).astype(np.float32)


def along(axis, x):
    """Numbers along an axis."""
    shape = [1] * x.ndim
    shape[axis] = -1
    return 1 + jnp.arange(x.shape[axis], dtype=x.dtype).reshape(shape)


def mapped(function, x, axis):
    """Of each vector across an axis, by itself."""
    return jax.vmap(function, axis, axis)(x)


def grown(row):
    return jax.lax.while_loop(lambda r: jnp.abs(r).sum() < 5, lambda r: 2 * r + 1, row)


def signed(row):
    return jax.lax.cond(row.sum() > 0, lambda r: 2 * r, lambda r: r - 1, row)


def held(x, axis):
    """What is written to a place and read again, one row after the other."""
    place = jax.new_ref(jnp.zeros_like(x))
    place[...] = x.take(jnp.arange(x.shape[axis])[::-1], axis)
    return place[...]


def begun(x, axis, first):
    return jax.lax.dynamic_slice_in_dim(x, first, max(1, x.shape[axis] - 1), axis)


def convolved(x, axis):
    """A kernel of two along all that is not on an axis."""
    lines = jnp.moveaxis(x, axis, 0)
    flat = lines.reshape(len(lines), 1, -1)
    found = jax.lax.conv_general_dilated(flat, jnp.asarray([[[1.0, -0.5]]], x.dtype), (1,), "SAME")
    return jnp.moveaxis(found.reshape(lines.shape), 0, axis)


def weighed(x, axis):
    kernel = jnp.linspace(-1, 1, 3 * x.shape[axis], dtype=x.dtype).reshape(x.shape[axis], 3)
    return jax.lax.dot_general(x, kernel, (((axis,), (0,)), ((), ())))


def with_each(x):
    """The products of all rows with all rows."""
    rows = x.reshape(len(x), -1)
    return rows @ rows.T


def own(x):
    """What lies on the diagonal of a square, by a choice."""
    square = x.ndim > 1 and x.shape[0] == x.shape[1]
    return (
        jnp.where(jnp.eye(len(x), dtype=bool).reshape(*x.shape[:2], *[1] * (x.ndim - 2)), x, 0)
        if square
        else x
    )


def looped(x, axis):
    rows = jnp.moveaxis(x, axis, 0)
    return jax.lax.scan(lambda c, row: (c + row, c * 0.5), jnp.zeros_like(rows[0]), rows)[1]


STEPS = {
    "flip": jnp.flip,
    "roll": lambda x, a: jnp.roll(x, 1, a),
    "cumsum": jnp.cumsum,
    "centre": lambda x, a: x - x.mean(a, keepdims=True),
    "number": lambda x, a: x * along(a, x),
    "twice": lambda x, a: jnp.concatenate([x, 2 * x], a),
    "turned": lambda x, a: x.take(jnp.arange(x.shape[a])[::-1], a),
    "ranked": lambda x, a: jnp.take_along_axis(x, jnp.argsort(x, a), a),
    "written": lambda x, a: jnp.moveaxis(jnp.moveaxis(x, a, 0).at[0].set(1.0), 0, a),
    "added": lambda x, a: jnp.zeros_like(x).at[(slice(None),) * a + (jnp.arange(x.shape[a]),)].add(x),
    "part": lambda x, a: jax.lax.slice_in_dim(x, 0, max(1, x.shape[a] // 2), axis=a),
    "padded": lambda x, a: jnp.pad(x, [(0, int(b == a)) for b in range(x.ndim)]),
    "summed": lambda x, a: x.sum(a) if x.ndim > 1 else x,
    "loop": looped,
    "stacked": lambda x, a: jnp.stack([x, x * x], a),
    "turn": lambda x, a: jnp.moveaxis(x, a, -1),
    "merge": lambda x, a: x.reshape(*x.shape[: max(a - 1, 0)], -1, *x.shape[a + 1 :]),
    "split": lambda x, a: x.reshape(*x.shape[:a], -1, 2, *x.shape[a + 1 :]) if x.shape[a] % 2 == 0 else x,
    "grown": lambda x, a: mapped(grown, x, a) if x.ndim > 1 else x,
    "all grown": lambda x, _: grown(x),
    "signed": lambda x, a: mapped(signed, x, a) if x.ndim > 1 else x,
    "all signed": lambda x, _: signed(x),
    "never": lambda x, _: jax.lax.cond(jnp.zeros(()) > 1, lambda v: v - v.mean(), lambda v: v, x),
    "turns": lambda x, a: jax.lax.fori_loop(0, jnp.int32(2), lambda _, c: c[::-1], (x, jnp.flip(x, a)))[0],
    "sorted": lambda x, a: mapped(jnp.sort, x, a) if x.ndim > 1 else x,
    "held": held,
    "begun": lambda x, a: begun(x, a, 1),
    "sought": lambda x, a: begun(x, a, jnp.argmax(x) % 2),
    "convolved": convolved,
    "weighed": weighed,
    "with each": lambda x, _: with_each(x),
    "own": lambda x, _: own(x),
    "diagonal": lambda x, _: jnp.diagonal(x, axis1=0, axis2=1).T if x.ndim > 1 else x,
    "square": lambda x, _: jnp.where(x > 0, x, 0) ** 2,
    "product": lambda x, _: x @ jnp.linspace(-1, 1, x.shape[-1] ** 2).reshape(x.shape[-1], -1),
    "reduced": lambda x, a: x + jax.lax.reduce(x, 0.0, lambda p, q: p + q * 1.0, (a,)).mean(),
}  # fmt: skip


def chained(steps, x):
    for name, axis in steps:
        if x.size < 500:
            x = STEPS[name](x, axis % x.ndim)
    return x.reshape(ROWS, -1) if x.size % ROWS == 0 else x


def as_is(one, other):
    return np.allclose(one, other, rtol=1e-4, atol=1e-5)


def goes_over(function):
    """Whether some row has another value where some other row is another, of several sizes and of NaN."""
    with jax.debug_nans(False):
        plain = np.asarray(function(X))
        for row in range(ROWS):
            for other in (np.nan, 100 * X[row], -3 * X[row] - 1, X[row] / 8, X[row - 1]):
                changed = X.copy()
                changed[row] = other
                found = np.delete(np.asarray(function(changed)), row, 0)
                if not np.array_equal(found, np.delete(plain, row, 0), equal_nan=True):
                    return True
    return False


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.sampled_from(sorted(STEPS)), st.integers(0, 3)), min_size=1, max_size=6))
def test_what_is_proved_holds_and_what_mixes_is_no_more_than_said(steps):
    function = functools.partial(chained, steps)
    values = jax.eval_shape(function, X)
    if values.shape[:1] != (ROWS,):
        return
    proved = apart(jax.make_jaxpr(function)(X), [True])
    path = path_between(lambda o, y: function(o).reshape(ROWS, -1).sum(1) + y, X, X[:, 0])
    assert not (proved and path)
    if path:
        assert goes_over(jax.jit(function))
    if not proved:
        return
    order = np.roll(np.arange(ROWS), 2)
    changed = X.copy()
    changed[1] = -3 * X[1] - 1
    plain, turned, other = (np.asarray(function(jnp.asarray(x))) for x in (X, X[order], changed))
    assert as_is(turned, plain[order])
    assert as_is(np.delete(other, 1, 0), np.delete(plain, 1, 0))


OWN = {
    "diag": lambda o, y: jnp.diag(o @ y.T),
    "diagonal": lambda o, y: jnp.diagonal(o @ y.T) - jnp.diagonal(y @ y.T) / 2,
    "choice": lambda o, y: jnp.where(jnp.eye(len(o), dtype=bool), o @ y.T, 0.0).sum(1),
    "places": lambda o, y: (o @ y.T)[jnp.arange(len(o)), jnp.arange(len(o))],
    "einsum": lambda o, y: jnp.einsum("ii->i", o @ y.T),
}
OTHERS = {
    "beside it": lambda o, y: jnp.diag(jnp.roll(o @ y.T, 1, 1)),
    "below it": lambda o, y: jnp.tril(o @ y.T).sum(1),
    "all but it": lambda o, y: jnp.where(jnp.eye(len(o), dtype=bool), 0.0, o @ y.T).sum(1),
    "against all": lambda o, y: -jnp.diag(jax.nn.log_softmax(o @ y.T)),
    "no numbers": lambda o, y: jnp.where((o @ o.T) > 0, o @ y.T, 0.0).sum(1),
    # A value that is no number goes through a zero, and so does its gradient.
    "product": lambda o, y: (jnp.eye(len(o)) * (o @ y.T)).sum(1),
}


@pytest.mark.parametrize("name", [*OWN, *OTHERS])
def test_a_product_of_all_with_all_is_known_by_what_is_taken_of_it(name):
    function = (OWN | OTHERS)[name]
    assert (path_between(function, X, X) is None) == (name in OWN)
    assert (mixes(function, (3,), X[:, :3]) is None) == (name in OWN)


ITS_OWN_REDUCTION = {
    "reduce": lambda x: x + jax.lax.reduce(x, 0.0, lambda a, b: a + b * b, (0,))[None],
    "window": lambda x: jax.lax.reduce_window(x, 0.0, lambda a, b: a + b * b, (3, 1), (1, 1), "SAME"),
}


@pytest.mark.parametrize("function", ITS_OWN_REDUCTION.values(), ids=ITS_OWN_REDUCTION)
def test_a_reduction_by_a_function_is_not_taken_for_a_call_of_it(function):
    assert not apart(jax.make_jaxpr(function)(X), [True])


def test_many_turns_over_other_axes_are_followed_at_once():
    def recurrent(x):
        return jax.lax.scan(lambda h, column: (jnp.tanh(h + column), h), jnp.zeros(ROWS), x.T)[0]

    wide = jnp.zeros((ROWS, 1_000))
    assert apart(jax.make_jaxpr(recurrent)(wide), [True])
    assert path_between(lambda o, y: recurrent(o) + y, wide, wide[:, 0]) is None
    # Over the examples themselves, too many for turn by turn: nothing is said for sure.
    tall = wide.T
    assert not apart(jax.make_jaxpr(lambda x: jax.lax.map(lambda row: row * 2, x))(tall), [True])
    assert path_between(lambda o, y: jax.lax.map(jnp.sum, o) + y, tall, tall[:, 0]) is None


def test_what_is_too_large_to_be_followed_gives_no_verdict():
    def merged(x):
        return (x.reshape(-1)[::-1])[::-1].reshape(x.shape)

    large = jax.ShapeDtypeStruct((ROWS, 1 << 18), jnp.float32)
    assert not apart(jax.make_jaxpr(merged)(large), [True])
    y = jax.ShapeDtypeStruct((ROWS,), jnp.float32)
    assert path_between(lambda o, y: merged(o).sum(1) + y, large, y) is None
    assert path_between(lambda o, y: merged(o)[:, 0] + y - y.sum(), large, y) is None


def placed(x, row):
    held = jax.new_ref(jnp.zeros(x.shape[1]))
    held[...] = x[1] if row is None else x.mean(0)
    return x - held[...][None]


@pytest.mark.parametrize("row", [None, 0])
def test_what_is_kept_in_a_place_is_not_followed(row):
    """A value that is written and read again is another than the one it began as."""
    traced = jax.make_jaxpr(lambda x: placed(x, row))(X)
    assert not apart(traced, [True])
    assert path_between(lambda o, y: placed(o, row).sum(1) + y, X, X[:, 0]) is None
    assert reached(traced, [True]) == [True]


def test_a_loop_of_each_row_by_itself_is_apart_and_one_of_all_is_not():
    def each(row):
        return jax.lax.while_loop(lambda r: r.sum() < 30, lambda r: r + 1, row)

    assert apart(jax.make_jaxpr(jax.vmap(each))(X), [True])
    assert path_between(lambda o, y: jax.vmap(each)(o).sum(1) + y, X, X[:, 0]) is None
    assert not apart(jax.make_jaxpr(each)(X), [True])


def test_a_number_of_fewer_digits_is_another_number():
    def rounded(x):
        less = jax.lax.reduce_precision(jnp.float32(1e-9) + 1.0000001, 8, 2)
        return jax.lax.cond(less == 1.0, lambda x: x - x.mean(0, keepdims=True), lambda x: x, x)

    assert not apart(jax.make_jaxpr(rounded)(X), [True])
