"""What a newcomer wants to be told at the end of a run: how to go on, and why a network may be at chance.

Statistics: a leaf s of a network's state becomes m s + (1 - m) b in a step, so that after t steps a share m^t
of it is what it was before training. Where that is much and accuracies at test time are those of guessing,
they say nothing of the weights.
"""

import shlex
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from weightspace.experiments.base import Experiment

_LEFT = 0.25
"""The share of the first statistics that is much."""
_GUESSING = 1.5
"""At most so many times the accuracy of guessing counts as guessing."""
_LONGEST = 2_000
"""After so many steps nobody's momentum leaves much."""
_FAR = 2.0**20


def after(
    experiment: Experiment, options: Any, command: Sequence[str], tables: Collection[str]
) -> Iterator[str]:
    """The next two commands: a larger preset, or the published numbers, and the table for other programs.

    Args:
      experiment: What was run.
      options: How.
      command: The words of `weightspace run NAME …`; of other commands only the table follows.
      tables: The names of its answers.
    """
    if list(command[1:2]) == ["run"]:
        larger = _larger(experiment, options, command)
        yield f"next    {larger or f'weightspace compare {_quoted(options.out)}'}"
    table = next(iter(tables), "summary")
    yield f"next    weightspace results {_quoted(options.out)} --table {table} --format csv --to {table}.csv"


def _quoted(path: Any) -> str:
    return shlex.quote(str(path))


def _larger(experiment: Experiment, options: Any, command: Sequence[str]) -> str:
    """The same command with the next preset; empty after the last."""
    from weightspace.experiments.minutes import took

    presets = list(experiment.presets)
    later = presets[presets.index(options.preset) + 1 :] if options.preset in presets else []
    if not later:
        return ""
    words = iter(command)
    rest: list[str] = []
    for word in words:
        if word == "--preset":
            next(words, None)
        elif not word.startswith("--preset="):
            rest.append(word)
    found = took(type(experiment), later[0])
    minutes = f"  # {found.minutes:g} min measured on {found.cores} cores" if found and len(rest) <= 3 else ""
    return shlex.join([*rest, "--preset", later[0]]) + minutes


def of_statistics(runs: Iterable[Any], table: Any) -> list[str]:
    """A sentence for each network whose running statistics are young and whose test accuracy is of guessing.

    Args:
      runs: Trainings.
      table: Rows with `run` and `test_accuracy`.
    """
    said: dict[str, str] = {}
    accuracy = _last(table)
    for run in runs:
        name, classes = run.model.name, run.task.data.classes
        found = accuracy.get(run.digest)
        if name in said or not classes or found is None or found > _GUESSING / classes:
            continue
        steps = run.recipe.steps(run.task.data.size)
        momentum = _momentum(run) if steps <= _LONGEST else 0.0
        if momentum**steps >= _LEFT:
            said[name] = (
                f"hint    after {steps} steps {momentum**steps:.0%} of the running statistics of {name} is "
                f"what they were before training (momentum {momentum:.3g}), so that test accuracies near "
                f"1/{classes} say little of its weights; train longer, give its normalisation a smaller "
                "momentum, or measure with Evaluation(statistics='recalibrated')"
            )
    return list(said.values())


def _last(table: Any) -> dict[str, float]:
    if not {"run", "test_accuracy"} <= {*table}:
        return {}
    there = table.dropna(subset=["test_accuracy"])
    return dict(zip(there["run"], there["test_accuracy"].astype(float), strict=True))


def _momentum(run: Any) -> float:
    """The largest m of a network's state; 0 where nothing of it goes by the rule."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from weightspace.models.base import example

    data, key = run.task.data, jax.random.key(0, impl="threefry2x32")
    one = example(tuple(data.shape), data.input_dtype("float32"))
    if not jax.tree.leaves(jax.eval_shape(run.model.init, key, one)[1]):
        return 0.0
    x = jnp.zeros((2, *one.shape[1:]), one.dtype)
    weights, state = run.model.init(key, x)

    def floating(leaf: Any) -> bool:
        return jnp.issubdtype(leaf.dtype, jnp.floating)

    def stepped(by: float) -> list[Any]:
        moved = jax.tree.map(lambda s: s + jnp.asarray(by, s.dtype) if floating(s) else s, state)
        new = run.model.apply(weights, moved, x, train=True, key=key)[1]
        return [leaf for leaf in jax.tree.leaves(new) if floating(leaf)]

    pairs = zip(stepped(0.0), stepped(_FAR), strict=True)
    found = [float(np.min(np.asarray(far - near)) / _FAR) for near, far in pairs if near.size]
    return max((m for m in found if 0 < m < 1), default=0.0)
