"""PyTorch's twins of the zoo's networks."""

import numpy as np
import torch
from torch import nn

from weightspace.bench import Workload
from weightspace.data import make_data


class Conv2(nn.Module):
    """3×3 convolutions 16 and 32, ReLU, average pools, one dense layer."""

    def __init__(self, channels: int, side: int, outputs: int):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(channels, 16, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2),
        )  # fmt: skip
        self.head = nn.Linear(32 * (side // 4) ** 2, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits."""
        return self.head(self.features(x).flatten(1))


class BiasOnly(nn.Module):
    """The frozen identity first layer: x + b."""

    def __init__(self, width: int):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The sum."""
        return x + self.bias


class Block(nn.Module):
    """Two convolutions, each normalised, beside a shortcut."""

    def __init__(self, taken: int, made: int, stride: int):
        super().__init__()
        self.conv_1 = nn.Conv2d(taken, made, 3, stride, 1, bias=False)
        self.norm_1 = nn.BatchNorm2d(made)
        self.conv_2 = nn.Conv2d(made, made, 3, 1, 1, bias=False)
        self.norm_2 = nn.BatchNorm2d(made)
        self.shortcut = nn.Identity()
        if (taken, stride) != (made, 1):
            self.shortcut = nn.Sequential(nn.Conv2d(taken, made, 1, stride, bias=False), nn.BatchNorm2d(made))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The block's outputs."""
        y = torch.relu(self.norm_1(self.conv_1(x)))
        return torch.relu(self.norm_2(self.conv_2(y)) + self.shortcut(x))


def network(name: str, shape: tuple[int, ...]) -> nn.Module:
    """The zoo's architecture, for inputs of a shape with channels last."""
    if name == "fc":
        return dense(int(np.prod(shape)))
    if name == "mlp":
        return nn.Sequential(
            BiasOnly(10), nn.ReLU(), nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(),
            nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1),
        )  # fmt: skip
    if name == "conv2":
        return Conv2(shape[-1], shape[0], 10)
    if name == "lth_conv2":
        return nn.Sequential(
            nn.Conv2d(3, 64, 3, 1, 1), nn.ReLU(), nn.Conv2d(64, 64, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(64 * 16 * 16, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(),
            nn.Linear(256, 10),
        )  # fmt: skip
    if name == "resnet20":
        sizes = [(a, b, 2 if a != b else 1) for a, b in ((16, 16),) * 3 + ((16, 32),) + ((32, 32),) * 2
                 + ((32, 64),) + ((64, 64),) * 2]  # fmt: skip
        return nn.Sequential(
            nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
            *(Block(*size) for size in sizes), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10),
        )  # fmt: skip
    raise ValueError(f"no PyTorch twin of {name}")


def dense(size: int = 784) -> nn.Sequential:
    """`fc`: layers of 300, 100 and 10."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(size, 300), nn.ReLU(), nn.Linear(300, 100), nn.ReLU(), nn.Linear(100, 10)
    )


def of(workload: Workload) -> nn.Module:
    """The twin of a workload's network."""
    return network(workload.model, make_data(workload.data).shape)
