"""The zoo: networks by name, and users' own by `package.module:factory`; loaded when they are made."""

import importlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from weightspace.errors import InputError, unknown
from weightspace.models.base import Model
from weightspace.named import check_may_run, handed_over, resolve
from weightspace.options import read_options, split_options


class _Entry(NamedTuple):
    module: str
    cls: str
    text: str


_TABLE = {
    "fc": _Entry("fc", "Fc", "fully connected, hidden layers of 300 and 100 units"),
    "conv2": _Entry("conv", "Conv2", "two convolutions (16, 32 channels), average pooling, one dense layer"),
    "conv3": _Entry(
        "conv", "Conv3", "three convolutions (32, 64, 64 channels), average pooling, one dense layer"
    ),
    "conv4": _Entry(
        "conv", "Conv4", "four convolutions (32, 64, 64, 128 channels), average pooling, one dense layer"
    ),
    "lth_conv2": _Entry("lth_conv", "LthConv2", "tickets: 2 convolutions (64 channels), 3 dense layers"),
    "lth_conv4": _Entry("lth_conv", "LthConv4", "tickets: 4 convolutions (64, 128 channels), 3 dense layers"),
    "lth_conv6": _Entry(
        "lth_conv", "LthConv6", "tickets: 6 convolutions (64, 128, 256 channels), 3 dense layers"
    ),
    "resnet20": _Entry("resnet", "ResNet20", "residual network of 20 layers with batch normalisation"),
    "resnet18_64": _Entry(
        "resnet", "ResNet18", "residual network of 18 layers for 64 x 64 images, 11 million weights"
    ),
    "resnet50": _Entry(
        "bottleneck",
        "ResNet50",
        "residual network of 50 layers for large images, 25,556,032 weights of 1000 classes",
    ),
    "wrn50_2": _Entry(
        "bottleneck",
        "WideResNet50",
        "the same, bottlenecks twice as wide, 68,882,240 weights of 1000 classes",
    ),
    "cresnet20": _Entry("cresnet", "CResNet20", "residual network of 20 layers that ends in a convolution"),
    "cresnet": _Entry("cresnet", "CResNet", "the same of any depth and width, with batch or group norm"),
    "wide_resnet": _Entry("resnet", "WideResNet16", "residual network of 16 layers, four times as wide"),
    "mlp": _Entry("mlp", "Mlp", "first layer a bias alone, then three hidden layers of 32 units"),
    "mlp2": _Entry("mlp", "Mlp2", "first layer a bias alone, then one hidden layer of 32 units"),
    "identity_cnn": _Entry(
        "identity_cnn",
        "IdentityCnn",
        "first layer a bias for each pixel, then two convolutions (96, 384 channels)",
    ),
    "mnist_fc": _Entry("study", "MnistFc", "symmetry: two hidden layers of 32, batch normalisation"),
    "mnist_cnn": _Entry(
        "study",
        "MnistCnn",
        "symmetry: two 5 × 5 convolutions (16, 32 channels), average, a dense layer (64)",
    ),
    "cifar10_cnn": _Entry(
        "study", "Cifar10Cnn", "symmetry: six convolutions (32 to 128 channels), average, batch normalisation"
    ),
}


def names() -> tuple[str, ...]:
    """The networks of the zoo."""
    return tuple(_TABLE)


def describe(name: str) -> str:
    """What a network is, in one line.

    Raises:
      InputError: If there is none of that name.
    """
    return _entry(name).text


def make(name: str, shape: Sequence[int], outputs: int, dtype: str = "float32") -> Model:
    """A model by name.

    >>> make("fc:widths=512,512", shape=(8, 8, 1), outputs=10).widths
    (512, 512)

    Args:
      name: A name of the zoo, with options as in `fc:widths=512,512,activation=tanh`; or
        `package.module:factory`, with options in the same way, which is given those of `shape` and `outputs`
        that it takes and makes a weightspace model or a module of NNX, Linen or Equinox.
      shape: Of one example; images are (height, width, channels).
      outputs: Classes, or numbers to predict.
      dtype: Of inputs: `int32` for names (tokens).

    Raises:
      InputError: If there is no such model, it has no such option, or the data do not fit it.
    """
    check_may_run("the network", name)
    if (given := handed_over(name)) is not None:
        from weightspace.models.zoo.user import adapt

        return adapt(given, name, tuple(shape), outputs, {}, dtype)
    base, _, text = name.partition(":")
    if base not in _TABLE and text and "=" not in text.partition(":")[0]:
        return _users(name, tuple(shape), outputs, dtype)
    entry = _entry(base)
    cls = getattr(importlib.import_module(f"{__name__}.{entry.module}"), entry.cls)
    return cls(shape=tuple(shape), outputs=outputs, **_options(base, cls, text))


def class_of_kind(kind: str) -> type[Model]:
    """The class of a network by its kind in a spec, as `models.Fc`.

    Raises:
      InputError: If the zoo has none.
    """
    for entry in _TABLE.values():
        if kind == f"models.{entry.cls}":
            return getattr(importlib.import_module(f"{__name__}.{entry.module}"), entry.cls)
    raise unknown("model", kind, [f"models.{entry.cls}" for entry in _TABLE.values()])


def _entry(name: str) -> _Entry:
    if name not in _TABLE:
        raise InputError(
            f"{unknown('model', name, _TABLE)} One of your own is given as module:class, such as mine:Net "
            "for the class Net of mine.py"
        )
    return _TABLE[name]


def _users(name: str, shape: tuple[int, ...], outputs: int, dtype: str) -> Model:
    from weightspace.models.zoo.user import adapt, plain_value

    module, attribute, *rest = name.split(":", 2)
    given = split_options(rest[0] if rest else "")
    arguments = {key: plain_value(values) for key, values in given.items()}
    return adapt(resolve(f"{module}:{attribute}"), name, shape, outputs, arguments, dtype)


def _options(base: str, cls: Any, text: str) -> dict[str, Any]:
    from weightspace.models.zoo.base import options

    return read_options(base, cls, [field.name for field in options(cls)], text)
