"""The zoo: networks by name, and users' own by `package.module:factory`; loaded when they are made."""

import importlib
import typing
from collections.abc import Sequence
from typing import Any, NamedTuple

from weightspace.code import import_object
from weightspace.errors import InputError, nearest, unknown
from weightspace.models.base import Model


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
    "resnet20": _Entry("resnet", "ResNet20", "residual network of 20 layers with batch normalisation"),
    "wide_resnet": _Entry("resnet", "WideResNet16", "residual network of 16 layers, four times as wide"),
    "mlp": _Entry("mlp", "Mlp", "first layer a bias alone, then three hidden layers of 32 units"),
}

_TYPES = {int: "a whole number", float: "a number", str: "a name", bool: "true or false"}
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def names() -> tuple[str, ...]:
    """The networks of the zoo."""
    return tuple(_TABLE)


def describe(name: str) -> str:
    """What a network is, in one line.

    Raises:
      InputError: If there is none of that name.
    """
    return _entry(name).text


def make(name: str, shape: Sequence[int], outputs: int) -> Model:
    """A model by name.

    >>> make("fc:widths=512,512", shape=(8, 8, 1), outputs=10).widths
    (512, 512)

    Args:
      name: A name of the zoo, with options as in `fc:widths=512,512,activation=tanh`; or
        `package.module:factory`, with options in the same way, which is given those of `shape` and `outputs`
        that it takes and makes a weightspace model or a module of NNX, Linen or Equinox.
      shape: Of one example; images are (height, width, channels).
      outputs: Classes, or numbers to predict.

    Raises:
      InputError: If there is no such model, it has no such option, or the data do not fit it.
    """
    base, _, text = name.partition(":")
    if base not in _TABLE and text and "=" not in text.partition(":")[0]:
        return _users(name, tuple(shape), outputs)
    entry = _entry(base)
    cls = getattr(importlib.import_module(f"{__name__}.{entry.module}"), entry.cls)
    return cls(shape=tuple(shape), outputs=outputs, **_options(base, cls, text))


def _entry(name: str) -> _Entry:
    if name not in _TABLE:
        raise unknown("model", name, _TABLE)
    return _TABLE[name]


def _users(name: str, shape: tuple[int, ...], outputs: int) -> Model:
    from weightspace.models.zoo.user import adapt, plain_value

    module, attribute, *rest = name.split(":", 2)
    given = split_options(rest[0] if rest else "")
    arguments = {key: plain_value(values) for key, values in given.items()}
    return adapt(import_object(f"{module}:{attribute}"), name, shape, outputs, arguments)


def split_options(text: str) -> dict[str, list[str]]:
    """`a=1,2,b=x` as names and their values; a piece without `=` belongs to the option before it.

    Raises:
      InputError: If the text does not begin with an option or names one twice.
    """
    found: dict[str, list[str]] = {}
    for piece in filter(None, (piece.strip() for piece in text.split(","))):
        key, equals, value = piece.partition("=")
        if equals and key.strip() in found:
            raise InputError(f"option '{key.strip()}' is given twice in '{text}'")
        if equals:
            found[key.strip()] = [value.strip()]
        elif found:
            found[list(found)[-1]].append(piece)
        else:
            raise InputError(f"'{piece}' is no option; write name=value")
    return found


def _options(base: str, cls: Any, text: str) -> dict[str, Any]:
    from weightspace.models.zoo.base import options

    hints = typing.get_type_hints(cls)
    types = {field.name: hints[field.name] for field in options(cls)}
    found = {}
    for key, values in split_options(text).items():
        if key not in types:
            guess = nearest(key, types)
            hint = f"; did you mean '{guess}'?" if guess else "."
            known = ", ".join(f"{option} ({_shown_type(hint)})" for option, hint in types.items())
            raise InputError(f"{base} has no option '{key}'{hint} Options: {known}.")
        found[key] = _value(f"{base}: option '{key}'", types[key], values)
    return found


def _shown_type(hint: Any) -> str:
    inner = typing.get_args(hint)
    return f"{_TYPES[inner[0]]} or several, by commas" if inner else _TYPES[hint]


def _value(what: str, hint: Any, values: list[str]) -> Any:
    inner = typing.get_args(hint)
    if inner:
        return tuple(_single(what, inner[0], value) for value in values)
    if len(values) != 1:
        raise InputError(f"{what} is '{','.join(values)}', but must be {_TYPES[hint]}")
    return _single(what, hint, values[0])


def _single(what: str, kind: type, value: str) -> Any:
    try:
        return _TRUTH[value.lower()] if kind is bool else kind(value)
    except (KeyError, ValueError) as error:
        raise InputError(f"{what} is '{value}', but must be {_TYPES[kind]}") from error
