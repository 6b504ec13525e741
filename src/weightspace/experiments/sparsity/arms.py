"""Arms of sparse training: how a network of a given sparsity comes about, as `method-layers`."""

import dataclasses
from collections.abc import Iterator
from typing import Any

from weightspace.derived.prune import Prune
from weightspace.derived.random_mask import RandomMask
from weightspace.edits.base import Edit
from weightspace.edits.exchange import RigL, Set
from weightspace.edits.gradual import Gradual
from weightspace.errors import InputError, check_choice
from weightspace.experiments.settings import number, swept
from weightspace.experiments.training import Training
from weightspace.run import Run
from weightspace.spaces.full import Full
from weightspace.spaces.masked import Masked
from weightspace.streams import Seeds

DENSE = "dense"
SPARSE = ("static", "set", "rigl")
"""Methods that begin with a random sparse network; its weights are shared out over the layers."""
PRUNED = ("gradual", "one-shot", "ticket")
"""Methods that begin with a dense one; layers are cut by themselves, or all together."""
LAYERS = {**dict.fromkeys(SPARSE, ("uniform", "er", "erk")), **dict.fromkeys(PRUNED, ("uniform", "global"))}


@dataclasses.dataclass(frozen=True)
class Sparse:
    """Which sparse networks are compared, and how they change."""

    arms: tuple[str, ...] = swept(
        "static-uniform", "static-erk", "set-erk", "rigl-uniform", "rigl-erk",
        "gradual-uniform", "gradual-global", "one-shot-uniform", "one-shot-global",
        words="arm",
    )  # fmt: skip
    """Method and layers: static, set or rigl with uniform, er or erk; gradual, one-shot or ticket with
    uniform or global."""
    sparsities: tuple[float, ...] = swept(0.9, 0.95, words="sparsity", above=0, below=1)
    """Shares of kernels' weights that are zero in the end."""
    every: str = "100it"
    """Between two changes of a mask."""
    until: str = "75%"
    """When masks change for the last time: a share of the training, steps or epochs."""
    share: float = number(0.3, above=0, most=1)
    """Of each layer's weights, exchanged at the first change; it falls along a cosine."""
    finetune: float = number(10, above=0)
    """Epochs of training after one-shot pruning."""

    def check(self) -> None:
        """Every arm is a method with layers that it knows.

        Raises:
          InputError: For the first that is not.
        """
        for arm in self.arms:
            method, _, layers = arm.rpartition("-")
            known = tuple(f"{m}-{one}" for m, each in LAYERS.items() for one in each)
            if layers not in LAYERS.get(method, ()):
                check_choice("arm", arm, known)
        if len(set(self.arms)) != len(self.arms):
            raise InputError(f"an arm is named twice in {', '.join(self.arms)}; name each once")

    def runs(self, training: Training, seeds: Seeds) -> Iterator[tuple[str, float, Run]]:
        """Every arm at every sparsity, with one seed."""
        dense = training.run(Full(), seeds)
        for arm in self.arms:
            method, _, layers = arm.rpartition("-")
            for sparsity in self.sparsities:
                if method in SPARSE:
                    run = self._from_sparse(training, seeds, method, layers, sparsity)
                elif method == "gradual":
                    run = self._gradual(training, seeds, layers, sparsity)
                else:
                    run = self._after(training, seeds, dense, method, layers, sparsity)
                yield arm, sparsity, run

    def _from_sparse(
        self, training: Training, seeds: Seeds, method: str, layers: str, sparsity: float
    ) -> Run:
        mask = _mask(training, seeds, 1 - sparsity, layers)
        edits: dict[str, tuple[Edit, ...]] = {
            "static": (),
            "set": (Set(self.share, self.every, self.until),),
            "rigl": (RigL(self.share, self.every, self.until),),
        }
        return dataclasses.replace(training.run(Masked(mask), seeds), edits=edits[method])

    def _gradual(self, training: Training, seeds: Seeds, layers: str, sparsity: float) -> Run:
        scope = "global" if layers == "global" else "layer"
        edit = Gradual(sparsity, every=self.every, until=self.until, scope=scope)
        full = _mask(training, seeds, 1.0, "uniform")
        return dataclasses.replace(training.run(Masked(full), seeds), edits=(edit,))

    def _after(
        self, training: Training, seeds: Seeds, dense: Run, method: str, layers: str, sparsity: float
    ) -> Run:
        shape = tuple(training.task.data.shape)
        mask = Prune(
            dense.model, shape, criterion="large_final", before=dense.at(0), after=dense.final(),
            seeds=seeds, rates=sparsity, scope="global" if layers == "global" else "layer",
        ).output("mask")  # fmt: skip
        if method == "ticket":
            return training.run(Masked(mask), seeds)
        return training.run(Masked(mask, start=dense.final()), seeds, epochs=self.finetune)


def _mask(training: Training, seeds: Seeds, density: float, distribution: str) -> Any:
    shape = tuple(training.task.data.shape)
    return RandomMask(training.network(), shape, seeds, density, distribution).output("mask")
