import numpy as np
import pytest

from tests.data.conftest import run_python
from weightspace import data
from weightspace.data import describe, make_data, names
from weightspace.data.cosine import CosineProduct
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
def more(): return {"x": X, "y": Y, "weights": Y}
ready = make_data("digits")
"""


@pytest.fixture
def factories(tmp_path, monkeypatch):
    (tmp_path / "my_factories.py").write_text(FACTORIES)
    monkeypatch.syspath_prepend(tmp_path)


def test_names_and_cards(no_data):
    on_disk = ("mnist", "fashion_mnist", "cifar10", "cifar100", "svhn", "tiny_imagenet")
    assert names() == ("digits", *on_disk, "cosine")
    for name in names():
        card = describe(name)
        assert card["name"] == name
        assert card["train"] > card["test"] > 0
        assert card["on_disk"] == (name not in on_disk)
    assert describe("cosine")["classes"] is None
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


def test_the_cosines_are_a_name_with_options():
    assert make_data("cosine") == CosineProduct()
    made = make_data("cosine:frequency=0.25,examples=50,test=7,dims=4,scale=2", normalise="half")
    assert made == CosineProduct(0.25, 50, 7, 4, 2.0)
    assert make_data("cosine", noise=None, validation=0, subset=None) == CosineProduct()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("cosine:frequncy=1", {}, "cosine has no option 'frequncy'; did you mean 'frequency'"),
        ("cosine:frequency=fast", {}, "'frequency' is 'fast', but must be a number"),
        ("cosine:frequency=0", {}, "frequency is 0"),
        ("cosine", {"noise": 0.2}, "cosine is drawn for each run, so it takes no noise"),
        ("cosine", {"validation": 10}, "takes no validation"),
        ("cosine", {"subset": 10}, "takes no subset"),
        ("cosines", {}, "did you mean 'cosine'"),
        ("digits:class=3,8", {}, "digits has no option 'class'; did you mean 'classes'"),
        ("digits:train_each=5", {}, "chooses no classes; write digits:classes=0,1"),
        ("digits:classes=3", {}, "there must be at least two"),
        ("digits:classes=3,x", {}, "option 'classes' is 'x', but must be a whole number"),
    ],
)
def test_options_in_names_that_make_no_sense(name, options, message):
    with pytest.raises(InputError, match=message):
        make_data(name, **options)


def test_classes_are_chosen_by_name():
    made = make_data("digits:classes=3,8,train_each=20", noise=0.5, normalise="half")
    assert (made.size, made.classes, made.noise) == (40, 2, 0.5)
    assert made.name == "digits:classes=3,8,train_each=20"
    assert make_data(made.name).source == made.source


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


def test_entries_that_would_be_left_out(factories):
    with pytest.raises(InputError, match="dict that 'my_factories:more' gives 'weights'"):
        make_data("my_factories:more")
