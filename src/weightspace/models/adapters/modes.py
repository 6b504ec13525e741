"""Training or test: how a user's network is told, whatever the flag is called, and where it was not told.

A flag is a yes/no argument or field whose name says what it is: a word for training (`train`, `is_training`,
`train_mode`) or for test (`deterministic`, `inference`, `is_eval`, `use_running_average`). What is found so
is set; a flag that still has the wrong value while the network runs is reported, so that it can be refused.
Some words say it in a call only: a field `stochastic` or `predict` may as well be a choice made with the
network, and is left as it is. Arguments of other names are tried out (`untold`).
"""

import enum
import functools
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

_TRAINING = {"train", "training", "learning", "stochastic"}
_TEST = {
    *("deterministic", "inference", "infer", "eval", "evaluation", "evaluate", "evaluating"),
    *("test", "testing", "val", "validation", "validating", "predict", "prediction", "predicting"),
}  # fmt: skip
_CHOICES = {
    *("learning", "stochastic", "test", "val", "validation", "predict", "prediction", "infer", "evaluate"),
}  # fmt: skip
"""Words that name a choice where a module holds them, unless another word says that a mode is meant."""
_SURE = {"is", "in", "at", "mode", "flag", "phase", "time", "now", "currently"}
_FILLING = {"is", "in", "at", "do", "for", "on", "mode", "flag", "phase", "time", "now", "currently", "model"}
_WHOLE = {
    **dict.fromkeys(("use running average", "use running averages", "use running stats"), False),
    **dict.fromkeys(("use running statistics", "running average", "running stats"), False),
    **dict.fromkeys(("update stats", "update statistics", "update batch stats", "use batch stats"), True),
    **dict.fromkeys(("use batch statistics", "enable dropout", "apply dropout", "do dropout"), True),
    **dict.fromkeys(("disable dropout", "no dropout"), False),
}
_RATES = ("rate", "p", "dropout_rate")
_LIBRARIES = {"flax", "equinox"}


def in_training(name: str, *, held: bool = False) -> bool | None:
    """The value in training of a flag of this name; None if the name is no flag's.

    >>> in_training("isTraining"), in_training("eval_mode"), in_training("train_steps")
    (True, False, None)
    >>> in_training("stochastic"), in_training("stochastic", held=True)
    (True, None)

    Args:
      name: Of an argument or a field.
      held: Whether a module or a factory holds it: names that a hyperparameter may have are then no flags'.
    """
    spaced = words_of(name)
    whole = _WHOLE.get(" ".join(spaced))
    if whole is not None:
        return None if held and "running" not in spaced else whole
    words = set(spaced) - _FILLING
    if len(words) != 1:
        return None
    (word,) = words
    if held and word in _CHOICES and (word == "stochastic" or not _SURE.intersection(spaced)):
        return None
    return True if word in _TRAINING else False if word in _TEST else None


def words_of(name: str) -> list[str]:
    """The words of a name, in lower case."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|_+|-", " ", name).lower().split()


def is_yes_or_no(value: Any) -> bool:
    """Whether a value is yes or no, also written as 1 or 0."""
    return isinstance(value, bool | np.bool_) or (type(value) is int and value in (0, 1))


def flags_of(call: Callable[..., Any], *, held: bool = False) -> tuple[str, ...]:
    """The flags among the parameters of a function, or (`held`) of a class or another factory."""
    return tuple(
        p.name
        for p in parameters(call)
        if in_training(p.name, held=held) is not None
        and (p.default is p.empty or p.default is None or is_yes_or_no(p.default))
    )


def told(names: tuple[str, ...], *, train: bool) -> dict[str, bool]:
    """Flags with their values."""
    return {name: in_training(name) is train for name in names}


def spoken(call: Callable[..., Any]) -> str | None:
    """A parameter that tells the mode by a word, such as `mode="train"` or `mode=Mode.EVAL`, or None."""
    for p in parameters(call):
        word = p.default.name if isinstance(p.default, enum.Enum) else p.default
        if isinstance(word, str) and in_training(word) is not None:
            return p.name
    return None


def yes_or_no(call: Callable[..., Any]) -> list[str]:
    """All parameters that are yes or no by default."""
    return [p.name for p in parameters(call) if isinstance(p.default, bool)]


def misled(
    path: str, module: Any, fields: Mapping[str, Any], args: Any, kwargs: Any, *, train: bool
) -> Iterator[str]:
    """The flags of a module that have the wrong value in a call of it, as `path.flag`.

    Of the libraries' own layers only those count that drop something or keep statistics, and an argument of
    the call goes before a field.

    Args:
      path: Of the module.
      module: It.
      fields: Its fields by name.
      args: Of the call, the module itself left out.
      kwargs: Of the call.
      train: Whether the call is one of training.
    """
    own = {name: value for name, value in fields.items() if value is not None}
    told = {name: value for name, value in _bound(module, args, kwargs).items() if value is not None}
    given = own | told
    if of_library(module) and not _acts(module, given):
        return
    for name, value in given.items():
        wanted = in_training(name, held=name not in told)
        if wanted is not None and is_yes_or_no(value) and value != (wanted is train):
            yield f"{path}.{name}" if path else name


def of_library(module: Any) -> bool:
    """Whether a module is a layer that a library itself defines."""
    return type(module).__module__.partition(".")[0] in _LIBRARIES


def _acts(layer: Any, given: Mapping[str, Any]) -> bool:
    rates = [getattr(layer, name, 0) for name in _RATES]
    drops = any(isinstance(rate, int | float) and rate > 0 for rate in rates)
    return drops or "use_running_average" in given or type(layer).__name__ == "BatchNorm"


def _bound(module: Any, args: Any, kwargs: Any) -> dict[str, Any]:
    try:
        bound = inspect.signature(type(module).__call__).bind(module, *args, **kwargs)
    except (TypeError, ValueError):
        return dict(kwargs)
    bound.apply_defaults()
    return dict(bound.arguments)


def parameters(call: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters of a function, a class or an instance that can be called, but for `self`.

    Those that a `functools.partial` has bound by place are left out.
    """
    bound = call.args if isinstance(call, functools.partial) else ()
    keywords = call.keywords if isinstance(call, functools.partial) else {}
    inner: Any = call.func if isinstance(call, functools.partial) else call
    # A library's metaclass may hide the parameters of its classes.
    if not inspect.isclass(inner) or inner.__init__ is object.__init__:
        return list(inspect.signature(call).parameters.values())
    opened = functools.partial(inner.__init__, None, *bound, **keywords)
    return list(inspect.signature(opened).parameters.values())
