"""weightspace: a workbench for the geometry of neural-network training.

In which set of weights can a network be trained, and what does its path through that set tell?
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from weightspace.data import from_arrays as from_arrays
    from weightspace.data import make_data as make_data
    from weightspace.data.base import Data as Data
    from weightspace.data.corruptions.copies import Corruption as Corruption
    from weightspace.data.cosine import CosineProduct as CosineProduct
    from weightspace.data.task import Task as Task
    from weightspace.derived.averages import Averaged as Averaged
    from weightspace.derived.averages import RandomAverage as RandomAverage
    from weightspace.derived.compared import Compared as Compared
    from weightspace.derived.measured import Measured as Measured
    from weightspace.derived.pattern_mask import PatternMask as PatternMask
    from weightspace.derived.propagated import Propagated as Propagated
    from weightspace.derived.prune import FullMask as FullMask
    from weightspace.derived.prune import Prune as Prune
    from weightspace.derived.random_mask import RandomMask as RandomMask
    from weightspace.derived.region import Points as Points
    from weightspace.derived.region_sharpness import SharpnessAt as SharpnessAt
    from weightspace.derived.soup import GreedySoup as GreedySoup
    from weightspace.derived.sparse_start import SparseStart as SparseStart
    from weightspace.derived.stored_network import StoredNetwork as StoredNetwork
    from weightspace.derived.swag import SwagSample as SwagSample
    from weightspace.derived.symmetry import Symmetry as Symmetry
    from weightspace.edits.exchange import RigL as RigL
    from weightspace.edits.exchange import Set as Set
    from weightspace.edits.gradual import Gradual as Gradual
    from weightspace.edits.stepwise import Stepwise as Stepwise
    from weightspace.errors import NoResultWarning as NoResultWarning
    from weightspace.first_look import Looked as Looked
    from weightspace.first_look import look as look
    from weightspace.loaded import load as load
    from weightspace.loaded_file import load_file as load_file
    from weightspace.measure.network import Network as Network
    from weightspace.models.adapters import from_equinox as from_equinox
    from weightspace.models.adapters import from_function as from_function
    from weightspace.models.adapters import from_linen as from_linen
    from weightspace.models.adapters import from_nnx as from_nnx
    from weightspace.models.adapters import from_torch as from_torch
    from weightspace.node import Derived as Derived
    from weightspace.node import Found as Found
    from weightspace.precision import Precision as Precision
    from weightspace.probes import Activations as Activations
    from weightspace.probes import Average as Average
    from weightspace.probes import Best as Best
    from weightspace.probes import BiasDistance as BiasDistance
    from weightspace.probes import BiasPath as BiasPath
    from weightspace.probes import BiasVariance as BiasVariance
    from weightspace.probes import Density as Density
    from weightspace.probes import Distance as Distance
    from weightspace.probes import Ema as Ema
    from weightspace.probes import Evaluation as Evaluation
    from weightspace.probes import Lipschitz as Lipschitz
    from weightspace.probes import LipschitzSet as LipschitzSet
    from weightspace.probes import PathLength as PathLength
    from weightspace.probes import Sharpness as Sharpness
    from weightspace.probes import SingularValues as SingularValues
    from weightspace.probes import Snapshot as Snapshot
    from weightspace.probes import Steadiness as Steadiness
    from weightspace.probes import Swag as Swag
    from weightspace.recipes.augment import CropFlip as CropFlip
    from weightspace.recipes.base import Decay as Decay
    from weightspace.recipes.base import Recipe as Recipe
    from weightspace.recipes.cycles import Cycles as Cycles
    from weightspace.recipes.cycles import Plateau as Plateau
    from weightspace.recipes.losses import BinaryCrossEntropy as BinaryCrossEntropy
    from weightspace.recipes.losses import CrossEntropy as CrossEntropy
    from weightspace.recipes.losses import SquaredError as SquaredError
    from weightspace.recipes.metrics import Brier as Brier
    from weightspace.recipes.metrics import ByClass as ByClass
    from weightspace.recipes.metrics import CalibrationError as CalibrationError
    from weightspace.recipes.metrics import Confusion as Confusion
    from weightspace.recipes.optimisers import Adam as Adam
    from weightspace.recipes.optimisers import AdamLegacy as AdamLegacy
    from weightspace.recipes.optimisers import Momentum as Momentum
    from weightspace.recipes.optimisers import RmsProp as RmsProp
    from weightspace.recipes.optimisers import Sgd as Sgd
    from weightspace.recipes.schedules import Constant as Constant
    from weightspace.recipes.schedules import Cosine as Cosine
    from weightspace.recipes.schedules import Exponential as Exponential
    from weightspace.recipes.schedules import Linear as Linear
    from weightspace.recipes.schedules import Piecewise as Piecewise
    from weightspace.recipes.schedules import Steps as Steps
    from weightspace.report.tags import read_summary as read_summary
    from weightspace.report.tags import summary as summary
    from weightspace.run import Row as Row
    from weightspace.run import Run as Run
    from weightspace.run import Watch as Watch
    from weightspace.spaces.affine import Affine as Affine
    from weightspace.spaces.bases.base import Basis as Basis
    from weightspace.spaces.bases.blocks import Blocks as Blocks
    from weightspace.spaces.bases.fastfood import Fastfood as Fastfood
    from weightspace.spaces.bases.gaussian import Gaussian as Gaussian
    from weightspace.spaces.bases.regenerated import Regenerated as Regenerated
    from weightspace.spaces.bases.sparse import Sparse as Sparse
    from weightspace.spaces.bases.srht import Srht as Srht
    from weightspace.spaces.compose import Compose as Compose
    from weightspace.spaces.curves import Bezier as Bezier
    from weightspace.spaces.curves import Chain as Chain
    from weightspace.spaces.each import Each as Each
    from weightspace.spaces.edge_popup import EdgePopup as EdgePopup
    from weightspace.spaces.full import Full as Full
    from weightspace.spaces.laws import Beta as Beta
    from weightspace.spaces.laws import Dirichlet as Dirichlet
    from weightspace.spaces.laws import Uniform as Uniform
    from weightspace.spaces.masked import Masked as Masked
    from weightspace.spaces.simplex import Line as Line
    from weightspace.spaces.simplex import Simplex as Simplex
    from weightspace.spaces.supermask import Supermask as Supermask
    from weightspace.store.read import history as history
    from weightspace.store.read import results as results
    from weightspace.store.read import sql as sql
    from weightspace.streams import Seeds as Seeds
    from weightspace.streams import Stream as Stream
    from weightspace.sweeps.ask import sweep as sweep
    from weightspace.tickets import ticket as ticket

_HOMES = {
    "weightspace.data": ("from_arrays", "make_data"),
    "weightspace.data.base": ("Data",),
    "weightspace.data.corruptions.copies": ("Corruption",),
    "weightspace.data.cosine": ("CosineProduct",),
    "weightspace.derived.averages": ("Averaged", "RandomAverage"),
    "weightspace.derived.compared": ("Compared",),
    "weightspace.derived.measured": ("Measured",),
    "weightspace.derived.pattern_mask": ("PatternMask",),
    "weightspace.derived.propagated": ("Propagated",),
    "weightspace.derived.prune": ("FullMask", "Prune"),
    "weightspace.derived.random_mask": ("RandomMask",),
    "weightspace.derived.soup": ("GreedySoup",),
    "weightspace.derived.sparse_start": ("SparseStart",),
    "weightspace.derived.stored_network": ("StoredNetwork",),
    "weightspace.derived.swag": ("SwagSample",),
    "weightspace.derived.symmetry": ("Symmetry",),
    "weightspace.derived.region": ("Points",),
    "weightspace.derived.region_sharpness": ("SharpnessAt",),
    "weightspace.edits.exchange": ("RigL", "Set"),
    "weightspace.edits.gradual": ("Gradual",),
    "weightspace.edits.stepwise": ("Stepwise",),
    "weightspace.errors": ("NoResultWarning",),
    "weightspace.data.task": ("Task",),
    "weightspace.models.adapters": ("from_equinox", "from_function", "from_linen", "from_nnx", "from_torch"),
    "weightspace.first_look": ("Looked", "look"),
    "weightspace.loaded": ("load",),
    "weightspace.loaded_file": ("load_file",),
    "weightspace.measure.network": ("Network",),
    "weightspace.node": ("Derived", "Found"),
    "weightspace.precision": ("Precision",),
    "weightspace.report.tags": ("read_summary", "summary"),
    "weightspace.run": ("Row", "Run", "Watch"),
    "weightspace.probes": (
        "Activations",
        "Average",
        "Best",
        "BiasDistance",
        "BiasVariance",
        "Density",
        "Distance",
        "Ema",
        "Evaluation",
        "Lipschitz",
        "LipschitzSet",
        "PathLength",
        "Sharpness",
        "SingularValues",
        "Snapshot",
        "Steadiness",
        "Swag",
        "BiasPath",
    ),
    "weightspace.recipes.augment": ("CropFlip",),
    "weightspace.recipes.base": ("Decay", "Recipe"),
    "weightspace.recipes.cycles": ("Cycles", "Plateau"),
    "weightspace.recipes.losses": ("BinaryCrossEntropy", "CrossEntropy", "SquaredError"),
    "weightspace.recipes.metrics": ("Brier", "ByClass", "CalibrationError", "Confusion"),
    "weightspace.recipes.optimisers": ("Adam", "AdamLegacy", "Momentum", "RmsProp", "Sgd"),
    "weightspace.recipes.schedules": ("Constant", "Cosine", "Exponential", "Linear", "Piecewise", "Steps"),
    "weightspace.spaces.affine": ("Affine",),
    "weightspace.spaces.bases.base": ("Basis",),
    "weightspace.spaces.bases.blocks": ("Blocks",),
    "weightspace.spaces.bases.fastfood": ("Fastfood",),
    "weightspace.spaces.bases.gaussian": ("Gaussian",),
    "weightspace.spaces.bases.regenerated": ("Regenerated",),
    "weightspace.spaces.bases.sparse": ("Sparse",),
    "weightspace.spaces.bases.srht": ("Srht",),
    "weightspace.spaces.compose": ("Compose",),
    "weightspace.spaces.curves": ("Bezier", "Chain"),
    "weightspace.spaces.each": ("Each",),
    "weightspace.spaces.edge_popup": ("EdgePopup",),
    "weightspace.spaces.full": ("Full",),
    "weightspace.spaces.laws": ("Beta", "Dirichlet", "Uniform"),
    "weightspace.spaces.masked": ("Masked",),
    "weightspace.spaces.simplex": ("Line", "Simplex"),
    "weightspace.spaces.supermask": ("Supermask",),
    "weightspace.store.read": ("history", "results", "sql"),
    "weightspace.streams": ("Seeds", "Stream"),
    "weightspace.sweeps.ask": ("sweep",),
    "weightspace.tickets": ("ticket",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}
__all__ = [*_HOME_OF, "__version__"]  # noqa: PLE0604  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    """Public names, loaded on use: importing the package costs nothing."""
    if name not in _HOME_OF:
        nearest = importlib.import_module("weightspace.errors").nearest
        guess = None if name.startswith("_") else nearest(name, __all__)
        hint = f"; did you mean '{guess}'?" if guess else ""
        raise AttributeError(f"module 'weightspace' has no attribute '{name}'{hint}")
    return getattr(importlib.import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return __all__
