"""What the page about PyTorch shows works."""

import pytest

from tests.pages import run_page

torch = pytest.importorskip("torch")


def test_the_readmes_module(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = run_page("README.md", smaller={'"20ep"': '"2ep"', "range(3)": "range(1)"}).module
    net = page.ws.load("out/torch", page.run).module
    assert isinstance(net, page.Net)
    assert isinstance(net, torch.nn.Module)
    assert page.ws.results("out/torch")["status"].tolist() == ["ok"]


def test_a_torch_module_in_a_subspace_and_as_a_ticket(tmp_path, monkeypatch):
    """Every block of the page in its order, with fewer epochs."""
    monkeypatch.chdir(tmp_path)
    ran = run_page("docs/torch.md", smaller={'"10ep"': '"3ep"'})
    assert len(ran.blocks) == 2
    page = ran.module
    table = page.table.set_index("space")
    assert set(table["status"]) == {"ok"}
    assert table.loc["all weights", "test_accuracy"] > 0.8
    assert table.loc[["64 random directions", "ticket"], "test_accuracy"].between(0.3, 1).all()
    assert isinstance(page.net, page.Net)
    # Seven rounds: 0.9⁷ of a convolution and of the output layer.
    for kernel in (page.net.conv.weight, page.net.out.weight):
        assert float((kernel != 0).float().mean()) == pytest.approx(0.9**7, abs=0.02)
    assert int(page.net.norm.num_batches_tracked) == 3 * 23
    expected = page.found.module.state_dict()
    for name, value in page.load_file("net.safetensors").items():
        assert (value == expected[name].numpy()).all()
    assert set(page.load_file("net.safetensors")) == set(expected)
