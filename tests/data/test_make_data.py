import numpy as np
import pytest

from tests.data.conftest import run_python
from weightspace import data
from weightspace.data import describe, make_data, names
from weightspace.errors import DataError, InputError

FACTORIES = """
import numpy as np
from weightspace.data import Digits, make_data
X, Y = np.zeros((20, 3), np.float32), np.arange(20) % 2
def pair(): return X, Y
def four(): return X, Y, X[:4], Y[:4]
def named(): return {"x": X, "y": Y, "name": "zeros", "full_scale": 2}
def source(): return Digits()
def whole(): return make_data("digits", subset=7)
def wrong(): return 3
ready = make_data("digits")
"""


@pytest.fixture
def factories(tmp_path, monkeypatch):
    (tmp_path / "my_factories.py").write_text(FACTORIES)
    monkeypatch.syspath_prepend(tmp_path)


def test_names_and_cards(no_data):
    assert names() == ("digits", "mnist", "fashion_mnist", "cifar10", "cifar100", "svhn", "tiny_imagenet")
    for name in names():
        card = describe(name)
        assert card["name"] == name
        assert card["train"] > card["test"] > 0
        assert card["on_disk"] == (name == "digits")
    assert describe("cifar100")["classes"] == 100
    with pytest.raises(InputError, match="did you mean 'cifar10'"):
        describe("cifar-1")


def test_the_default_is_real_and_needs_nothing(no_data):
    assert make_data().name == "digits"


@pytest.mark.parametrize(
    ("given", "guess"),
    [("minst", "mnist"), ("digit", "digits"), ("fashion", "fashion_mnist"), ("CIFAR10", "cifar10")],
)
def test_misspelt_names(given, guess):
    with pytest.raises(InputError, match=f"did you mean '{guess}'"):
        make_data(given)


def test_misspelt_options():
    with pytest.raises(InputError, match="did you mean 'normalise'"):
        make_data("digits", normalize="unit")


def test_hyphens_are_underscores():
    assert make_data("fashion-mnist").name == "fashion_mnist"


def test_paths_that_are_not_there():
    with pytest.raises(DataError, match="there is no folder or file"):
        make_data("./nothing/here")
    with pytest.raises(DataError, match="there is no folder or file"):
        make_data("nothing.npz")


@pytest.mark.parametrize(
    ("name", "size", "label"),
    [
        ("pair", 16, "pair"),
        ("four", 20, "four"),
        ("named", 16, "zeros"),
        ("source", 1_437, "digits"),
        ("ready", 1_437, "digits"),
    ],
)
def test_factories(factories, name, size, label):
    made = make_data(f"my_factories:{name}")
    assert (made.size, made.name) == (size, label)
    made.check()


def test_options_over_a_factory(factories):
    assert make_data("my_factories:whole").size == 7
    assert make_data("my_factories:whole", noise=0.5).noise == 0.5
    assert make_data("my_factories:whole", subset=9).size == 9


def test_factories_that_give_something_else(factories):
    with pytest.raises(InputError, match="gave int"):
        make_data("my_factories:wrong")
    with pytest.raises(InputError, match="has no 'absent'"):
        make_data("my_factories:absent")


def test_a_set_in_the_data_folder_is_found_by_its_name(tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    x = np.arange(10.0)
    np.savez(tmp_path / "mine" / "arrays.npz", x_train=x, y_train=x, x_test=x, y_test=x)
    monkeypatch.setenv("WEIGHTSPACE_DATA", str(tmp_path))
    made = make_data("mine")
    assert (made.name, made.size, made.classes) == ("mine", 10, None)


def test_public_names_exist_and_others_do_not():
    for name in data.__all__:
        assert getattr(data, name) is not None
    with pytest.raises(AttributeError, match="no attribute nothing"):
        _ = data.nothing


def test_importing_is_light():
    code = (
        "import sys, weightspace.data as d; d.names(); d.describe('mnist');"
        "import weightspace.data.base, weightspace.data.task;"
        "print([m for m in ('datasets', 'sklearn', 'pandas', 'PIL', 'pyarrow', 'torch') if m in sys.modules])"
    )
    assert run_python(code) == "[]"
