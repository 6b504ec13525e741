"""Small runs that tests share: real digits, a small network, a few steps."""

import os

from weightspace.data import make_data
from weightspace.data.task import Task
from weightspace.models.zoo import make
from weightspace.probes import Evaluation
from weightspace.recipes.base import Recipe
from weightspace.recipes.losses import CrossEntropy
from weightspace.recipes.optimisers import Momentum
from weightspace.run import Run
from weightspace.spaces.affine import Affine
from weightspace.spaces.bases.gaussian import Gaussian
from weightspace.spaces.full import Full
from weightspace.streams import Seeds

EVALUATION = Evaluation(("train", "test"))
QUICK = ("--xla_cpu_use_fusion_emitters=", "--xla_cpu_parallel_codegen_split_count=")
"""Flags by which tests compile quickly, see `conftest`."""


def users_environment():
    """Variables for a process whose programs are compiled as those of users, and of `optimised` tests."""
    flags = [flag for flag in os.environ["XLA_FLAGS"].split() if not flag.startswith(QUICK)]
    return os.environ | {"JAX_DISABLE_MOST_OPTIMIZATIONS": "0", "XLA_FLAGS": " ".join(flags)}


def small_run(
    seed=0,
    *,
    model="fc:widths=16",
    space=None,
    dim=None,
    lr=0.1,
    length="20it",
    batch=64,
    data=None,
    **changes,
):
    """A run of a small network on digits; `dim` puts it in a random subspace."""
    data = data or make_data("digits")
    space = space or (Full() if dim is None else Affine(Gaussian(dim)))
    recipe = changes.pop("recipe", None) or Recipe(Momentum(lr), length, batch=batch)
    network = make(model, data.shape, data.outputs)
    return Run(network, Task(data, CrossEntropy()), space, recipe, Seeds(seed), **changes)
