"""Masks on untrained weights after a plain training loop: a cross-check of `tickets.at-init`, on MNIST.

    python -m benchmarks.at_init_plain --out benchmarks/results/at-init-plain.json

The initial weights of `fc` are this project's, seed by seed; everything after them is written anew: NumPy's
shuffles, an optax loop of 55 epochs, signed magnitudes ranked by NumPy, and a NumPy network under 25 one-shot
masks. Each seed is trained with several data orders, so that what the order alone does can be seen.
"""

import dataclasses
import json
import os
import time
from pathlib import Path

import numpy as np
import tyro

from weightspace import platform

BATCH, TRAIN, LEVELS = 60, 55_000, 25
KEPT = (0.8, 0.8, 0.9)


@dataclasses.dataclass(frozen=True)
class Options:
    """What to train."""

    out: Path | None = None
    """File for the numbers."""
    seeds: int = 3
    """Initialisations."""
    orders: int = 2
    """Trainings of each."""
    epochs: int = 55
    """Passes over the training data."""


def main(options: Options) -> None:
    """Train, evaluate, print and write."""
    platform.start()
    import jax
    import optax

    from benchmarks.workloads import processor

    x, y, test_x, test_y = images()
    found = []
    for seed in range(options.seeds):
        initial = initial_weights(seed)
        for order in range(options.orders):
            began, draw = time.perf_counter(), np.random.default_rng([seed, order])
            final = trained(initial, x, y, draw, options.epochs)
            curve = accuracies(initial, final, test_x, test_y, draw)
            line = {"seed": seed, "order": order, "seconds": round(time.perf_counter() - began)}
            found.append(line | {"dense": accuracy(final, test_x, test_y)} | best(curve))
            print(found[-1], flush=True)
    report = {
        "command": "python -m benchmarks.at_init_plain",
        "hardware": f"{os.cpu_count()} cores, {processor()}",
        "versions": {"jax": jax.__version__, "optax": optax.__version__, "numpy": np.__version__},
        "epochs": options.epochs,
        "runs": found,
    }
    for name in ("initial", "signed"):
        values = np.array([line[name] for line in found])
        report[name] = {"mean": values.mean(), "sd": values.std(ddof=1), "n": len(values)}
    print(json.dumps({name: report[name] for name in ("initial", "signed")}, indent=1))
    if options.out:
        options.out.write_text(json.dumps(report, indent=1) + "\n")


def images() -> tuple[np.ndarray, ...]:
    """MNIST as rows in [0, 1], with labels: training, then test."""
    from weightspace.data import make_data

    arrays = make_data("mnist").arrays()
    x, y, test_x, test_y = map(np.asarray, (*arrays.train, *arrays.test))
    return rows(x), y, rows(test_x), test_y


def rows(x: np.ndarray) -> np.ndarray:
    """Pixels of an image as one row."""
    return x.reshape(len(x), -1).astype(np.float32) / 255


def initial_weights(seed: int) -> list[np.ndarray]:
    """The kernels that a run of this seed starts from; its biases are zero."""
    import jax.numpy as jnp

    from weightspace.models.zoo import make
    from weightspace.streams import Keys, Seeds, Stream
    from weightspace.tree import flat_dict

    model = make("fc:initialiser=glorot_normal", (28, 28, 1), 10)
    with platform.arithmetic("float32", "highest"):
        weights, _ = model.init(Keys(Seeds(seed))(Stream.INIT), jnp.zeros((1, 28, 28, 1), jnp.float32))
    found = flat_dict(weights)
    return [np.asarray(found[path]) for path in ("hidden/0/kernel", "hidden/1/kernel", "output/kernel")]


def network(layers, x, relu):
    """Logits of a fully connected network."""
    for place, (kernel, bias) in enumerate(layers):
        x = x @ kernel + bias
        x = relu(x) if place < len(layers) - 1 else x
    return x


def trained(initial: list[np.ndarray], x, y, draw: np.random.Generator, epochs: int) -> list[tuple]:
    """The layers after training by Adam, in an order of NumPy's."""
    import jax
    import jax.numpy as jnp
    import optax

    optimiser = optax.adam(1.2e-3)
    layers = [(jnp.asarray(kernel), jnp.zeros(kernel.shape[1])) for kernel in initial]
    images, labels = jnp.asarray(x), jnp.asarray(y)

    def loss(layers, i):
        logits = network(layers, images[i], jax.nn.relu)
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels[i]).mean()

    def step(carry, i):
        layers, state = carry
        update, state = optimiser.update(jax.grad(loss)(layers, i), state, layers)
        return (optax.apply_updates(layers, update), state), None

    epoch = jax.jit(lambda carry, order: jax.lax.scan(step, carry, order)[0])
    chosen = draw.permutation(len(x))[:TRAIN]
    carry = (layers, optimiser.init(layers))
    for _ in range(epochs):
        order = draw.permutation(chosen)[: TRAIN // BATCH * BATCH].reshape(-1, BATCH)
        carry = epoch(carry, jnp.asarray(order))
    return [(np.asarray(kernel), np.asarray(bias)) for kernel, bias in carry[0]]


def accuracy(layers, x, y) -> float:
    """Share of examples told right."""
    logits = network(layers, x, lambda h: np.maximum(h, 0))
    return float((logits.argmax(1) == y).mean())


def accuracies(initial, final, x, y, draw: np.random.Generator) -> list[tuple[float, float]]:
    """At each level, under the mask of the largest final weights of unchanged sign: as drawn, and signed."""
    found = []
    for power in range(LEVELS):
        masks = []
        for before, (after, _), kept in zip(initial, final, KEPT, strict=True):
            score = np.where(np.sign(before) == np.sign(after), np.abs(after), 0).ravel()
            order = np.lexsort((draw.random(score.size), score))[::-1]
            mask = np.zeros(score.size, bool)
            mask[order[: round(score.size * kept**power)]] = True
            masks.append(mask.reshape(before.shape))
        pairs = list(zip(initial, masks, strict=True))
        plain = [(w * mask, np.zeros(w.shape[1])) for w, mask in pairs]
        signed = [(np.sign(w) * w.std() * mask, np.zeros(w.shape[1])) for w, mask in pairs]
        found.append((accuracy(plain, x, y), accuracy(signed, x, y)))
    return found


def best(curve: list[tuple[float, float]]) -> dict[str, float]:
    """The greatest accuracies over the levels."""
    initial, signed = np.array(curve).max(0)
    return {"initial": float(initial), "signed": float(signed)}


if __name__ == "__main__":
    main(tyro.cli(Options))
