import numpy as np
import pytest

from tests.derived.builders import random_chain, weights_of
from weightspace.derived.chain import AffineLayer, outputs
from weightspace.derived.line_regions import LineRegions, line_pieces
from weightspace.derived.patterns import distinct, evaluate, local_lipschitz
from weightspace.errors import InputError
from weightspace.models.zoo import make

CHAINS = {
    "one layer": random_chain((3, 20, 1), 0),
    "identity first": random_chain((6, 16, 1), 1, identity_first=True),
    "deep": random_chain((4, 8, 8, 8, 8, 2), 2),
    "linear": (AffineLayer(np.ones((1, 3)), np.zeros(1)),),
}


def vertices(chain, count=2, seed=3):
    return 2 * np.random.default_rng(seed).normal(size=(count, chain[0].inputs))


def at(path, t):
    whole = np.clip(t.astype(int), 0, len(path) - 2)
    return path[whole] + (t - whole)[:, None] * (path[whole + 1] - path[whole])


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("count", [2, 4])
def test_a_path_is_cut_where_dense_sampling_sees_changes(name, count):
    chain = CHAINS[name]
    path = vertices(chain, count)
    found = line_pieces(chain, path)
    t = np.linspace(0, count - 1, 200_001)
    seen = evaluate(chain, at(path, t)).patterns
    changes = np.flatnonzero((seen[1:] != seen[:-1]).any(axis=1))
    # No piece of these is shorter than the spacing, so that sampling sees each.
    assert np.diff(found.breaks).min() > t[1]
    assert len(changes) == len(found.breaks) - 2
    assert (t[changes] <= found.breaks[1:-1] + 1e-12).all()
    assert (found.breaks[1:-1] <= t[changes + 1] + 1e-12).all()


@pytest.mark.parametrize("name", CHAINS)
def test_pieces_have_the_pattern_and_the_constant_of_their_middles(name):
    chain = CHAINS[name]
    path = vertices(chain, 3)
    found = line_pieces(chain, path)
    middles = evaluate(chain, at(path, (found.breaks[1:] + found.breaks[:-1]) / 2)).patterns
    np.testing.assert_array_equal(found.patterns, middles)
    np.testing.assert_allclose(found.lipschitz, local_lipschitz(chain, middles), rtol=1e-12)


@pytest.mark.parametrize("name", CHAINS)
def test_between_corners_the_network_is_affine(name):
    chain = CHAINS[name]
    path = vertices(chain, 3)
    found = line_pieces(chain, path)
    np.testing.assert_allclose(found.outputs, outputs(chain, at(path, found.corners)), atol=1e-10)
    middles = outputs(chain, at(path, (found.corners[1:] + found.corners[:-1]) / 2))
    np.testing.assert_allclose((found.outputs[1:] + found.outputs[:-1]) / 2, middles, atol=1e-10)


@pytest.mark.parametrize("name", CHAINS)
def test_a_segment_leaves_a_region_once_and_for_all(name):
    chain = CHAINS[name]
    path = vertices(chain)
    found = line_pieces(chain, path)
    assert len(distinct(found.patterns).patterns) == len(found.patterns)
    back = line_pieces(chain, path[::-1])
    np.testing.assert_allclose(1 - back.breaks[::-1], found.breaks, atol=1e-12)
    np.testing.assert_array_equal(back.patterns[::-1], found.patterns)


def test_crossings_are_where_the_units_are_zero():
    # Units at t = 1/4 and 3/4, and one at both ends of the segment, which never crosses.
    first = AffineLayer(np.array([[4.0, 0.0], [4.0, 0.0], [0.0, 1.0]]), np.array([-1.0, -3.0, 0.0]))
    chain = (first, AffineLayer(np.array([[1.0, 2.0, 5.0]]), np.zeros(1)))
    found = line_pieces(chain, np.array([[0.0, 0.0], [1.0, 0.0]]))
    assert found.breaks.tolist() == [0.0, 0.25, 0.75, 1.0]
    np.testing.assert_allclose(found.lipschitz, [0.0, 4.0, 12.0])
    assert found.outputs[:, 0].tolist() == [0.0, 0.0, 2.0, 5.0]


def node(path, chain=CHAINS["identity first"]):
    model = make("mlp:widths=16", (6,), 1)
    return LineRegions(model, weights_of(chain), path)


def test_the_node_counts_what_lies_along_the_path():
    path = vertices(CHAINS["identity first"], 2).astype(np.float32)
    loop = node(np.concatenate([path, path[:1]])).compute()
    once = node(path).compute()
    assert once["pieces"] == once["regions"] == once["crossings"] + 1 == len(once["lipschitz"])
    # There and back: the turn lies inside a region.
    assert loop["pieces"] == 2 * once["pieces"] - 1
    assert loop["regions"] == once["regions"]
    assert once["length"] == pytest.approx(float(np.linalg.norm(path[1] - path[0])))
    assert loop["crossings_per_length"] == pytest.approx(once["crossings_per_length"])
    assert loop["lipschitz_mean"] == pytest.approx(once["lipschitz_mean"])
    assert loop["output_length"] == pytest.approx(2 * once["output_length"])
    rise = np.linalg.norm(np.diff(once["outputs"][[0, -1]], axis=0))
    assert rise <= once["output_length"] <= once["lipschitz_mean"] * once["length"] * (1 + 1e-9)
    assert once["lipschitz_mean"] <= once["lipschitz_max"] == once["lipschitz"].max()


def test_what_is_no_path_is_refused():
    path = vertices(CHAINS["identity first"])
    with pytest.raises(InputError, match=r"two vertices of 6 numbers or more, not by shape \(1, 6\)"):
        node(path[:1]).compute()
    with pytest.raises(InputError, match=r"by its vertices \[k, ...\], not by shape \(6,\)"):
        node(path[0]).compute()
    with pytest.raises(InputError, match="the path has no length"):
        node(path[[0, 0]]).compute()
    with pytest.raises(InputError, match=r"two vertices of 3 numbers"):
        line_pieces(CHAINS["one layer"], path)
