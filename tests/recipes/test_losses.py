import jax
import jax.numpy as jnp
import numpy as np
import pytest

from weightspace.data import Data, from_arrays
from weightspace.errors import InputError
from weightspace.recipes.custom import custom_loss
from weightspace.recipes.losses import (
    BinaryCrossEntropy,
    CrossEntropy,
    SquaredError,
    make_loss,
    names,
)

RNG = np.random.default_rng(0)
BATCH, CLASSES = 7, 5
LOGITS = jnp.asarray(RNG.normal(size=(BATCH, CLASSES)).astype(np.float32)) * 3
LABELS = jnp.asarray(RNG.integers(0, CLASSES, BATCH), jnp.int32)
ONE = jnp.asarray(RNG.normal(size=BATCH).astype(np.float32)) * 3
BITS = jnp.asarray([0, 1, 1, 0, 1, 0, 0], jnp.int32)
REAL = jnp.asarray(RNG.normal(size=(BATCH, 2)).astype(np.float32))


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WEIGHTSPACE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def absolute(outputs, y):
    return jnp.abs(outputs - y.astype(outputs.dtype)).reshape(outputs.shape[0], -1).sum(axis=1)


MEMBERS = [
    (CrossEntropy(), LOGITS, LABELS),
    (CrossEntropy(0.1), LOGITS, LABELS),
    (BinaryCrossEntropy(), ONE, BITS),
    (BinaryCrossEntropy(0.5), ONE[:, None], BITS),
    (SquaredError(), REAL + 1, REAL),
    (SquaredError(0.5), ONE[:, None], REAL[:, 0]),
    (SquaredError(), ONE, BITS),
    (custom_loss(absolute), REAL + 1, REAL),
]


@pytest.mark.parametrize(("loss", "outputs", "y"), MEMBERS)
class TestBattery:
    def test_one_finite_float_an_example(self, loss, outputs, y):
        values = jax.jit(loss)(outputs, y)
        assert values.shape == (BATCH,)
        assert values.dtype == jnp.float32
        assert np.isfinite(values).all()

    def test_examples_do_not_mix(self, loss, outputs, y):
        whole = loss(outputs, y)
        halves = jnp.concatenate([loss(outputs[:3], y[:3]), loss(outputs[3:], y[3:])])
        assert np.allclose(whole, halves, rtol=1e-6)

    def test_metrics_are_one_number_an_example(self, loss, outputs, y):
        for name, value in loss.metrics(outputs, y).items():
            assert value.shape == (BATCH,), name
            assert jnp.issubdtype(value.dtype, jnp.floating)
        assert np.array_equal(loss.metrics(outputs, y)["loss"], loss(outputs, y))

    def test_gradients_are_those_of_finite_differences(self, loss, outputs, y):
        with jax.enable_x64(True):
            wide = jnp.asarray(np.asarray(outputs), jnp.float64)
            direction = jnp.asarray(RNG.normal(size=outputs.shape))
            slope = jax.jvp(lambda at: loss(at, y), (wide,), (direction,))[1]
            step = 1e-6
            ahead, behind = loss(wide + step * direction, y), loss(wide - step * direction, y)
            assert np.allclose(slope, (ahead - behind) / (2 * step), rtol=1e-5, atol=1e-8)

    def test_the_derivative_by_the_prediction_times_its_slope_is_that_by_the_output(self, loss, outputs, y):
        """ε = ‖∂ℓ/∂ŷ‖, and ‖∂ℓ/∂f‖ = ε |∂ŷ/∂f|, as each prediction depends on its own output alone."""
        slope = jax.grad(lambda at: loss(at, y).sum())(outputs).reshape(BATCH, -1)
        turned = jax.grad(lambda at: loss.predicted(at).sum())(outputs).reshape(BATCH, -1)
        size = loss.derivative(outputs, y)
        assert size.shape == (BATCH,)
        norms = jnp.sqrt(jnp.sum((slope / turned) ** 2, axis=1))
        assert np.allclose(size, norms, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("factor", [1.0, 0.5])
def test_the_derivative_of_bce_is_one_over_the_probability_of_the_label(factor):
    p = jnp.asarray([0.5, 0.25, 0.9, 0.01], jnp.float32)
    f = jnp.log(p / (1 - p))
    ones, zeros = jnp.ones(4, jnp.int32), jnp.zeros(4, jnp.int32)
    loss = BinaryCrossEntropy(factor)
    assert np.allclose(loss.predicted(f), p, rtol=1e-5)
    assert np.allclose(loss.derivative(f, ones), factor * np.array([2, 4, 10 / 9, 100]), rtol=1e-4)
    assert np.allclose(loss.derivative(f, zeros), factor * np.array([2, 4 / 3, 10, 100 / 99]), rtol=1e-4)
    # The original divides by p where it should multiply: for a sure and right prediction ε is the factor.
    assert np.allclose(loss.derivative(jnp.full(4, 30.0), ones), factor)


@pytest.mark.parametrize("factor", [1.0, 0.5])
def test_the_derivative_of_squares_is_the_error(factor):
    """2 · factor · |f - y| for one output; the mean over k outputs makes it 2 · factor · ‖f - y‖ / k."""
    loss = SquaredError(factor)
    assert np.allclose(loss.derivative(ONE, REAL[:, 0]), 2 * factor * jnp.abs(ONE - REAL[:, 0]), rtol=1e-6)
    apart = REAL + jnp.asarray([[3.0, 4.0]])
    assert np.allclose(loss.derivative(apart, REAL), factor * 5, rtol=1e-5)
    assert np.array_equal(loss.predicted(ONE), ONE)
    assert np.array_equal(loss.derivative(ONE, ONE), np.zeros(BATCH))


def test_the_derivative_of_cross_entropy_is_the_distance_of_softmax_and_target():
    target = np.eye(CLASSES)[LABELS]
    expected = np.linalg.norm(jax.nn.softmax(LOGITS) - target, axis=1)
    assert np.allclose(CrossEntropy().derivative(LOGITS, LABELS), expected, atol=1e-6)


def test_cross_entropy_of_equal_outputs_is_log_k():
    assert np.allclose(CrossEntropy()(jnp.zeros_like(LOGITS), LABELS), np.log(CLASSES))


def test_gradient_of_cross_entropy_is_softmax_minus_target():
    for smoothing in (0.0, 0.3):
        gradient = jax.grad(lambda at, s=smoothing: CrossEntropy(s)(at, LABELS).sum())(LOGITS)
        target = (1 - smoothing) * np.eye(CLASSES)[LABELS] + smoothing / CLASSES
        assert np.allclose(gradient, jax.nn.softmax(LOGITS) - target, atol=1e-6)


def test_smoothing_mixes_the_label_with_all_classes():
    log_p = jax.nn.log_softmax(LOGITS)
    hard, spread = CrossEntropy()(LOGITS, LABELS), -log_p.mean(axis=1)
    assert np.allclose(CrossEntropy(0.2)(LOGITS, LABELS), 0.8 * hard + 0.2 * spread, atol=1e-5)


def test_smoothing_may_differ_from_run_to_run():
    rates = np.array([0.0, 0.1], np.float32)
    stacked = jax.tree.map(lambda *leaves: jnp.asarray(np.stack(leaves)), *map(CrossEntropy, rates.tolist()))
    together = jax.jit(jax.vmap(lambda loss: loss(LOGITS, LABELS)))(stacked)
    for row, rate in enumerate(rates.tolist()):
        assert np.allclose(together[row], CrossEntropy(rate)(LOGITS, LABELS), rtol=1e-6)


def test_binary_is_cross_entropy_with_one_output_fixed_at_zero():
    two = jnp.stack([jnp.zeros_like(ONE), ONE], axis=1)
    assert np.allclose(BinaryCrossEntropy()(ONE, BITS), CrossEntropy()(two, BITS), atol=1e-6)
    metrics, same = BinaryCrossEntropy().metrics(ONE, BITS), CrossEntropy().metrics(two, BITS)
    assert np.array_equal(metrics["accuracy"], same["accuracy"])


def test_loss_derivative_factors():
    """ε = |∂ℓ/∂ŷ| before the sigmoid: |σ(f) - y| for bce, |f - y| for mse/2; halved with half the factor."""
    slope = jax.vmap(jax.grad(lambda f, y: BinaryCrossEntropy(0.5)(f[None], y[None])[0]))(ONE, BITS)
    assert np.allclose(slope, (jax.nn.sigmoid(ONE) - BITS.astype(jnp.float32)) / 2, atol=1e-6)
    slope = jax.vmap(jax.grad(lambda f, y: SquaredError(0.5)(f[None], y[None])[0]))(ONE, REAL[:, 0])
    assert np.allclose(slope, ONE - REAL[:, 0], atol=1e-6)


def test_squared_error_is_a_mean_over_outputs():
    assert np.allclose(SquaredError()(REAL + jnp.asarray([[1.0, 3.0]]), REAL), 5)
    assert np.allclose(SquaredError(0.5)(REAL[:, :1] + 2, REAL[:, 0]), 2, atol=1e-5)


def test_accuracy_counts_what_is_right():
    right = jax.nn.one_hot(LABELS, CLASSES)
    assert CrossEntropy().metrics(right, LABELS)["accuracy"].tolist() == [1] * BATCH
    wrong = jnp.roll(right, 1, axis=1)
    assert CrossEntropy().metrics(wrong, LABELS)["accuracy"].tolist() == [0] * BATCH
    sign = jnp.asarray([-1, 1, -1, -1, 2, 3, -0.5], jnp.float32)
    assert BinaryCrossEntropy().metrics(sign, BITS)["accuracy"].tolist() == [1, 1, 0, 1, 1, 0, 1]
    near = jnp.asarray([0.4, 0.6, 0.4, -2, 3, 0.7, 0], jnp.float32)
    assert SquaredError().metrics(near, BITS)["accuracy"].tolist() == [1, 1, 0, 1, 1, 0, 1]
    assert set(SquaredError().metrics(REAL, REAL)) == {"loss"}


def test_low_precision_outputs_are_judged_in_float32():
    for loss, outputs, y in MEMBERS[:7]:
        low = outputs.astype(jnp.bfloat16)
        assert np.array_equal(loss(low, y), loss(low.astype(jnp.float32), y))


def test_large_outputs_stay_finite():
    assert np.isfinite(CrossEntropy()(LOGITS * 1e4, LABELS)).all()
    assert np.isfinite(BinaryCrossEntropy()(ONE * 1e4, BITS)).all()


X = np.arange(40, dtype=np.float32).reshape(20, 2)
SETS = {
    "ten": np.arange(20) % 10,
    "two": np.arange(20) % 2,
    "real": np.linspace(0, 1, 20, dtype=np.float32),
    "bits": (np.arange(20) % 2).astype(np.float32),
    "pairs": X,
}
FITS = [
    (CrossEntropy(), "ten", (10,), None),
    (CrossEntropy(), "two", (2,), None),
    (CrossEntropy(), "ten", (9,), "takes 10 outputs"),
    (CrossEntropy(), "ten", (), "takes 10 outputs"),
    (CrossEntropy(), "real", (1,), "real targets"),
    (BinaryCrossEntropy(), "two", (1,), None),
    (BinaryCrossEntropy(), "two", (), None),
    (BinaryCrossEntropy(), "bits", (1,), None),
    (BinaryCrossEntropy(), "two", (2,), "one output"),
    (BinaryCrossEntropy(), "ten", (1,), "10 classes"),
    (BinaryCrossEntropy(), "real", (1,), "not all 0 or 1"),
    (BinaryCrossEntropy(), "pairs", (1,), "not all 0 or 1"),
    (SquaredError(), "real", (1,), None),
    (SquaredError(), "real", (), None),
    (SquaredError(), "pairs", (2,), None),
    (SquaredError(), "two", (1,), None),
    (SquaredError(), "pairs", (1,), "takes 2 outputs"),
    (SquaredError(), "real", (3,), "takes 1 outputs"),
    (SquaredError(), "two", (2,), "one output"),
    (SquaredError(), "ten", (10,), "10 classes"),
]


@pytest.mark.parametrize(("loss", "name", "shape", "message"), FITS)
def test_targets_and_outputs_are_checked(loss, name, shape, message):
    data = Data(from_arrays(X, SETS[name], name=name))
    if message is not None:
        with pytest.raises(InputError, match=message):
            loss.check(data, shape)
        return
    loss.check(data, shape)
    assert loss.width(data) == int(np.prod(shape))
    values = loss(jnp.ones((3, *shape)), jnp.asarray(data.arrays().train.y[:3]))
    assert values.shape == (3,)


def test_names():
    for name in names():
        assert make_loss(name).name == name
    assert make_loss("cross_entropy", smoothing=0.1) == CrossEntropy(0.1)
    assert make_loss("mse", factor=0.5) == SquaredError(0.5)
    with pytest.raises(InputError, match="did you mean 'cross-entropy'"):
        make_loss("crossentropy")
    with pytest.raises(InputError, match="did you mean 'factor'"):
        make_loss("bce", faktor=1)


def test_numbers_are_checked():
    for make, message in (
        (lambda: CrossEntropy(1.2), "label smoothing is 1.2"),
        (lambda: BinaryCrossEntropy(0), "factor of bce is 0"),
        (lambda: SquaredError(-1), "factor of mse is -1"),
    ):
        with pytest.raises(InputError, match=message):
            make()
