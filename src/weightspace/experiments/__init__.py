"""Experiments by name, and what one is made of. Modules are loaded on use: a list of names costs nothing."""

import importlib
import inspect
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from weightspace.errors import InputError, unknown
from weightspace.experiments.base import Experiment, Paper
from weightspace.experiments.settings import extent, number, passing, swept
from weightspace.named import import_module, resolve
from weightspace.run import Row

if TYPE_CHECKING:
    from weightspace.experiments.answer import Answer as Answer
    from weightspace.experiments.training import Repeats as Repeats
    from weightspace.experiments.training import Training as Training

__all__ = [
    "Answer", "Experiment", "Paper", "Repeats", "Row", "Training", "extent", "number", "passing", "swept",
]  # fmt: skip
_HOMES = {"Answer": "answer", "Repeats": "training", "Training": "training"}

_COMPLEXITY = "weightspace.experiments.complexity"
_TICKETS = "weightspace.experiments.tickets"
_SUBSPACES = "weightspace.experiments.subspaces"
_BY_NAME = {
    "complexity.sinusoid": f"{_COMPLEXITY}.sinusoid:ComplexitySinusoid",
    "complexity.corruption": f"{_COMPLEXITY}.images:ComplexityCorruption",
    "complexity.architectures": f"{_COMPLEXITY}.images:ComplexityArchitectures",
    "complexity.batch-size": f"{_COMPLEXITY}.sinusoid:ComplexityBatchSize",
    "complexity.regions": f"{_COMPLEXITY}.regions:ComplexityRegions",
    "complexity.dropout": f"{_COMPLEXITY}.dropout:ComplexityDropout",
    "complexity.generalisation": f"{_COMPLEXITY}.generalisation:ComplexityGeneralisation",
    "tickets.dense": f"{_TICKETS}.dense:TicketsDense",
    "tickets.iterative": f"{_TICKETS}.iterative:TicketsIterative",
    "tickets.kept-values": f"{_TICKETS}.iterative:TicketsKeptValues",
    "tickets.pruned-values": f"{_TICKETS}.iterative:TicketsPrunedValues",
    "tickets.at-init": f"{_TICKETS}.at_init:TicketsAtInit",
    "tickets.supermask": f"{_TICKETS}.supermask:TicketsSupermask",
    "tickets.best-masks": f"{_TICKETS}.best_masks:TicketsBestMasks",
    "tickets.from-supermask": f"{_TICKETS}.from_supermask:TicketsFromSupermask",
    "tickets.connectivity": f"{_TICKETS}.connectivity:TicketsConnectivity",
    "tickets.overlap": f"{_TICKETS}.overlap:TicketsOverlap",
    "look": "weightspace.experiments.look:Look",
    "freedom.random": "weightspace.experiments.freedom.random_subspace:FreedomRandom",
    "freedom.burn-in": "weightspace.experiments.freedom.burn_in:FreedomBurnIn",
    "freedom.lottery-ticket": "weightspace.experiments.freedom.lottery_ticket:FreedomLotteryTicket",
    "freedom.methods": "weightspace.experiments.freedom.methods:FreedomMethods",
    "freedom.lottery-subspace": "weightspace.experiments.freedom.lottery_subspace:LotterySubspace",
    "freedom.transfer": "weightspace.experiments.freedom.transfer:FreedomTransfer",
    "freedom.theory": "weightspace.experiments.freedom.theory:FreedomTheory",
    "freedom.bases": "weightspace.experiments.freedom.bases:FreedomBases",
    "freedom.phase": "weightspace.experiments.freedom.phase:FreedomPhase",
    "freedom.wells": "weightspace.experiments.freedom.wells:FreedomWells",
    "subspaces.lines": f"{_SUBSPACES}.lines:SubspacesLines",
    "subspaces.curves": f"{_SUBSPACES}.curves:SubspacesCurves",
    "subspaces.connect": f"{_SUBSPACES}.curves:SubspacesConnect",
    "subspaces.simplexes": f"{_SUBSPACES}.simplexes:SubspacesSimplexes",
    "subspaces.ensembles": f"{_SUBSPACES}.ensembles:SubspacesEnsembles",
    "subspaces.swa": f"{_SUBSPACES}.swa:SubspacesSwa",
    "subspaces.label-noise": f"{_SUBSPACES}.label_noise:SubspacesLabelNoise",
    "subspaces.calibration": f"{_SUBSPACES}.calibration:SubspacesCalibration",
    "subspaces.corruptions": f"{_SUBSPACES}.corruptions:SubspacesCorruptions",
    "subspaces.dynamics": f"{_SUBSPACES}.dynamics:SubspacesDynamics",
    "subspaces.planes": f"{_SUBSPACES}.planes:SubspacesPlanes",
    "sparsity.dynamic": "weightspace.experiments.sparsity.dynamic:Dynamic",
    "symmetry.count": "weightspace.experiments.symmetry.count:Count",
    "symmetry.shuffled-mask": "weightspace.experiments.symmetry.masked:ShuffledMask",
    "symmetry.random-mask": "weightspace.experiments.symmetry.masked:RandomMask",
    "symmetry.train": "weightspace.experiments.symmetry.train:Train",
    "symmetry.prune": "weightspace.experiments.symmetry.prune:SymmetryPrune",
    "symmetry.fixed-param": "weightspace.experiments.symmetry.fixed:FixedParam",
}


def __getattr__(name: str) -> Any:
    """What an experiment is made of, loaded on use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'weightspace.experiments' has no attribute '{name}'")
    return getattr(importlib.import_module(f"weightspace.experiments.{_HOMES[name]}"), name)


def names() -> tuple[str, ...]:
    """All experiments."""
    return tuple(_BY_NAME)


def experiment_class(name: str) -> type[Experiment]:
    """The class of an experiment: one of this package by name, or the user's as `package.module:Class`.

    Raises:
      InputError: If there is none of that name, or what is named is no experiment that can be run.
    """
    found = _BY_NAME.get(name) or _BY_NAME.get(name.replace("_", "-"))
    if found is None and ":" in name:
        return checked(resolve(name, "experiment"), name)
    if found is None:
        raise unknown("experiment", name, names())
    module, _, attribute = found.partition(":")
    return getattr(importlib.import_module(module), attribute)


def checked(cls: Any, where: str) -> type[Experiment]:
    """A class that a user names, if it is an experiment with a name of its own.

    Raises:
      InputError: If it is none.
    """
    if not isinstance(cls, type) or not issubclass(cls, Experiment):
        raise InputError(
            f"'{where}' is no experiment but of type {type(cls).__name__}; name a subclass of "
            "weightspace.experiments.Experiment"
        )
    if inspect.isabstract(cls):
        raise InputError(f"'{where}' does not say what it asks; give it a method ask that yields rows")
    if "declared" not in vars(cls):
        line = f'class {cls.__name__}(Experiment, name="mine")'
        raise InputError(f"'{where}' has no name; an experiment is named in its class line: {line}")
    if cls.name in (*names(), "runs") and not cls.__module__.startswith("weightspace."):
        raise InputError(
            f"'{where}' is called {cls.name}, as an experiment of this package; give it another name"
        )
    return cls


def experiments_in(modules: Iterable[str]) -> tuple[type[Experiment], ...]:
    """The experiments of modules that a reader's own command names, as `package.module` or with `:Class`.

    Raises:
      InputError: If a module cannot be imported, or has no experiment.
    """
    found: dict[str, type[Experiment]] = {}
    for name in modules:
        if ":" in name:
            mine = [experiment_class(name)]
        else:
            module = import_module(name)
            there = [each for each in vars(module).values() if isinstance(each, type)]
            own = [each for each in there if each.__module__ == module.__name__]
            mine = [
                checked(each, f"{name}:{each.__name__}")
                for each in own
                if issubclass(each, Experiment) and each.name and not inspect.isabstract(each)
            ]
        if not mine:
            raise InputError(
                f"module '{name}' has no experiment: no class with a name of subclass Experiment"
            )
        found |= {cls.name: cls for cls in mine}
    return tuple(found.values())
