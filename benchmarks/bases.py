"""Memory and time of every basis against D and d, and of trainings in the bases that reach large networks.

    python -m benchmarks.bases --out benchmarks/results/bases-cpu.json

A product with its gradient, of the sum of (w₀ + B θ)²: bytes of temporaries and of arguments are those that
the compiler gives for the compiled program; milliseconds are the median of some repetitions, absent where B
or the work would be too large for this machine. Then `resnet20` in d = 65,536 and `resnet18_64` in d = 4096,
each training in a process of its own beside one in the full space: seconds of a step, and the most memory
that the process ever held.
"""

import dataclasses
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import tyro

from benchmarks.workloads import processor

BASES = (
    "gaussian", "regenerated", "sparse", "srht", "fastfood",
    "blocks:srht",
)  # fmt: skip
WEIGHTS = {"conv2": 20_490, "resnet20": 272_474, "resnet18_64": 11_271_232}
TRAININGS = {
    "resnet20": ((32, 32, 3), 10, 128, 65_536, 20, ("fastfood", "srht", "sparse")),
    "resnet18_64": ((64, 64, 3), 200, 8, 4096, 5, ("fastfood", "srht", "sparse")),
}
"""Shape of an example, classes, batch, d, timed steps, bases."""


@dataclasses.dataclass(frozen=True)
class Options:
    """What to measure."""

    out: Path | None = None
    """File for the numbers."""
    bases: tuple[str, ...] = BASES
    """Bases of the products."""
    dims: tuple[int, ...] = (128, 4096, 65_536)
    """Dimensions d."""
    weights: tuple[int, ...] = tuple(WEIGHTS.values())
    """Numbers of weights D."""
    repeats: int = 5
    """Repetitions of a product."""
    most_bytes: float = 1e9
    """Bases of more bytes are compiled, not made."""
    most_draws: float = 2e8
    """Products of d · D dense numbers beyond this are compiled, not run."""
    trainings: bool = True
    """Whether to train."""
    note: str = ""
    """What else the machine did."""
    child: str = ""
    """Used by the processes of the trainings: `resnet20 srht`."""


def product(name: str, dim: int, size: int, options: Options) -> dict[str, Any] | None:
    """One basis at one d and D; None where d exceeds D."""
    import jax
    import jax.numpy as jnp

    from weightspace import compiler, tree
    from weightspace.models.layout import Layout, Leaf
    from weightspace.spaces.bases import make_basis
    from weightspace.streams import Keys, Seeds

    if dim > size:
        return None
    basis = make_basis(name, dim)
    side = int(size**0.5)
    cut = (side * side // 2, side * side - side * side // 2, size - side * side)
    layout = Layout(tuple(Leaf(f"{i}/kernel", (n,), "kernel", str(i), i) for i, n in enumerate(cut) if n))

    def make(seeds: Seeds) -> Any:
        return basis.make(Keys(seeds), size, layout, jnp.float32)

    def loss(theta: Any, arrays: Any, offset: Any) -> Any:
        return jnp.sum((offset + basis.combine(arrays, theta, size)) ** 2)

    seeds = jax.tree.map(jnp.uint32, Seeds(0))
    shapes = jax.eval_shape(make, seeds)
    vectors = [jax.ShapeDtypeStruct((n,), jnp.float32) for n in (dim, size)]
    compiled = compiler.jit(jax.grad(loss)).lower(vectors[0], shapes, vectors[1]).compile()
    memory = compiled.memory_analysis()
    row = {
        "basis": name, "d": dim, "D": size, "stored_bytes": tree.nbytes(shapes),
        "temporary_bytes": memory.temp_size_in_bytes, "argument_bytes": memory.argument_size_in_bytes,
    }  # fmt: skip
    dense = name in ("gaussian", "orthonormal", "regenerated")
    if row["stored_bytes"] > options.most_bytes or (dense and dim * size > options.most_draws):
        return row | {"ms": None, "make_s": None}
    began = time.perf_counter()
    arrays = jax.block_until_ready(compiler.jit(make)(seeds))
    made = time.perf_counter() - began
    theta, offset = jnp.ones(dim), jnp.ones(size)
    times = []
    for _ in range(options.repeats + 1):
        began = time.perf_counter()
        jax.block_until_ready(compiled(theta, arrays, offset))
        times.append(time.perf_counter() - began)
    return row | {"ms": 1e3 * sorted(times[1:])[options.repeats // 2], "make_s": made}


def factors(options: Options) -> list[dict[str, Any]]:
    """The transform with factors of other sizes, 1 bit being the log₂ n passes of the textbook."""
    import jax
    import jax.numpy as jnp

    from weightspace import compiler
    from weightspace.spaces.bases.hadamard import padded, transform

    rows = []
    for size in options.weights:
        x = jnp.ones(padded(size))
        row: dict[str, Any] = {"n": x.size}
        for bits in (1, 4, 5, 6, 7):
            turn = compiler.jit(lambda u, bits=bits: transform(u, bits))
            jax.block_until_ready(turn(x))
            times = []
            for _ in range(options.repeats):
                began = time.perf_counter()
                jax.block_until_ready(turn(x))
                times.append(time.perf_counter() - began)
            row[f"ms_{bits}_bits"] = 1e3 * sorted(times)[options.repeats // 2]
        rows.append(row)
    return rows


def training(model: str, basis: str) -> dict[str, Any]:
    """Steps of one training, in this process: seconds of one, and the most memory held."""
    import numpy as np

    from weightspace.bench import ENDLESS, Timer
    from weightspace.data import from_arrays
    from weightspace.data.base import Data
    from weightspace.data.task import Task
    from weightspace.models.zoo import make
    from weightspace.recipes.base import Recipe
    from weightspace.recipes.losses import CrossEntropy
    from weightspace.recipes.optimisers import Adam
    from weightspace.run import Run
    from weightspace.spaces.affine import Affine
    from weightspace.spaces.bases import make_basis
    from weightspace.spaces.full import Full
    from weightspace.streams import Seeds

    shape, classes, batch, dim, steps, _ = TRAININGS[model]
    draw = np.random.default_rng(0)
    x = draw.integers(0, 256, (4 * batch + classes, *shape), dtype=np.uint8)
    y = np.concatenate([np.arange(classes), draw.integers(0, classes, 4 * batch)])
    task = Task(Data(from_arrays(x, y, x[:classes], y[:classes], name="noise")), CrossEntropy())
    space = Full() if basis == "full" else Affine(make_basis(basis, dim))

    def run(seed: int) -> Run:
        made = make(model, shape, classes)
        return Run(made, task, space, Recipe(Adam(0.01), ENDLESS, batch=batch), Seeds(seed))

    timer = Timer(run, 1)
    seconds = timer.seconds_per_run_step(steps)
    return {
        "model": model, "basis": basis, "d": dim if basis != "full" else None, "batch": batch,
        "steps": steps, "ms_a_step": 1e3 * seconds,
        "peak_bytes": peak_bytes(),
    }  # fmt: skip


def peak_bytes() -> int:
    """The most memory that this process held (Linux). What `getrusage` gives is also of its parent's time."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


def trainings() -> list[dict[str, Any]]:
    """All trainings, each in a process of its own, and their memory beyond that of the full space."""
    rows = []
    for model, (*_, bases) in TRAININGS.items():
        full = None
        for basis in ("full", *bases):
            command = [sys.executable, "-m", "benchmarks.bases", "--child", f"{model} {basis}"]
            said = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE)
            row = json.loads(said.stdout.splitlines()[-1])
            full = full or row
            row["bytes_beyond_full"] = row["peak_bytes"] - full["peak_bytes"]
            row["ms_beyond_full"] = row["ms_a_step"] - full["ms_a_step"]
            rows.append(row)
            print(row, flush=True)
    return rows


def main(options: Options) -> None:
    """Measure all, print each row, write the file."""
    from weightspace import platform

    platform.use_cpu_devices()
    if options.child:
        model, basis = options.child.split()
        print(json.dumps(training(model, basis)))
        return
    import jax

    rows = []
    for size in options.weights:
        for dim in options.dims:
            for name in options.bases:
                row = product(name, dim, size, options)
                if row is not None:
                    rows.append(row)
                    print(row, flush=True)
    turned = factors(options)
    print(turned, flush=True)
    summary = {
        "command": "python -m benchmarks.bases", "date": time.strftime("%Y-%m-%d"),
        "hardware": f"{os.cpu_count()} cores, {processor()}", "note": options.note,
        "versions": {"jax": jax.__version__, "python": sys.version.split()[0]},
        "products": rows, "transform": turned,
        "trainings": trainings() if options.trainings else [],
    }  # fmt: skip
    if options.out:
        options.out.write_text(json.dumps(summary, indent=1) + "\n")


if __name__ == "__main__":
    main(tyro.cli(Options))
