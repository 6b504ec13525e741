"""Quadratures beside dense spectra."""

import numpy as np
import pytest

from weightspace.errors import InputError
from weightspace.theory.lanczos import by_examples, nodes, predicted_well
from weightspace.theory.well import self_consistent, well

RNG = np.random.default_rng(3)
TURN = np.linalg.qr(RNG.standard_normal((100, 100)))[0]
P = RNG.standard_normal(100)


@pytest.mark.parametrize(
    "values",
    [
        np.zeros(100),
        np.where(np.arange(100) < 20, 1.0 + np.arange(100), 0),
        np.repeat([1.0, 2.0], 50),
        0.9 ** np.arange(100),
    ],
    ids=["zero", "rank 20", "two distinct", "decaying"],
)
def test_moments_and_range_are_the_dense_ones(values):
    matrix = (TURN * values) @ TURN.T
    found, masses = nodes(lambda v: matrix @ v, P, 100)
    parts = (TURN.T @ P) ** 2
    for power in range(4):
        assert masses @ found**power == pytest.approx(parts @ values**power, abs=1e-9)
    assert found.min() > values.min() - 1e-9
    assert found.max() < values.max() + 1e-9
    assert len(found) <= len(np.unique(values)) + 1


def test_predicted_dimension_is_the_dense_one():
    values = 1 / np.arange(1, 101.0)
    matrix = (TURN * values) @ TURN.T
    dense = well(values, TURN.T @ P)
    made = predicted_well(lambda v: matrix @ v, P, 60, draws=40)
    assert made.loss == pytest.approx(dense.loss)
    for share in (0.5, 0.1):
        eps = share * dense.loss
        assert self_consistent(made, eps) == pytest.approx(self_consistent(dense, eps), rel=0.05)


def test_batches_are_weighted_by_examples():
    rows = RNG.standard_normal((100, 100))
    parts = np.split(rows, [32, 64, 96])
    products = [lambda v, x=x: x.T @ (x @ v) / len(x) for x in parts]
    whole = rows.T @ (rows @ P) / 100
    assert by_examples(products, [32, 32, 32, 4])(P) == pytest.approx(whole)
    with pytest.raises(InputError, match="not zero"):
        nodes(lambda v: v, np.zeros(3), 2)


def test_rounding_of_nothing_is_nothing_and_negative_curvature_is_refused():
    values = np.where(np.arange(100) < 20, 1.0 + np.arange(100), -1e-11)
    matrix = (TURN * values) @ TURN.T
    made = predicted_well(lambda v: matrix @ v, P, 100, draws=2)
    assert min(made.eigenvalues.min(), made.nodes.min()) == 0
    bent = (TURN * np.where(np.arange(100) == 7, -0.5, values)) @ TURN.T
    with pytest.raises(InputError, match=r"eigenvalue of -0.* beside one of .*Gauss-Newton"):
        predicted_well(lambda v: bent @ v, P, 100)
    down = -np.eye(100)
    with pytest.raises(InputError, match=r"eigenvalue of -1 beside one of -1"):
        predicted_well(lambda v: down @ v, P, 5)


@pytest.mark.parametrize(
    ("more", "message"),
    [({"draws": 0}, "random starts .* not 0"), ({"iterations": 0}, "at least 1, not 0")],
)
def test_too_little_is_refused(more, message):
    with pytest.raises(InputError, match=message):
        predicted_well(lambda v: v, P, **({"iterations": 3} | more))
    with pytest.raises(InputError, match="not finite"):
        nodes(lambda v: v * np.nan, P, 2)
