"""Probes: what is recorded while a run trains. One file a probe; `make_probe` finds them by name."""

import dataclasses

from weightspace.errors import unknown
from weightspace.options import read_options
from weightspace.probes.activations import Activations
from weightspace.probes.average import Average, Ema
from weightspace.probes.base import Probe
from weightspace.probes.best import Best
from weightspace.probes.bias_motion import BiasDistance, BiasVariance
from weightspace.probes.bias_path import BiasPath
from weightspace.probes.density import Density
from weightspace.probes.evaluation import Evaluation
from weightspace.probes.lipschitz import Lipschitz, LipschitzSet
from weightspace.probes.mask_at import MaskAt
from weightspace.probes.path import CosineSimilarity, Distance, GradientNorm, PathLength
from weightspace.probes.reached import Reached
from weightspace.probes.sharpness import Sharpness
from weightspace.probes.singular_values import SingularValues
from weightspace.probes.snapshot import Snapshot
from weightspace.probes.steadiness import Steadiness
from weightspace.probes.swag import Swag

__all__ = [
    "Activations",
    "Average",
    "Best",
    "BiasDistance",
    "BiasPath",
    "BiasVariance",
    "CosineSimilarity",
    "Density",
    "Distance",
    "Ema",
    "Evaluation",
    "GradientNorm",
    "Lipschitz",
    "LipschitzSet",
    "MaskAt",
    "PathLength",
    "Probe",
    "Reached",
    "Sharpness",
    "SingularValues",
    "Snapshot",
    "Steadiness",
    "Swag",
    "describe",
    "make_probe",
    "names",
]

_BY_NAME: dict[str, type[Probe]] = {
    "activations": Activations,
    "average": Average,
    "best": Best,
    "bias-distance": BiasDistance,
    "bias-variance": BiasVariance,
    "cosine-similarity": CosineSimilarity,
    "density": Density,
    "distance": Distance,
    "ema": Ema,
    "evaluation": Evaluation,
    "gradient-norm": GradientNorm,
    "lipschitz": Lipschitz,
    "lipschitz-set": LipschitzSet,
    "path-length": PathLength,
    "reached": Reached,
    "sharpness": Sharpness,
    "singular-values": SingularValues,
    "steadiness": Steadiness,
    "swag": Swag,
    "bias-path": BiasPath,
}


def names() -> tuple[str, ...]:
    """The probes that the command line knows."""
    return tuple(sorted(_BY_NAME))


def make_probe(name: str) -> Probe:
    """A probe by name, with options as in `bias-path:layer=2`.

    >>> make_probe("lipschitz-set:examples=100").examples
    100

    Raises:
      InputError: If there is none of that name, or it has no such option.
    """
    base, _, text = name.partition(":")
    cls = _BY_NAME.get(base.replace("_", "-"))
    if cls is None:
        raise unknown("probe", base, names())
    fields = [field.name for field in dataclasses.fields(cls)]  # pyright: ignore[reportArgumentType]
    return cls(**read_options(f"probe {base}", cls, fields, text))


def describe(name: str) -> str:
    """What a probe records, in one line."""
    return (_BY_NAME[name].__doc__ or "").strip().splitlines()[0]
