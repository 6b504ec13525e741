"""Ways to compute a 3 × 3 convolution in plain JAX on one core: seconds of a loop's turn, and errors.

    taskset -c 0 python -m benchmarks.convolutions

Each way gives outputs and, by its own derivative, both gradients, in a compiled loop as trainings are.
Winograd's F(m × m, 3 × 3) makes m × m outputs of a (m + 2) × (m + 2) tile with (m + 2)² products a pair of
channels, instead of 9 m². Seconds are the processor's, so that other work on the machine counts little.
"""

import dataclasses
import functools
import json
import time
from pathlib import Path

import tyro


@dataclasses.dataclass(frozen=True)
class Options:
    """What to time."""

    rounds: int = 5
    """Turns of each way."""
    out: Path | None = None
    """File for the numbers."""


SHAPES = {
    "16 to 16, 32 × 32": (128, 32, 16, 16),
    "32 to 32, 16 × 16": (128, 16, 32, 32),
    "64 to 64, 8 × 8": (128, 8, 64, 64),
    "16 to 32, 14 × 14": (128, 14, 16, 32),
    "64 to 64, 32 × 32": (60, 32, 64, 64),
}
"""Examples, side, channels taken and made."""
ROWS = {
    2: ([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]],
        [[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]],
        [[1, 1, 1, 0], [0, 1, -1, -1]]),
    4: ([[4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0],
         [0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1]],
        [[1 / 4, 0, 0], [-1 / 6, -1 / 6, -1 / 6], [-1 / 6, 1 / 6, -1 / 6],
         [1 / 24, 1 / 12, 1 / 6], [1 / 24, -1 / 12, 1 / 6], [0, 0, 1]],
        [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]),
}  # fmt: skip
"""By m, the matrices Bᵀ, G and Aᵀ: outputs Aᵀ[(G k Gᵀ) ⊙ (Bᵀ d B)]A (Lavin & Gray, 2016)."""


def ways():
    """Name -> function of images and kernel."""
    import jax.numpy as jnp
    from jax import lax

    from weightspace.models.convolution import convolution

    def ours(x, k):
        return convolution(x, k, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))

    def padded(x):
        return jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))

    def windows(x):
        side, wide = x.shape[1], padded(x)
        return [wide[:, i : i + side, j : j + side] for i in range(3) for j in range(3)]

    def shifted(x, k):
        taps = k.reshape(9, *k.shape[2:])
        return functools.reduce(jnp.add, [part @ tap for part, tap in zip(windows(x), taps, strict=True)])

    def patches(x, k):
        return jnp.concatenate(windows(x), 3) @ k.reshape(-1, k.shape[3])

    def channel_major(x, k):
        columns = jnp.stack([part.transpose(3, 0, 1, 2) for part in windows(x)])
        columns = columns.reshape(9 * x.shape[3], -1)
        y = k.reshape(-1, k.shape[3]).T @ columns
        return y.reshape(k.shape[3], *x.shape[:3]).transpose(1, 2, 3, 0)

    def blocked(way, examples, x, k):
        parts = x.reshape(-1, examples, *x.shape[1:])
        return lax.map(lambda part: way(part, k), parts).reshape(*x.shape[:3], k.shape[3])

    def combine(matrix, parts):
        made = []
        for row in matrix:
            terms = [
                p if c == 1 else p * jnp.asarray(c, p.dtype) for c, p in zip(row, parts, strict=True) if c
            ]
            made.append(functools.reduce(jnp.add, terms))
        return made

    def winograd(m, x, k):
        n, side, _, taken = x.shape
        made, tiles = k.shape[3], -(-side // m)
        b, g, a = ROWS[m]
        reach = m * tiles
        wide = jnp.pad(x, ((0, 0), (1, reach + 1 - side), (1, reach + 1 - side), (0, 0)))
        rows = combine(b, [wide[:, i : i + reach : m][:, :tiles] for i in range(m + 2)])
        points = [
            p
            for row in rows
            for p in combine(b, [row[:, :, j : j + reach : m][:, :, :tiles] for j in range(m + 2)])
        ]
        v = jnp.stack([p.reshape(-1, taken) for p in points])
        u = jnp.stack([p for row in combine(g, list(k)) for p in combine(g, list(row))])
        product = lax.dot_general(v, u, (((2,), (1,)), ((0,), (0,))))
        grid = product.reshape(m + 2, m + 2, n, tiles, tiles, made)
        down = combine(a, list(grid))
        y = jnp.stack([jnp.stack(combine(a, list(row)), 3) for row in down], 2)
        return y.reshape(n, reach, reach, made)[:, :side, :side]

    yield "as it is", ours
    yield (
        "lax",
        lambda x, k: lax.conv_general_dilated(
            x, k, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        ),
    )
    yield "nine shifted products", shifted
    yield "nine shifted products, 4 examples at a time", functools.partial(blocked, shifted, 4)
    yield "patches", patches
    yield "patches, 2 examples at a time", functools.partial(blocked, patches, 2)
    yield "patches, channels first, 2 examples at a time", functools.partial(blocked, channel_major, 2)
    for m in (2, 4):
        yield f"Winograd {m} × {m}", functools.partial(winograd, m)
        yield (
            f"Winograd {m} × {m}, 4 examples at a time",
            functools.partial(blocked, functools.partial(winograd, m), 4),
        )


def main(options: Options) -> None:
    """Time all ways, print each, write the file."""
    from weightspace import compiler, platform

    platform.use_cpu_devices(1)
    import jax
    import numpy as np
    from jax import lax

    from weightspace.doctor.windows import convolved, pulled_back

    rows = []
    for shape, (n, side, taken, made) in SHAPES.items():
        draw = np.random.default_rng(0).normal
        x, k = (draw(size=s).astype(np.float32) for s in ((n, side, side, taken), (3, 3, taken, made)))
        g = draw(size=(n, side, side, made)).astype(np.float32)
        few = slice(0, 4)
        wanted = (
            convolved(x[few], k, (1, 1), ((1, 1), (1, 1))),
            *pulled_back(x[few], k, g[few], (1, 1), ((1, 1), (1, 1))),
        )
        programs = {}
        for name, way in ways():

            def all_three(x, k, g, way=way):
                y, pull = jax.vjp(way, x, k)
                return y, *pull(g)

            def loop(x, k, g, all_three=all_three):
                def turn(_, k):
                    y, by_x, by_k = all_three(x, k, g)
                    return k + 1e-9 * by_k + 1e-9 * (y.reshape(-1)[0] + by_x.reshape(-1)[0])

                return lax.fori_loop(0, 2, turn, k)

            with platform.arithmetic("float32", "highest"):
                found = compiler.jit(all_three)(x[few], k, g[few])
                errors = [
                    float(np.abs(np.asarray(f, np.float64) - w).max() / np.abs(w).max())
                    for f, w in zip(found, wanted, strict=True)
                ]
                program = compiler.jit(loop)
                jax.block_until_ready(program(x, k, g))
            programs[name] = (program, errors, [])
        for _ in range(options.rounds):
            for program, _, times in programs.values():
                began = time.process_time()
                jax.block_until_ready(program(x, k, g))
                times.append((time.process_time() - began) / 2)
        first = float(np.median(programs["as it is"][2]))
        for name, (_, errors, times) in programs.items():
            rows.append({
                "shape": shape, "way": name, "ms": float(np.median(times)) * 1e3,
                "of_as_it_is": float(np.median(times)) / first,
                "gflops": 6 * n * side**2 * 9 * taken * made / float(np.median(times)) / 1e9,
                "errors": errors,
            })  # fmt: skip
            print({k: round(v, 3) if isinstance(v, float) else v for k, v in rows[-1].items()}, flush=True)
    if options.out:
        from benchmarks.workloads import processor

        summary = {
            "command": "taskset -c 0 python -m benchmarks.convolutions",
            "date": time.strftime("%Y-%m-%d"),
            "processor": processor(), "jax": jax.__version__, "rows": rows,
        }  # fmt: skip
        options.out.write_text(json.dumps(summary, indent=1) + "\n")


if __name__ == "__main__":
    main(tyro.cli(Options))
