"""A PyTorch network's weights and statistics as the `state_dict` of its own module, by the real command."""

import numpy as np
import pytest

import weightspace as ws
from weightspace.cli import main

torch = pytest.importorskip("torch")

from safetensors.torch import load_file  # noqa: E402
from torch import nn  # noqa: E402

NET = "tests.cli.test_export_torch:Small"
DATA = "digits:classes=0,1,2,train_each=20,test_each=10"
ASK = [
    "run", "tickets.dense", "--preset", "smoke", "--model", NET, "--data", DATA, "--seeds", "1",
    "--batch-size", "16", "--keep", "final", "--format", "png", "--yes",
]  # fmt: skip


class Small(nn.Module):
    """A convolution with batch normalisation, two arrays of which are statistics."""

    def __init__(self, outputs=10):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)
        self.out = nn.Linear(2 * 36, outputs)

    def forward(self, x):
        return self.out(torch.relu(self.norm(self.conv(x))).flatten(1))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("torch")
    assert main([*ASK, "--out", str(out)]) == 0
    return out, ws.results(out)["run"].iloc[0]


def test_the_module_takes_it_strictly_and_computes_the_same(trained, capsys):
    out, run = trained
    capsys.readouterr()
    assert main(["export", str(out), run[:12], "--to", "state-dict", "--model", NET]) == 0
    module = Small(outputs=3)
    module.load_state_dict(load_file(capsys.readouterr().out.strip()), strict=True)
    found = ws.load(out, run, ws.from_torch(Small, outputs=3))
    test = ws.make_data(DATA).source.loaded.test
    x = np.asarray(found.decoded(test.x))
    theirs = module.eval()(torch.from_numpy(x.transpose(0, 3, 1, 2).copy())).detach().numpy()
    np.testing.assert_allclose(found(test.x), theirs, atol=1e-5)
    table = ws.results(out)
    assert np.mean(theirs.argmax(1) == test.y) == pytest.approx(table["test_accuracy"].iloc[0])
    assert int(module.norm.num_batches_tracked) > 0
    assert float(module.norm.running_var.detach().sub(1).abs().max()) > 1e-3


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([], "name them, as in --model"),
        (["--output", "final.weights"], "--to state-dict is a run's whole network"),
    ],
)
def test_what_does_not_go_with_it(trained, capsys, more, message):
    out, run = trained
    capsys.readouterr()
    assert main(["export", str(out), run[:12], "--to", "state-dict", *more]) == 2
    assert message in capsys.readouterr().err
