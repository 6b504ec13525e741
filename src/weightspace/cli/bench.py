"""`weightspace bench`: run-steps a second on this machine; `--tune` measures and writes the lane table."""

import json
from collections.abc import Sequence

from weightspace.cli.parse import parse


def bench(arguments: Sequence[str]) -> int:
    """The command."""
    return parse(_bench, arguments, prog="weightspace bench")


def _bench(runs: tuple[int, ...] = (1, 4, 16), seconds: float = 1.0, tune: bool = False) -> int:
    """Time training programs on the embedded digits, compilation apart.

    Args:
      runs: Numbers of runs that train at once.
      seconds: Least duration of a measurement.
      tune: Measure which lanes are fastest here and write them to the lane table; results then differ in
        rounding from those of another table.
    """
    from weightspace import platform

    platform.start()
    import jax
    import numpy as np
    import pandas as pd
    from rich.console import Console

    from weightspace.bench import Timer, Workload, matmul_rate
    from weightspace.bench import tune as best
    from weightspace.cli.answer import print_frame
    from weightspace.training import lanes

    workloads = [
        Workload("fc:widths=16", "digits", 8, "sgd", 0.01),
        Workload("fc", "digits", 64, "adam", 0.001),
        Workload("conv2", "digits", 128, "adam", 0.01, dim=64),
        Workload("conv2", "digits", 128, "momentum", 0.05),
    ]
    console = Console()
    if tune:
        rows = best(workloads, (1, 4, 16, 64), 50)
        file = lanes.tuned_file()
        file.parent.mkdir(parents=True, exist_ok=True)
        table = {jax.default_backend(): rows}
        file.write_text(json.dumps(table))
        console.print(f"lane table written to {file}: {rows}")
        return 0
    lines = []
    for workload in workloads:
        for count in runs:
            timer = Timer(workload.run, count)
            steps = max(2, int(2 * seconds / max(timer.advance(2), 1e-4)))
            each = [timer.seconds_per_run_step(steps) for _ in range(3)]
            lines.append(
                {"workload": workload.name, "runs": count, "lanes": timer.lanes, "devices": timer.devices,
                 "run-steps/s": 1 / float(np.median(each)), "spread": (max(each) - min(each)) / min(each),
                 "compile s": timer.block.compile_seconds}
            )  # fmt: skip
    title = f"{jax.local_device_count()} × {jax.devices()[0].device_kind}, jax {jax.__version__}, float32; "
    title += f"2048² product {matmul_rate() / 1e9:,.0f} GFLOP/s"
    print_frame(console, pd.DataFrame(lines), title)
    return 0
