"""Topics: everyday words for what an experiment answers, and which experiments a text is about.

A text is compared with an experiment's name, its topics, its question and the long form of it, word by word;
words are cut to their stems, and a word that few experiments have counts for more.
"""

import inspect
import math
import re
from collections.abc import Mapping

from weightspace.errors import InputError
from weightspace.experiments import experiment_class, names

TOPICS: Mapping[str, str] = {
    "complexity.sinusoid": "complexity frequency target bias trajectory spectral",
    "complexity.corruption": "complexity random labels corrupted noise memorisation",
    "complexity.architectures": "complexity architecture width depth convolution generalisation",
    "complexity.batch-size": "complexity batch size large small",
    "complexity.regions": "complexity linear regions lipschitz steepness piecewise",
    "complexity.dropout": "complexity dropout bound generalisation steadiness",
    "complexity.generalisation": "generalisation measures predict gap sharpness flatness norm",
    "tickets.dense": "baseline dense training early stopping learning curve overfitting",
    "tickets.iterative": "pruning sparsity lottery ticket criterion magnitude movement snip compress",
    "tickets.kept-values": "lottery ticket rewinding initial values signs reset",
    "tickets.pruned-values": "lottery ticket zero frozen pruned weights",
    "tickets.at-init": "mask untrained network initialisation snip grasp pruning at initialisation",
    "tickets.supermask": "supermask learned mask untrained weights edge popup",
    "tickets.best-masks": "supermask masks found learned compared",
    "tickets.from-supermask": "supermask training under a learned mask",
    "tickets.connectivity": "linear mode connectivity stability data order instability",
    "tickets.overlap": "overlap of masks seeds criteria agreement",
    "look": "overview first look own network summary everything",
    "freedom.random": "degrees of freedom intrinsic dimension random subspace low dimensional",
    "freedom.burn-in": "degrees of freedom warm start burn-in pretraining",
    "freedom.lottery-subspace": "principal directions trajectory pca low gradient hessian eigenvectors",
    "freedom.lottery-ticket": "pruning sparsity tickets compression degrees of freedom",
    "freedom.methods": "compare methods compression degrees of freedom",
    "freedom.transfer": "transfer directions between initialisations donor reuse",
    "freedom.theory": "theory curvature spectrum gauss newton gordon quadratic",
    "freedom.wells": "theory bounds quadratic well gordon escape cone",
    "freedom.bases": "projection basis gaussian sparse fastfood hadamard srht memory",
    "freedom.phase": "phase transition sharpness width of the transition",
    "subspaces.lines": "line of networks ensemble calibration midpoint learned subspace",
    "subspaces.curves": "bezier curve of networks",
    "subspaces.connect": "mode connectivity curve barrier path between networks",
    "subspaces.simplexes": "simplex vertices ensemble calibration volume",
    "subspaces.ensembles": "ensemble soup snapshot cost uncertainty average",
    "subspaces.swa": "swa swag stochastic weight averaging checkpoints ema average",
    "subspaces.label-noise": "label noise robustness wrong labels",
    "subspaces.calibration": "calibration reliability confidence uncertainty ece",
    "subspaces.corruptions": "corruptions robustness distribution shift cifar-10-c",
    "subspaces.dynamics": "dynamics of vertices during training distance cosine",
    "subspaces.planes": "loss landscape plane picture ternary contour",
    "sparsity.dynamic": "sparse training rigl set dynamic pruning gradual",
    "symmetry.count": "permutation symmetry count automorphism relabelling",
    "symmetry.shuffled-mask": "permutation symmetry sparse mask accuracy",
    "symmetry.random-mask": "permutation symmetry random sparse mask sparsity",
    "symmetry.train": "baseline dense training symmetry distance from the start",
    "symmetry.prune": "symmetry during pruning rigl set",
    "symmetry.fixed-param": "depth width at fixed number of parameters budget",
}
"""Everyday words, by experiment; those of its name and question need not be repeated."""
_NAME, _TOPIC, _QUESTION, _TEXT = 3.0, 3.0, 2.0, 1.0
_IDLE = frozenset(
    (
        *("a", "an", "and", "are", "as", "at", "be", "by", "can", "do", "does", "for", "from", "how", "i"),
        *("if", "in", "is", "it", "its", "many", "me", "model", "much", "my", "of", "on", "or", "should"),
        *("so", "than", "that", "the", "their", "them", "to", "was", "weights", "well", "what", "when"),
        *("where", "which", "who", "why", "will", "with", "would", "network", "networks", "neural"),
    )
)  # fmt: skip
"""Words that tell no experiment from another."""


def about(text: str, most: int = 6) -> list[str]:
    """The experiments that a text is about, the nearest first.

    Args:
      text: What one wants to know.
      most: How many at the most.

    Raises:
      InputError: If no experiment has any of its words.
    """
    wanted = {*_words(text)}
    scored = {name: _weighed(name) for name in names()}
    known = {word for weights in scored.values() for word in weights}
    if not wanted & known:
        raise InputError(
            f"no experiment is about '{text}'; other words may do, as in --about pruning; weightspace list "
            "experiments has all questions"
        )
    rare = {w: math.log(1 + len(scored) / sum(w in each for each in scored.values())) for w in wanted & known}
    points = {
        name: sum(weights.get(word, 0.0) * value for word, value in rare.items())
        for name, weights in scored.items()
    }
    found = sorted(filter(points.__getitem__, points), key=lambda name: -points[name])
    # What has a fraction of the best one's points shares a common word alone.
    return [name for name in found if points[name] >= points[found[0]] / 3][:most]


def _weighed(name: str) -> dict[str, float]:
    """The stems of an experiment with what each counts."""
    cls = experiment_class(name)
    weights: dict[str, float] = {}
    for text, weight in (
        (inspect.cleandoc(cls.__doc__ or ""), _TEXT),
        (cls.question, _QUESTION),
        (TOPICS.get(name, ""), _TOPIC),
        (name, _NAME),
    ):
        weights |= dict.fromkeys(_words(text), weight)
    return weights


_ENDINGS = (
    "ization", "ations", "ation", "ating", "ated", "ates", "ate", "ings", "ing", "ities", "ity", "ized",
    "izes", "ize", "ed", "es", "s", "e",
)  # fmt: skip
"""Longer ones first."""


def _words(text: str) -> list[str]:
    found = re.findall(r"[a-z]+", text.lower().replace("-", " "))
    return [_stem(word) for word in found if word not in _IDLE]


def _stem(word: str) -> str:
    """Without endings, British and American alike: pruning, pruned and prune are one word."""
    word = word.replace("isation", "ization").replace("ise", "ize")
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            word = word.removesuffix(ending)
            break
    return word[:-1] if len(word) > 4 and word[-1] == word[-2] else word
