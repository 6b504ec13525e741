"""The training loops that a user of PyTorch would write: eager, one run after another, nothing clever.

Each factory gives a function `advance(steps)` that trains one run on the same network, data, batch and
optimiser as ours, with the data in memory and the batches shuffled.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn.utils import prune

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


def network(workload: Workload) -> nn.Module:
    """The same architecture as the zoo's."""
    shape = make_data(workload.data).shape
    if workload.model == "fc":
        size = int(np.prod(shape))
        return nn.Sequential(
            nn.Flatten(), nn.Linear(size, 300), nn.ReLU(), nn.Linear(300, 100), nn.ReLU(), nn.Linear(100, 10)
        )
    if workload.model == "mlp":
        return nn.Sequential(
            BiasOnly(10), nn.ReLU(), nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(),
            nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1),
        )  # fmt: skip
    if workload.model == "conv2":
        return Conv2(shape[-1], shape[0], 10)
    raise ValueError(f"no PyTorch twin of {workload.model}")


def tensors(workload: Workload) -> tuple[torch.Tensor, torch.Tensor]:
    """The training part, decoded, channels first."""
    data = make_data(workload.data)
    arrays = data.arrays()
    x = np.asarray(data.decode(arrays, arrays.train.x, "float32"))
    if x.ndim == 4:
        x = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    return torch.from_numpy(np.array(x)), torch.from_numpy(np.array(arrays.train.y))


def pruned(model: nn.Module, share: float) -> nn.Module:
    """The network under random masks that keep a share of each weight matrix, by PyTorch's own pruning."""
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            prune.random_unstructured(layer, "weight", amount=1 - share)
    return model


def loop(
    workload: Workload, device: str = "cpu", change: Callable[[nn.Module], nn.Module] = lambda model: model
) -> Callable[[int], None]:
    """One run's training loop; `change` is applied to the network before."""
    torch.manual_seed(0)
    x, y = (t.to(device) for t in tensors(workload))
    model = change(network(workload).to(device))
    y = y if workload.loss == "cross-entropy" else y.float().reshape(-1, 1)
    y = y.long() if workload.loss == "cross-entropy" else y
    loss_of = nn.CrossEntropyLoss() if workload.loss == "cross-entropy" else nn.MSELoss()
    batches = _batches(len(x), workload.batch, device)
    if workload.dim is None:
        optimiser = _optimiser(workload, list(model.parameters()))

        def step() -> None:
            chosen = next(batches)
            optimiser.zero_grad()
            loss_of(model(x[chosen]), y[chosen]).backward()
            optimiser.step()

    else:
        step = _subspace_step(workload, model, loss_of, x, y, batches)

    def advance(steps: int) -> None:
        for _ in range(steps):
            step()
        if device != "cpu":
            torch.cuda.synchronize()

    return advance


def _batches(size: int, batch: int, device: str):
    while True:
        order = torch.randperm(size, device=device)
        for start in range(0, size - batch + 1, batch):
            yield order[start : start + batch]


def _optimiser(workload: Workload, parameters: list[torch.Tensor]) -> torch.optim.Optimizer:
    if workload.optimiser == "adam":
        return torch.optim.Adam(parameters, lr=workload.lr)
    return torch.optim.SGD(
        parameters, lr=workload.lr, momentum=0.9 if workload.optimiser == "momentum" else 0.0
    )


def _subspace_step(workload: Workload, model: nn.Module, loss_of, x, y, batches):
    """W = w₀ + B θ through `torch.func.functional_call`, B dense with unit columns."""
    names = [name for name, _ in model.named_parameters()]
    start = [p.detach().clone() for p in model.parameters()]
    sizes = [p.numel() for p in start]
    basis = torch.randn(workload.dim, sum(sizes), device=x.device)
    basis /= basis.norm(dim=1, keepdim=True)
    theta = torch.zeros(workload.dim, device=x.device, requires_grad=True)
    optimiser = _optimiser(workload, [theta])

    def step() -> None:
        chosen = next(batches)
        optimiser.zero_grad()
        moved = (theta @ basis).split(sizes)
        weights = {n: s + m.view_as(s) for n, s, m in zip(names, start, moved, strict=True)}
        loss_of(torch.func.functional_call(model, weights, (x[chosen],)), y[chosen]).backward()
        optimiser.step()

    return step
