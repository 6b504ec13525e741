"""Trainings of a PyTorch module here and in PyTorch's own loop; checkpoints both ways."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

import weightspace as ws
from tests.training.harness import train
from weightspace import tree
from weightspace.data import make_data
from weightspace.errors import DataError, InputError
from weightspace.models.adapters import from_torch
from weightspace.models.pickled import check_not_pickled
from weightspace.recipes.optimisers import Adam, Sgd
from weightspace.streams import Stream, key
from weightspace.training.order import batch_at, epoch_order

torch = pytest.importorskip("torch")

from tests.models import torch_nets as nets  # noqa: E402
from weightspace.models.adapters.torch_checkpoint import (  # noqa: E402
    network_of_state_dict,
    state_dict_of,
)

pytestmark = pytest.mark.optimised

KEY = jax.random.key(5, impl="threefry2x32")
OPTIMISERS = {
    "sgd": (Sgd(0.1), lambda p: torch.optim.SGD(p, 0.1)),
    "adam": (Adam(0.003), lambda p: torch.optim.Adam(p, 0.003)),
}


def run_of(model, optimiser, length="50it", **changes):
    task = ws.Task(make_data("digits"), ws.CrossEntropy())
    return ws.Run(model, task, ws.Full(), ws.Recipe(optimiser, length, batch=64), ws.Seeds(2), **changes)


def in_torch(run, make, steps):
    """The loop that one writes in PyTorch, over the same batches."""
    data = run.task.data
    arrays, blank = data.arrays(), jnp.zeros((1, *data.shape))
    weights, state = run.model.init(jax.random.fold_in(key(run.seeds, Stream.INIT), 0), blank)
    start = tree.flat_dict(weights)
    module = run.model.assembled(weights, state, blank).train()
    optimiser, loss = make(module.parameters()), torch.nn.CrossEntropyLoss()
    each = run.recipe.steps_per_epoch(data.size)
    for t in range(steps):
        order = epoch_order(run.seeds, jnp.int32(t // each), data.size, None)
        chosen, share = batch_at(order, jnp.int32(t % each), run.recipe.batch, run.recipe.remainder)
        chosen = np.asarray(chosen)[np.asarray(share) > 0]
        x = data.decode(arrays, jnp.asarray(arrays.train.x)[chosen], jnp.float32)
        optimiser.zero_grad()
        made = module(torch.from_numpy(np.array(x)).movedim(-1, 1))
        loss(made, torch.from_numpy(np.array(arrays.train.y)[chosen]).long()).backward()
        optimiser.step()
    return start, module


@pytest.mark.parametrize("name", OPTIMISERS)
def test_a_training_follows_pytorchs_own_loop(name):
    """50 steps cross two epochs with short last batches (1,437 = 22 × 64 + 29)."""
    ours, theirs = OPTIMISERS[name]
    run = run_of(from_torch(nets.LeNet), ours)
    (weights,), _, _ = train([run])
    start, module = in_torch(run, theirs, 50)
    for path, leaf in tree.flat_dict(weights).items():
        expected = module.get_parameter(path.replace("/", ".")).detach().numpy()
        moved = np.linalg.norm(expected - start[path])
        assert moved > 0.01 * np.linalg.norm(start[path])
        assert np.linalg.norm(leaf - expected) < 1e-4 * np.linalg.norm(expected)


def trained(tmp_path, factory, **how):
    run = run_of(from_torch(factory), Adam(0.01), "20it", **how)
    ws.sweep([ws.Row({}, run)], tmp_path / "out")
    return run, ws.load(tmp_path / "out", run)


class Normed(nets.LeNet):
    """With statistics, tied weights and a buffer that is not saved."""

    def __init__(self):
        super().__init__()
        self.norm = torch.nn.BatchNorm2d(3)
        self.again = torch.nn.Conv2d(3, 4, 3)
        self.again.weight = self.conv2.weight
        self.register_buffer("scale", torch.tensor(2.0), persistent=False)

    def forward(self, x):
        x = torch.nn.functional.max_pool2d(torch.relu(self.norm(self.conv1(x))), 2)
        x = torch.nn.functional.max_pool2d(torch.relu(self.conv2(x) + self.again(x) * self.scale), 2)
        return self.fc2(torch.relu(self.fc1(x.flatten(1))))


def test_a_trained_module_comes_back_and_leaves_as_a_checkpoint(tmp_path):
    run, found = trained(tmp_path, Normed)
    x = make_data("digits").arrays().test.x[:64]
    ours, decoded = np.asarray(found(x)), np.array(found.decoded(x))
    module = found.module
    assert isinstance(module, Normed)
    assert not module.training
    assert int(module.norm.num_batches_tracked) == 20
    given = torch.from_numpy(decoded).movedim(-1, 1)
    np.testing.assert_allclose(ours, module(given).detach().numpy(), rtol=1e-5, atol=1e-5)

    safetensors.numpy.save_file(
        run.model.as_checkpoint(found.weights, found.state), tmp_path / "net.safetensors"
    )
    from safetensors.torch import load_file

    fresh = Normed().eval()
    fresh.load_state_dict(load_file(tmp_path / "net.safetensors"), strict=True)
    np.testing.assert_allclose(ours, fresh(given).detach().numpy(), rtol=1e-5, atol=1e-5)
    assert fresh.norm.num_batches_tracked.dtype == torch.int64


@pytest.mark.parametrize("how", ["save_file", "save_model"])
def test_a_checkpoint_of_pytorchs_gives_its_outputs(tmp_path, how):
    """`save_model` writes tied arrays once, a `state_dict` of one's own under each name."""
    from safetensors import torch as files

    module = Normed().train()
    x = np.random.default_rng(0).normal(size=(16, 8, 8, 1)).astype(np.float32)
    module(torch.from_numpy(x).movedim(-1, 1))  # so that there are statistics
    path = tmp_path / "theirs.safetensors"
    if how == "save_model":
        files.save_model(module, path)
    else:
        files.save_file({name: value.clone() for name, value in module.state_dict().items()}, path)
    model = from_torch(Normed)
    weights, state = model.from_checkpoint(safetensors.numpy.load_file(path), (8, 8, 1), "theirs")
    like = jax.eval_shape(model.init, KEY, jnp.zeros((1, 8, 8, 1)))
    shapes = jax.tree.map(lambda a: (np.shape(a), np.dtype(a.dtype)), like)
    assert jax.tree.map(lambda a: (np.shape(a), np.dtype(a.dtype)), (weights, state)) == shapes
    weights, state = jax.tree.map(jnp.asarray, (weights, state))
    ours, _ = model.apply(weights, state, jnp.asarray(x), train=False, key=KEY)
    theirs = module.eval()(torch.from_numpy(x).movedim(-1, 1))
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-5, atol=1e-5)


def changed(change):
    model = from_torch(nets.Mlp)
    weights, state = model.init(KEY, jnp.zeros((1, 64)))
    arrays = state_dict_of(model, weights, state)
    change(arrays)
    return network_of_state_dict(model, arrays, (64,), who="'net.safetensors'")


WRONG = {
    "missing": (lambda a: a.pop("out.bias"), r"'net.safetensors' lacks 'out.bias'; it must be a state_dict"),
    "extra": (
        lambda a: a.update(ghost=np.zeros(2)),
        r"'net.safetensors' has 'ghost', which the module does not",
    ),
    "renamed": (
        lambda a: a.update({"out.bais": a.pop("out.bias")}),
        r"lacks 'out.bias' and has 'out.bais', which the module does not \(did you mean 'out.bias'\?\)",
    ),
    "shape": (
        lambda a: a.update({"out.bias": np.zeros(3, np.float32)}),
        r"'out.bias' of 'net.safetensors' is of shape \(3,\), but that of the module is \(10,\)",
    ),
}


@pytest.mark.parametrize(("change", "text"), WRONG.values(), ids=WRONG)
def test_a_checkpoint_of_another_network_is_refused(change, text):
    with pytest.raises(InputError, match=text):
        changed(change)


def test_a_checkpoint_with_two_values_for_one_array_is_refused():
    model = from_torch(nets.Tied)
    arrays = state_dict_of(model, *model.init(KEY, jnp.zeros((1, 7), jnp.int32)))
    arrays["out.weight"] = arrays["out.weight"] + 1
    with pytest.raises(
        InputError, match=r"'out.weight' of the checkpoint is not what it has for 'words.weight'"
    ):
        network_of_state_dict(model, arrays, (7,))


@pytest.mark.parametrize("name", ["net.pt", "net", "net.bin"])
def test_a_pickled_checkpoint_is_refused_with_the_lines_that_convert_it(tmp_path, monkeypatch, name):
    module = nets.Tied()
    torch.save(module.state_dict(), tmp_path / name)
    with pytest.raises(DataError, match="pickled checkpoint, which may run any code") as caught:
        check_not_pickled(tmp_path / name)
    first, second = str(caught.value).split("`")[1:4:2]
    monkeypatch.chdir(tmp_path)
    space = {"net": nets.Tied()}
    exec(f"{first}\n{second}", space)
    back = network_of_state_dict(
        from_torch(nets.Tied), safetensors.numpy.load_file(tmp_path / "net.safetensors"), (7,)
    )
    np.testing.assert_array_equal(back[0]["words"]["weight"], module.words.weight.detach().numpy())


def test_a_file_that_is_not_pickled_is_let_through(tmp_path):
    path = tmp_path / "net.safetensors"
    safetensors.numpy.save_file({"a": np.zeros(2, np.float32)}, path)
    check_not_pickled(path)
    check_not_pickled(tmp_path / "none.safetensors")


def test_a_state_dict_starts_a_training_and_comes_back(tmp_path):
    """A file that PyTorch wrote, through the node that starts trainings; ours, by its own names, as well."""
    from safetensors.numpy import save_file as save_arrays
    from safetensors.torch import save_file

    torch.manual_seed(3)
    module = torch.nn.Sequential(
        torch.nn.Linear(5, 4), torch.nn.BatchNorm1d(4), torch.nn.ReLU(), torch.nn.Linear(4, 2)
    )
    module(torch.randn(16, 5))  # statistics of its own
    module.eval()
    model, x = ws.from_torch(module), np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)
    expected = module(torch.from_numpy(x)).detach().numpy()
    path = tmp_path / "net.safetensors"
    save_file(module.state_dict(), path)
    found = ws.StoredNetwork.of(path, model, (5,)).network_now()
    outputs = model.apply(*jax.tree.map(jnp.asarray, (*found,)), jnp.asarray(x), train=False, key=KEY)[0]
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-5)
    ours = tmp_path / "ours.safetensors"
    save_arrays(
        {name: np.array(leaf, order="C") for part in found for name, leaf in tree.flat_dict(part).items()},
        ours,
    )
    again = ws.StoredNetwork.of(ours, model, (5,)).network_now()
    outputs = model.apply(*jax.tree.map(jnp.asarray, (*again,)), jnp.asarray(x), train=False, key=KEY)[0]
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-5)
