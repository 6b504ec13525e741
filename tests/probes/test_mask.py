import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.builders import small_run
from tests.training.harness import outputs_of, train
from weightspace import tree
from weightspace.errors import InputError
from weightspace.models.adapters import from_equinox
from weightspace.models.base import layout_of
from weightspace.probes import Evaluation
from weightspace.probes.density import Density
from weightspace.probes.mask import LearnedMask, MaskEvaluation
from weightspace.recipes.base import Recipe
from weightspace.recipes.optimisers import Momentum
from weightspace.run import Row, Watch
from weightspace.spaces.affine import Affine
from weightspace.spaces.bases.gaussian import Gaussian
from weightspace.spaces.compose import Compose
from weightspace.spaces.edge_popup import EdgePopup
from weightspace.spaces.full import Full
from weightspace.spaces.masked import Masked
from weightspace.spaces.supermask import Supermask
from weightspace.store.base import Store
from weightspace.sweeps.ask import sweep


def masked(space, **changes):
    return small_run(space=space, recipe=Recipe(Momentum(100.0), "30it", batch=64), **changes)


def test_samples_are_those_of_the_space_s_points():
    """What evaluation gives at each point by itself: threshold, mean and deviation of the samples."""
    names = ("sample0", "sample1", "sample2")
    runs = [masked(Supermask(rescale="gradient"), seed=seed) for seed in (0, 1)]
    probes = (MaskEvaluation(3, ("test",)), Evaluation(("test",), names=("", *names)))
    _, records, _ = train(runs, probes, lanes=2, stretches=[0, 30])
    for metric in ("test_accuracy", "test_loss"):
        each = np.stack([records[f"{name}_{metric}"][-1] for name in names])
        assert np.ptp(each, axis=0).min() > 0
        np.testing.assert_allclose(records[f"threshold_{metric}"][-1], records[metric][-1], rtol=1e-5)
        np.testing.assert_allclose(records[f"sampled_{metric}"][-1], each.mean(axis=0), rtol=1e-5)
        deviation = each.std(axis=0, ddof=1)
        np.testing.assert_allclose(records[f"sampled_sd_{metric}"][-1], deviation, rtol=1e-3, atol=1e-6)
        assert np.isnan(records[f"sampled_{metric}"][0]).all()


def test_of_a_convolution_the_filters_are_kept():
    run = masked(Supermask(), model="lth_conv2:width=2")
    probe = LearnedMask()
    (found,) = outputs_of(run, (probe,), [0, 1])
    (path,) = [leaf.path for leaf in layout_of(run.model, (8, 8, 1), "float32") if leaf.order == 0]
    assert found["filters"].shape == (3, 3, 1, 2)
    np.testing.assert_array_equal(found["filters"], tree.flat_dict(found["mask"])[path])
    assert "inputs" not in found


def test_filters_come_last_whichever_library_made_the_convolution():
    """Equinox has [filters, channels, height, width]."""
    nn = pytest.importorskip("equinox").nn

    def network(key):
        first, second = jax.random.split(key)
        layers = [
            nn.Lambda(lambda x: x.transpose(2, 0, 1)), nn.Conv2d(1, 2, 3, key=first), nn.Lambda(jnp.ravel),
            nn.Linear(72, 10, key=second),
        ]  # fmt: skip
        return nn.Sequential(layers)

    run = dataclasses.replace(masked(Supermask()), model=from_equinox(network, name="own", version=1))
    (found,) = outputs_of(run, (LearnedMask(),), [0, 1])
    assert found["filters"].shape == (3, 3, 1, 2)
    (kernel,) = [leaf for leaf in jax.tree.leaves(found["mask"]) if leaf.ndim == 4]
    np.testing.assert_array_equal(found["filters"][1, 2, 0, 1], kernel[1, 0, 1, 2])


def test_the_learned_mask_is_kept_with_the_share_of_each_input(tmp_path):
    """Under a mask weights are those the model began with, or zero."""
    run = masked(Supermask(1.0))
    rows = [Row({"kind": "plain"}, run, Watch("30it", (LearnedMask(), LearnedMask("sample1"))))]
    weights = run.final()
    sweep([*rows, Row({"kind": "twin"}, run, Watch("30it", (weights.probe, LearnedMask())))], tmp_path)
    store = Store(tmp_path)
    mask, other = (store.output(run.digest, f"learnedmask({name}).mask") for name in ("", "sample1"))
    final = store.output(run.digest, weights.key)
    layout = layout_of(run.model, (8, 8, 1), "float32")
    for leaf in layout:
        held = tree.flat_dict(mask)[leaf.path]
        assert held.dtype == bool
        if leaf.kind == "kernel":
            np.testing.assert_array_equal(tree.flat_dict(final)[leaf.path] != 0, held)
            assert 0 < held.mean() < 1
        else:
            assert held.all()
    assert not tree.equal(mask, other)
    first = min((leaf for leaf in layout if leaf.kind == "kernel"), key=lambda leaf: leaf.order)
    share = store.output(run.digest, "learnedmask().inputs")
    np.testing.assert_allclose(
        share, tree.flat_dict(mask)[first.path].mean(axis=1).reshape(8, 8, 1), rtol=1e-6
    )


def test_fixed_masks_are_measured_without_samples():
    run = masked(EdgePopup(0.5), seed=1)
    probes = (MaskEvaluation(0, ("test",)), Evaluation(("test",)))
    _, records, _ = train([run], probes, stretches=[0, 30])
    assert not any(name.startswith("sampled") for name in records)
    assert records["threshold_test_loss"][-1, 0] == pytest.approx(records["test_loss"][-1, 0], rel=1e-5)


@pytest.mark.parametrize(
    ("probe", "space", "message"),
    [
        (LearnedMask(), Full(), "needs a space with masks"),
        (MaskEvaluation(), Full(), "needs a space with masks"),
        (MaskEvaluation(), EdgePopup(0.5), "are not random; give 0"),
        (MaskEvaluation(), Supermask(1.0, rounding=True), "are not random; give 0"),
    ],
)
def test_spaces_that_do_not_fit_are_refused(probe, space, message):
    run = masked(space)
    with pytest.raises(InputError, match=message):
        probe.check(run, layout_of(run.model, (8, 8, 1), "float32"))


def test_one_sample_has_no_spread():
    with pytest.raises(InputError, match="one mask has no spread"):
        MaskEvaluation(1)
    with pytest.raises(InputError, match="unknown split 'tests'"):
        MaskEvaluation(splits=("tests",))


def test_masks_inside_a_subspace_have_a_density_and_are_kept():
    """A ticket, and a supermask's scores, in a random subspace: the mask is that of the outer space."""
    run = small_run()
    weights = run.model.init(jax.random.key(0, impl="threefry2x32"), jnp.zeros((1, 8, 8, 1)))[0]
    mask = jax.tree.map(lambda w: np.arange(w.size).reshape(w.shape) % 4 > 0, weights)
    layout = layout_of(run.model, (8, 8, 1), "float32")
    probes = (Density(layers=False), LearnedMask())
    ticket = masked(Compose(Masked(mask), Affine(Gaussian(8))))
    (found,) = outputs_of(ticket, probes[1:], [0, 3])
    assert tree.equal(found["mask"], mask)
    _, records, _ = train([ticket], probes, stretches=[0, 3])
    kernels = [tree.flat_dict(mask)[path] for path in layout.paths("kernel")]
    expected = sum(m.sum() for m in kernels) / sum(m.size for m in kernels)
    np.testing.assert_allclose(records["density"], expected, rtol=1e-6)
    scores = masked(Compose(Supermask(1.0), Affine(Gaussian(8))))
    _, records, _ = train([scores], (Density(layers=False), MaskEvaluation(2, ("test",))), stretches=[0, 30])
    assert np.isfinite(records["sampled_test_loss"][-1]).all()
    assert (np.abs(records["expected_density"][0] - 1 / (1 + np.exp(-1.0))) < 0.05).all()


def test_a_mask_on_coordinates_is_no_mask_of_the_weights():
    run = masked(Compose(Affine(Gaussian(8)), Masked({"": np.arange(8) > 3}, start={"": jnp.zeros(8)})))
    assert not run.space.masked
    with pytest.raises(InputError, match="needs a space with masks"):
        Density().check(run, layout_of(run.model, (8, 8, 1), "float32"))
