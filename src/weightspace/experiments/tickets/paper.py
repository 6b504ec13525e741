"""The papers that the tickets come from, the plans that they published, and small ones."""

from typing import Any

from weightspace.experiments.base import Paper

PAPER = Paper(
    title="Deconstructing lottery tickets: zeros, signs, and the supermask",
    bibtex=(
        "@inproceedings{zhou2019deconstructing,\n"
        "  title = {Deconstructing lottery tickets: zeros, signs, and the supermask},\n"
        "  author = {Zhou, Hattie and Lan, Janice and Liu, Rosanne and Yosinski, Jason},\n"
        "  booktitle = {Advances in Neural Information Processing Systems},\n"
        "  year = {2019},\n"
        "  url = {https://arxiv.org/abs/1905.01067}\n"
        "}"
    ),
    figure="Figures 3 to 5: accuracy against the share of weights left",
)
FRANKLE_2020 = Paper(
    title="Linear mode connectivity and the lottery ticket hypothesis",
    bibtex=(
        "@inproceedings{frankle2020linear,\n"
        "  title = {Linear mode connectivity and the lottery ticket hypothesis},\n"
        "  author = {Frankle, Jonathan and Dziugaite, Gintare Karolina and Roy, Daniel M. and Carbin, "
        "Michael},\n"
        "  booktitle = {International Conference on Machine Learning},\n"
        "  year = {2020},\n"
        "  url = {https://arxiv.org/abs/1912.05671}\n"
        "}"
    ),
    figure="Figures 2 to 5: error barrier against the step of the split",
)
_NETWORKS: dict[str, dict[str, Any]] = {
    "conv2": {"model": "lth_conv2", "data": "cifar10", "epochs": 27.0, "lr": 2e-4},
    "conv4": {"model": "lth_conv4", "data": "cifar10", "epochs": 34.0, "lr": 3e-4},
    "conv6": {"model": "lth_conv6", "data": "cifar10", "epochs": 40.0, "lr": 3e-4},
}
SMOKE: dict[str, Any] = {
    "model": "fc:widths=32,initialiser=glorot_normal", "data": "digits", "validation": 200, "seeds": ("2",),
    "eval_every": "20it",
}  # fmt: skip
"""What is trained by all smoke presets."""
SMOKE_DENSE = SMOKE | {"epochs": 30.0, "lr": 0.01}
SMOKE_PRUNED = SMOKE | {"epochs": 10.0, "dense_rate": 0.4, "output_rate": 0.2}


def published(*, pruning: bool = True) -> dict[str, dict[str, Any]]:
    """Presets as published: `paper` is `fc` on MNIST, the others are its convolutional networks.

    Args:
      pruning: Whether the experiment prunes, so that the rate of convolutions is a setting.
    """
    found = {"paper": {}} | {f"paper-{name}": settings for name, settings in _NETWORKS.items()}
    rates = {"paper-conv6": {"conv_rate": 0.15}} if pruning else {}
    return {name: {"seeds": ("5",)} | settings | rates.get(name, {}) for name, settings in found.items()}
