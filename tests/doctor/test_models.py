"""A step of each network: compiled, uncompiled and by NumPy; a wrong one is caught."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from weightspace import platform
from weightspace.doctor import models, rules
from weightspace.doctor.walk import evaluate
from weightspace.models.zoo import names


def test_every_network_of_the_zoo_has_a_small_form():
    assert set(models.SMALL) == set(names())
    assert all(described.partition(":")[0] == name for name, (described, _) in models.SMALL.items())


@pytest.mark.parametrize("name", ["fc", "mlp2", "conv2"])
def test_networks_are_right_here(name):
    finding = models.examined(*models.SMALL[name])
    assert finding.state == "right", finding.line


@pytest.mark.parametrize("name", sorted(models.SMALL))
def test_numpy_knows_every_step(name):
    """Every operation of it has a rule; the loss is that of an untrained network, about log 5."""
    with platform.arithmetic("float32", "highest"):
        ready = models.prepare(*models.SMALL[name])
        leaves, structure = jax.tree.flatten(ready.arrays)
        traced = jax.make_jaxpr(lambda *leaves: ready.step(*jax.tree.unflatten(structure, leaves)))(*leaves)
        found = evaluate(traced, leaves, rules.apply)
    assert all(np.isfinite(array).all() and np.asarray(array).dtype == np.float64 for array in found)
    assert 0.5 * np.log(models.OUTPUTS) < found[-1] < 4 * np.log(models.OUTPUTS)


def test_a_wrong_product_in_a_network_is_caught(monkeypatch):
    """Wrong by a part in a thousand, in one class's outputs, and only where it is compiled in a loop."""
    right = models._compiled

    def wrong(ready):
        found = right(ready)
        return [*found[:-1], np.asarray(found[-1]) * 1.001]

    monkeypatch.setattr(models, "_compiled", wrong)
    finding = models.examined(*models.SMALL["fc"])
    assert finding.state == "trouble"
    assert "a training step, compiled, differs from NumPy: 1 of" in finding.seen
    assert finding.line.startswith("models: fc:widths=5,3: ")


@pytest.mark.parametrize("way", ["_compiled", "_uncompiled"])
def test_a_network_that_saw_another_image_is_caught(monkeypatch, way):
    """One pixel of one image is another, in one of the two ways alone."""
    right = getattr(models, way)

    def wrong(*given):
        if way == "_compiled":
            (ready,) = given
            arrays = jax.tree.map(np.copy, ready.arrays)
            arrays[3][0, 4, 4, 0] += 1
            return right(models.Ready(ready.step, arrays))
        traced, leaves = given
        (place,) = [i for i, leaf in enumerate(leaves) if leaf.shape == (models.BATCH, 7, 5, 1)]
        leaves = [leaf.copy() for leaf in leaves]
        leaves[place][0, 4, 4, 0] += 1
        return right(traced, leaves)

    monkeypatch.setattr(models, way, wrong)
    finding = models.examined(*models.SMALL["fc"])
    assert finding.state == "trouble"
    assert f"a training step, {way.removeprefix('_')}, differs from NumPy" in finding.seen


def test_an_operation_without_a_rule_is_a_note(monkeypatch):
    monkeypatch.delitem(rules.RULES, "dot_general")
    finding = models.examined(*models.SMALL["mlp2"])
    assert finding.state == "note"
    assert "no rule for the operation dot_general" in finding.seen


def test_the_step_by_numpy_is_gradient_descent_by_hand():
    """A momentum step of cross-entropy through one hidden layer, written out."""
    with platform.arithmetic("float32", "highest"):
        ready = models.prepare("fc:widths=4", (3,))
        leaves, structure = jax.tree.flatten(ready.arrays)
        traced = jax.make_jaxpr(lambda *leaves: ready.step(*jax.tree.unflatten(structure, leaves)))(*leaves)
        found = evaluate(traced, leaves, rules.apply)
        after = jax.tree.unflatten(jax.tree.structure(jax.eval_shape(ready.step, *ready.arrays)), found)
    theta, opt, _, x, y, _ = jax.tree.map(rules.precise, ready.arrays)
    flat = {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(theta)}
    (w1, b1), (w2, b2) = (
        (next(v for k, v in flat.items() if part in k and "kernel" in k),
         next(v for k, v in flat.items() if part in k and "bias" in k))
        for part in ("hidden", "output")
    )  # fmt: skip
    h = np.maximum(x @ w1 + b1, 0)
    scores = h @ w2 + b2
    share = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    delta = (share - np.eye(models.OUTPUTS)[y]) / len(x)
    assert found[-1] == pytest.approx(-np.mean(np.log(share[np.arange(len(y)), y])), rel=1e-9)
    by_hidden = (delta @ w2.T) * (h > 0)
    gradients = {"hidden": (x.T @ by_hidden, by_hidden.sum(0)), "output": (h.T @ delta, delta.sum(0))}
    new = {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(after[0])}
    traces = {
        jax.tree_util.keystr(path): leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path(opt)
        if np.ndim(leaf)
    }
    for part, (by_kernel, by_bias) in gradients.items():
        for kind, gradient in (("kernel", by_kernel), ("bias", by_bias)):
            (trace,) = [v for k, v in traces.items() if part in k and kind in k]
            (old,) = [v for k, v in flat.items() if part in k and kind in k]
            (now,) = [v for k, v in new.items() if part in k and kind in k]
            np.testing.assert_allclose(now, old - 0.1 * (0.9 * trace + gradient), rtol=1e-6, atol=1e-8)
    assert jnp.ndim(after[3]) == 0
