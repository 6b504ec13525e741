"""The ways in which a user of PyTorch would train: eager, channels last, compiled, and many at once.

`loop(workload, way)` gives `advance(steps)`, that trains on the same network, data, batch and optimiser as
ours, with the data in memory and the batches shuffled. An ensemble trains `runs` networks in one call of
`torch.func.vmap`, each on batches of its own, under an optimiser of stacked arrays.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import nn
from torch.nn.utils import prune

from benchmarks import torch_networks
from weightspace.bench import Workload
from weightspace.data import make_data

Advance = Callable[[int], None]
WAYS = ("eager", "channels last", "compiled", "compiled, channels last", "ensemble", "compiled ensemble")


def ways(workload: Workload) -> tuple[str, ...]:
    """Those that can train a workload."""
    images = workload.model not in ("fc", "mlp")
    together = (
        workload.model != "resnet20"
    )  # `vmap` has no statistics of batch norm that are written in place.
    return tuple(way for way in WAYS if ("last" not in way or images) and ("ensemble" not in way or together))


def tensors(workload: Workload) -> tuple[torch.Tensor, torch.Tensor]:
    """The training part, decoded, channels first."""
    data = make_data(workload.data)
    arrays = data.arrays()
    x = np.asarray(data.decode(arrays, arrays.train.x, "float32"))
    if x.ndim == 4:
        x = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    y = torch.from_numpy(np.array(arrays.train.y))
    return torch.from_numpy(np.array(x)), y.long() if classes(workload) else y.float().reshape(-1, 1)


def classes(workload: Workload) -> bool:
    """Whether targets are classes."""
    return workload.loss == "cross-entropy"


def pruned(model: nn.Module, share: float) -> nn.Module:
    """The network under random masks that keep a share of each weight matrix, by PyTorch's own pruning."""
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            prune.random_unstructured(layer, "weight", amount=1 - share)
    return model


def loop(
    workload: Workload,
    device: str = "cpu",
    change: Callable[[nn.Module], nn.Module] = lambda model: model,
    way: str = "eager",
    runs: int = 1,
) -> Advance:
    """A training loop of one run, or of `runs` in an ensemble; `change` is applied to the network before."""
    torch.manual_seed(0)
    x, y = (t.to(device) for t in tensors(workload))
    model = change(torch_networks.of(workload).to(device))
    if "channels last" in way:
        model = model.to(memory_format=torch.channels_last)
        x = x.contiguous(memory_format=torch.channels_last)
    loss_of = nn.CrossEntropyLoss() if classes(workload) else nn.MSELoss()
    batches = _batches(len(x), workload.batch, device)
    if "ensemble" in way:
        step = _ensemble(workload, model, loss_of, (x, y, batches), runs, "compiled" in way)
    else:
        step = _single(workload, model, loss_of, (x, y, batches), "compiled" in way)

    def advance(steps: int) -> None:
        for _ in range(steps):
            step()
        if device != "cpu":
            torch.cuda.synchronize()

    return advance


def _batches(size: int, batch: int, device: str) -> Iterator[torch.Tensor]:
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


def _loss(workload: Workload, model: nn.Module, loss_of: nn.Module, device: torch.device):
    """What is trained, and the loss as a function of it and a batch: weights, or θ of W = w₀ + B θ.

    A basis is dense with unit columns, and the same for all runs.
    """
    if workload.dim is None:
        start = {name: p.detach() for name, p in model.named_parameters()}
        buffers = dict(model.named_buffers())
        return start, lambda w, x, y: loss_of(torch.func.functional_call(model, (w, buffers), (x,)), y)
    start = {name: p.detach().clone() for name, p in model.named_parameters()}
    sizes = [p.numel() for p in start.values()]
    basis = torch.randn(workload.dim, sum(sizes), device=device)
    basis /= basis.norm(dim=1, keepdim=True)

    def loss(trained, x, y):
        moved = (trained["theta"] @ basis).split(sizes)
        weights = {n: s + m.view_as(s) for (n, s), m in zip(start.items(), moved, strict=True)}
        return loss_of(torch.func.functional_call(model, weights, (x,)), y)

    return {"theta": torch.zeros(workload.dim, device=device)}, loss


def _single(workload: Workload, model: nn.Module, loss_of: nn.Module, data, compiled: bool):
    """One run: through the module's own parameters, or `functional_call` in a subspace."""
    x, y, batches = data
    if workload.dim is None:
        optimiser = _optimiser(workload, list(model.parameters()))
        called = torch.compile(model) if compiled else model
        loss = lambda chosen: loss_of(called(x[chosen]), y[chosen])  # noqa: E731
    else:
        trained, of = _loss(workload, model, loss_of, x.device)
        trained = {name: p.requires_grad_() for name, p in trained.items()}
        optimiser = _optimiser(workload, list(trained.values()))
        called = torch.compile(of) if compiled else of
        loss = lambda chosen: called(trained, x[chosen], y[chosen])  # noqa: E731

    def step() -> None:
        optimiser.zero_grad()
        loss(next(batches)).backward()
        optimiser.step()

    return step


def _ensemble(workload: Workload, model: nn.Module, loss_of: nn.Module, data, runs: int, compiled: bool):
    """`runs` runs in one call, their weights stacked."""
    x, y, batches = data
    trained, loss = _loss(workload, model, loss_of, x.device)
    stacked = {name: p.detach().expand(runs, *p.shape).clone() for name, p in trained.items()}
    optimiser = _optimiser(workload, list(stacked.values()))
    gradients = torch.func.vmap(torch.func.grad(loss))
    gradients = torch.compile(gradients) if compiled else gradients

    def step() -> None:
        chosen = torch.stack([next(batches) for _ in range(runs)])
        for name, found in gradients(stacked, x[chosen], y[chosen]).items():
            stacked[name].grad = found
        optimiser.step()

    return step
