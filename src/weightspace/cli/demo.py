"""`weightspace demo`: how many degrees of freedom does a small network need, on real handwritten digits?"""

from collections.abc import Sequence
from pathlib import Path

from weightspace.cli.parse import parse
from weightspace.cli.run import Options, carry_through

DIMS = (4, 8, 16, 32, 64, 128, 256)


def demo(arguments: Sequence[str]) -> int:
    """The command."""
    return parse(_demo, arguments, prog="weightspace demo")


def _demo(out: Path = Path("out/demo"), seeds: int = 5) -> int:
    """Random subspaces of a small convolutional network on scikit-learn's handwritten digits.

    Args:
      out: Folder of results.
      seeds: Runs at each dimension.
    """
    from weightspace.experiments.freedom.random_subspace import FreedomRandom
    from weightspace.experiments.freedom.slices import Slices

    experiment = FreedomRandom(Slices(dims=DIMS, seeds=(str(seeds),), epochs=30.0))
    return carry_through(experiment, Options(out=out), ["weightspace", "demo"])
