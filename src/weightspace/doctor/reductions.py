"""Sums, softmax, cumulated sums, orders, gathers and scatters, functions, small linear algebra."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np

from weightspace.doctor.kernels import Case, draws

LONG = 40_009


def cases() -> Iterator[Case]:
    """All of them."""
    yield from _sums()
    yield from _orders()
    yield from _places()
    yield from _functions()


def _sums() -> Iterator[Case]:
    draw = draws()
    x = draw.normal(size=(101, 97)).astype(np.float32)
    far = (x + 1000).astype(np.float32)
    wide = far.astype(np.float64)
    yield Case(
        "mean and variance far from 0", lambda x: (jnp.mean(x, 0), jnp.var(x, 1)),
        (far,), (wide.mean(0), wide.var(1)), 1e-4,
    )  # fmt: skip
    line = draw.normal(size=(LONG,)).astype(np.float32)
    exact = line.astype(np.float64)
    yield Case("a long sum of squares", lambda x: jnp.sum(jnp.square(x)), (line,), np.sum(exact**2), 1e-5)
    yield Case("a cumulated sum", jnp.cumsum, (line,), np.cumsum(exact), 1e-5)
    yield Case(
        "maximum and its place", lambda x: (jnp.max(x), jnp.argmax(x)), (line,), (line.max(), line.argmax())
    )
    scores = (50 * draw.normal(size=(LONG, 3))).astype(np.float32)
    wide = scores.astype(np.float64)
    powers = np.exp(wide - wide.max(1, keepdims=True))
    share = powers / powers.sum(1, keepdims=True)
    yield Case("softmax of 3 classes", jax.nn.softmax, (scores,), share, 1e-5)
    total = np.log(powers.sum(1)) + wide.max(1)
    yield Case("logarithm of a sum of powers", lambda x: jax.nn.logsumexp(x, 1), (scores,), total, 1e-6)
    groups = draw.integers(0, 7, LONG).astype(np.int32)
    yield Case(
        "sums by group", lambda x, g: jax.ops.segment_sum(x, g, 7), (line, groups),
        np.bincount(groups, exact, 7), 1e-5,
    )  # fmt: skip
    low = line[:101].astype(ml_dtypes.bfloat16)
    yield Case(
        "sum in bfloat16",
        lambda x: jnp.sum(x.astype(jnp.float32)),
        (low,),
        low.astype(np.float64).sum(),
        1e-5,
    )


def _orders() -> Iterator[Case]:
    draw = draws()
    ties = draw.integers(0, 50, LONG).astype(np.float32)
    yield Case("an order with ties", jnp.argsort, (ties,), np.argsort(ties, kind="stable"))
    yield Case("a sort along 5 columns", lambda x: jnp.sort(x, 0), (ties[:505].reshape(101, 5),),
               np.sort(ties[:505].reshape(101, 5), 0))  # fmt: skip
    most = np.argsort(-ties, kind="stable")[:101]
    yield Case(
        "the 101 largest, the first of ties", lambda x: jax.lax.top_k(x, 101), (ties,), (ties[most], most)
    )
    yield Case(
        "a quantile", lambda x: jnp.quantile(x, 0.3), (ties,), np.quantile(ties.astype(np.float64), 0.3), 1e-6
    )


def _places() -> Iterator[Case]:
    draw = draws()
    x = draw.normal(size=(97, 3)).astype(np.float32)
    places = draw.integers(0, 97, 1_009).astype(np.int32)
    values = draw.normal(size=(1_009, 3)).astype(np.float32)
    added = x.astype(np.float64)
    np.add.at(added, places, values)
    yield Case("a gather of rows", lambda x, i: x[i], (x, places), x[places])
    yield Case("a scatter that adds", lambda x, i, v: x.at[i].add(v), (x, places, values), added, 1e-5)
    cut = np.stack([x[min(i, 92) : min(i, 92) + 5] for i in (0, 50, 95)])
    yield Case(
        "slices from places in lanes",
        jax.vmap(lambda x, i: jax.lax.dynamic_slice_in_dim(x, i, 5), (None, 0)),
        (x, np.array([0, 50, 95], np.int32)), cut,
    )  # fmt: skip
    where = x[:, :1] > 0
    yield Case("a choice by mask", lambda m, x: jnp.where(m, x, -x), (where, x), np.where(where, x, -x))


def _functions() -> Iterator[Case]:
    draw = draws()
    x = (3 * draw.normal(size=(1_009,))).astype(np.float32)
    exact = x.astype(np.float64)
    positive = np.abs(exact)

    def functions(x: Any) -> Any:
        a = jnp.abs(x)
        return (
            jnp.exp(x),
            jnp.log(a),
            jnp.tanh(x),
            jax.lax.rsqrt(a),
            jnp.sin(x),
            jax.nn.softplus(x),
            jnp.expm1(x),
        )

    expected = (
        np.exp(exact), np.log(positive), np.tanh(exact), 1 / np.sqrt(positive), np.sin(exact),
        np.logaddexp(0, exact), np.expm1(exact),
    )  # fmt: skip
    yield Case("exp, log, tanh, rsqrt, sin, softplus, expm1", functions, (x,), expected, 2e-6)
    matrix = draw.normal(size=(41, 7)).astype(np.float32)
    wide = matrix.astype(np.float64)
    projector = wide @ np.linalg.solve(wide.T @ wide, wide.T)

    def project(a: Any) -> Any:
        q = jnp.linalg.qr(a)[0]
        return q @ q.T

    yield Case("the projection of an orthonormal basis", project, (matrix,), projector, 1e-5)
    gram = (wide.T @ wide).astype(np.float32)
    values = np.linalg.eigvalsh(gram.astype(np.float64))
    yield Case("eigenvalues", jnp.linalg.eigvalsh, (gram,), values, 1e-5)
