"""Twenty-one networks in one reading of the data, against twenty-one readings, in turn.

    python -m benchmarks.points --out benchmarks/results/points-cpu.json

Both ways are compiled before they are timed. What is quoted is the ratio of the medians. `--cold 3` times
instead what a first answer takes, compilation included: a program with one loop over the data for all
networks against one that measures them one after the other, a loop each, as programs did that measured points
by name.
"""

import dataclasses
import json
import time
from pathlib import Path

import tyro

from benchmarks.workloads import processor


@dataclasses.dataclass(frozen=True)
class Options:
    """What to time."""

    out: Path | None = None
    """File for the numbers."""
    points: int = 21
    """Networks."""
    rounds: int = 9
    """Alternations of both ways."""
    cold: int = 0
    """Alternations of first answers; 0 times compiled programs."""
    models: tuple[str, ...] = ("fc:widths=16", "mlp", "resnet20:widths=4,8,blocks=1", "conv2")
    """Networks of the zoo, on digits."""


def row(name: str, statistics: str, options: Options) -> dict:
    """One network and kind of statistics."""
    import jax
    import numpy as np

    from weightspace.data import make_data
    from weightspace.data.task import Task
    from weightspace.measure.host import measure, stacked
    from weightspace.measure.network import Network, Subject
    from weightspace.models.zoo import make
    from weightspace.recipes.losses import CrossEntropy
    from weightspace.streams import Keys, Seeds, Stream

    task = Task(make_data("digits"), CrossEntropy())
    model = make(name, task.data.shape, task.outputs)
    subject = Subject(model, task, Seeds(0))
    blank = np.zeros((1, *task.data.shape), np.float32)
    networks = [Network(*model.init(Keys(Seeds(s))(Stream.INIT), blank)) for s in range(options.points)]
    together, alone = stacked(networks), [stacked([one]) for one in networks]
    splits = {"train": None, "test": None}

    def once() -> dict:
        return measure(subject, together, splits, statistics)

    def each() -> dict:
        found = [measure(subject, one, splits, statistics) for one in alone]
        return {key: np.concatenate([values[key] for values in found]) for key in found[0]}

    ways = {"together": once, "alone": each}
    found = {key: way() for key, way in ways.items()}
    times: dict[str, list[float]] = {key: [] for key in ways}
    for _ in range(options.rounds):
        for key, way in ways.items():
            began = time.perf_counter()
            way()
            times[key].append(time.perf_counter() - began)
    medians = {key: float(np.median(taken)) for key, taken in times.items()}
    differ = max(float(np.abs(found["together"][k] - found["alone"][k]).max()) for k in found["alone"])
    size = sum(a.size for a in jax.tree.leaves(networks[0].weights))
    return {
        "model": name, "statistics": statistics, "weights": size,
        "together_s": medians["together"], "alone_s": medians["alone"],
        "alone_over_together": medians["alone"] / medians["together"], "largest_difference": differ,
    }  # fmt: skip


def cold_row(name: str, statistics: str, options: Options) -> dict:
    """First answers of one network and kind of statistics, programs compiled anew each time."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from weightspace import compiler, platform
    from weightspace.data import make_data
    from weightspace.data.order import spread_order
    from weightspace.data.task import Task
    from weightspace.measure.evaluate import evaluate, together
    from weightspace.measure.host import stacked
    from weightspace.measure.network import Network, Part, Subject
    from weightspace.measure.recalibrate import recalibrated
    from weightspace.models.zoo import make
    from weightspace.recipes.losses import CrossEntropy
    from weightspace.streams import Keys, Seeds, Stream

    task = Task(make_data("digits"), CrossEntropy())
    subject = Subject(make(name, task.data.shape, task.outputs), task, Seeds(0))
    blank = np.zeros((1, *task.data.shape), np.float32)
    inits = [Keys(Seeds(s))(Stream.INIT) for s in range(options.points)]
    networks = [Network(*subject.model.init(init, blank)) for init in inits]
    arrays, spread = task.data.arrays(), spread_order(task.data.size)

    def measured(network: Network, shared: object) -> dict:
        data = jax.tree.map(jnp.asarray, shared)
        decode = lambda x: task.data.decode(data, x, jnp.float32)  # noqa: E731
        parts = {
            "train": Part(data.train.x, data.train.y, jnp.asarray(spread)),
            "test": Part(*data.test, None),
        }
        if statistics == "recalibrated":
            renew = lambda one: recalibrated(subject, one, part=parts["train"], decode=decode)  # noqa: E731
            network = network._replace(state=together(renew, network))
        return {
            split: evaluate(subject, network, part, decode, jnp.int32(part.size), by_batch=False, many=True)
            for split, part in parts.items()
        }

    def unrolled(each: list, shared: object) -> list:
        return [measured(one, shared) for one in each]

    given = {"together": stacked(networks), "unrolled": [stacked([one]) for one in networks]}
    times: dict[str, list[float]] = {key: [] for key in given}
    with platform.arithmetic("float32", "highest"):
        for _ in range(options.cold):
            for key, function in {"together": measured, "unrolled": unrolled}.items():
                jax.clear_caches()
                began = time.perf_counter()
                jax.block_until_ready(compiler.jit(function)(given[key], arrays))
                times[key].append(time.perf_counter() - began)
    medians = {key: float(np.median(taken)) for key, taken in times.items()}
    ratio = medians["unrolled"] / medians["together"]
    seconds = {f"{key}_s": value for key, value in medians.items()}
    return {"model": name, "statistics": statistics} | seconds | {"unrolled_over_together": ratio}


def main(options: Options) -> None:
    """Time all rows, print each, write the file."""
    from weightspace import platform
    from weightspace.store.provenance import collect

    platform.use_cpu_devices()
    rows = []
    for name in options.models:
        for statistics in ("running", "recalibrated") if name.startswith("resnet") else ("running",):
            rows.append((cold_row if options.cold else row)(name, statistics, options))
            print({k: round(v, 5) if isinstance(v, float) else v for k, v in rows[-1].items()}, flush=True)
    if options.out:
        summary = {
            "command": f"python -m benchmarks.points --cold {options.cold}",
            "date": time.strftime("%Y-%m-%d"),
            "processor": processor(), "versions": collect([])["versions"], "points": options.points,
            "rounds": options.cold or options.rounds, "rows": rows,
        }  # fmt: skip
        options.out.write_text(json.dumps(summary, indent=1) + "\n")


if __name__ == "__main__":
    main(tyro.cli(Options))
