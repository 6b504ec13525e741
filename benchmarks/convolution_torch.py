"""PyTorch's convolutional networks and the ways to train them that a user has."""

from collections.abc import Callable

import torch
from torch import nn

from benchmarks import torch_loops
from weightspace.bench import Workload


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


def network(name: str, data: str) -> nn.Module:
    """The zoo's architecture."""
    if name == "resnet20":
        sizes = [(a, b, 2 if a != b else 1) for a, b in ((16, 16),) * 3 + ((16, 32),) + ((32, 32),) * 2
                 + ((32, 64),) + ((64, 64),) * 2]  # fmt: skip
        return nn.Sequential(
            nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
            *(Block(*size) for size in sizes), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10),
        )  # fmt: skip
    if name == "lth_conv2":
        return nn.Sequential(
            nn.Conv2d(3, 64, 3, 1, 1), nn.ReLU(), nn.Conv2d(64, 64, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(64 * 16 * 16, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(),
            nn.Linear(256, 10),
        )  # fmt: skip
    return torch_loops.network(Workload(name, data, 1, "sgd", 0.1))


def loop(
    name: str, data: str, batch: int, optimiser: str, rate: float, way: str = "eager"
) -> Callable[[int], None]:
    """One run's training loop; the way is one of `convolution_peers.Options.ways`."""
    torch.manual_seed(0)
    workload = Workload(name, data, batch, optimiser, rate)
    x, y = torch_loops.tensors(workload)
    y = y.long()
    model = network(name, data)
    if "channels last" in way:
        model = model.to(memory_format=torch.channels_last)
        x = x.contiguous(memory_format=torch.channels_last)
    if "compiled" in way:
        model = torch.compile(model)
    loss_of = nn.CrossEntropyLoss()
    batches = torch_loops._batches(len(x), batch, "cpu")
    optim = torch_loops._optimiser(workload, list(model.parameters()))

    def advance(steps: int) -> None:
        for _ in range(steps):
            chosen = next(batches)
            optim.zero_grad()
            loss_of(model(x[chosen]), y[chosen]).backward()
            optim.step()

    return advance
