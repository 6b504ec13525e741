"""A user's own network, named by `package.module:factory`: what it is, is found out, then it is adapted."""

import ast
import contextlib
import functools
import inspect
import sys
from typing import Any

import jax

from weightspace.errors import InputError
from weightspace.models.adapters.common import CHAIN, Signature, library_of, library_rules
from weightspace.models.adapters.keys import is_key
from weightspace.models.base import Model, example

_ADAPTERS = {
    "Flax NNX": "from_nnx",
    "Flax Linen": "from_linen",
    "Equinox": "from_equinox",
    "PyTorch": "from_torch",
}
_KEYWORDS = {"rngs": "Flax NNX", "key": "Equinox"}


def plain_value(values: list[str]) -> Any:
    """The values of an option as plain numbers or names: one, or a list."""
    plain = [_literal(value) for value in values]
    return plain[0] if len(plain) == 1 else plain


def _literal(value: str) -> Any:
    try:
        return ast.literal_eval({"true": "True", "false": "False", "none": "None"}.get(value.lower(), value))
    except (ValueError, SyntaxError):
        return value


def adapt(
    target: Any,
    name: str,
    shape: tuple[int, ...],
    outputs: int,
    arguments: dict[str, Any],
    dtype: str = "float32",
) -> Model:
    """A model of what a user's name stands for.

    Args:
      target: A model, a module class, a Linen module, a pair of functions, or a function that makes one of
        these.
      name: What the user called it.
      shape: Of one example; given to the target if it takes `shape`.
      outputs: Given to the target if it takes `outputs`.
      arguments: Given by the user.
      dtype: Of inputs.

    Raises:
      InputError: If the target is nothing of that kind, or does not fit the data.
    """
    try:
        model = _adapted(target, name, {"shape": shape, "outputs": outputs}, arguments)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"'{name}' cannot be built: {_in_words(error)}") from error
    _check_fit(model, name, example(shape, dtype), outputs)
    return model


def _adapted(target: Any, name: str, offered: dict[str, Any], arguments: dict[str, Any]) -> Model:
    if isinstance(target, Model):
        if arguments:
            raise InputError(f"'{name}' is a finished model and takes no options")
        return target
    if _is_pair(target):
        return _of_pair(target, arguments)
    made_by = _opened(target)
    library = library_of(made_by)
    if library is not None and not inspect.isclass(made_by):
        return _by_adapter(library, target, arguments)
    if not callable(target):
        raise InputError(f"'{name}' is {type(target).__name__}, but must be a function, a class or a model")
    signature = Signature.of(target)
    arguments = signature.given(**offered) | arguments
    library = library or _named_by(signature) or _drawing(target, signature, arguments)
    if library is not None:
        return _by_adapter(library, target, arguments)
    return _of_result(target, name, signature, arguments)


def _opened(target: Any) -> Any:
    """What a `functools.partial` binds arguments of."""
    return target.func if isinstance(target, functools.partial) else target


def _named_by(signature: Signature) -> str | None:
    """The library whose name an argument of a factory has for what weights are drawn from."""
    return next((lib for keyword, lib in _KEYWORDS.items() if keyword in signature.names), None)


def _drawing(target: Any, signature: Signature, arguments: dict[str, Any]) -> str | None:
    """The library of a factory whose one open argument takes what weights are drawn from, by any name."""
    left = [other for other in signature.required if other not in arguments]
    if len(left) != 1 or not is_key(left[0]):
        return None
    key = jax.random.key(0, impl="threefry2x32")
    for library, module, value in (
        ("Equinox", "equinox", lambda: key),
        ("Flax NNX", "flax.nnx", lambda: sys.modules["flax.nnx"].Rngs(key)),
    ):
        if module in sys.modules:
            with contextlib.suppress(Exception), library_rules():
                made = target(**arguments, **{left[0]: value()})
                if library_of(made[0] if isinstance(made, tuple) else made) == library:
                    return library
    return None


def _of_result(target: Any, name: str, signature: Signature, arguments: dict[str, Any]) -> Model:
    missing = [key for key in signature.required if key not in arguments]
    untaken = [key for key in arguments if not signature.takes(key)]
    if missing or untaken:
        problem = f"needs '{missing[0]}'" if missing else f"takes no '{untaken[0]}'"
        advice = "; call a jax key `key` (Equinox), nnx.Rngs `rngs`" if missing and is_key(missing[0]) else ""
        raise InputError(
            f"'{name}' {problem}; a factory may take shape, outputs, rngs or key, and options{advice}"
        )
    made = target(**arguments)
    if isinstance(made, Model):
        return made
    if _is_pair(made):
        return _of_pair(made, {})
    library = _library_behind(made)
    if library in ("Flax NNX", "Equinox") and library_of(made) is not None and not inspect.isclass(made):
        keyword = next(key for key, lib in _KEYWORDS.items() if lib == library)
        raise InputError(
            f"'{name}' gives a finished {library} module; let it take `{keyword}`, so that each run draws "
            "its own weights"
        )
    if library is None:
        raise InputError(
            f"'{name}' gives {_what(made)}, but must give a weightspace model, a module of Flax NNX, Flax "
            "Linen, Equinox or PyTorch, a function of `rngs` or `key` that gives one, or a pair (init, apply)"
        )
    return _by_adapter(library, target, arguments)


def _library_behind(made: Any) -> str | None:
    """The library of a module, a class, or of what a function gives."""
    for _ in range(CHAIN):
        library = library_of(made)
        if library is not None or not callable(made):
            return library
        signature = Signature.of(made)
        named = _named_by(signature) or _drawing(made, signature, {})
        if named is not None or signature.required:
            return named
        made = made()
    return None


def _is_pair(value: Any) -> bool:
    plain = isinstance(value, tuple) and len(value) in (2, 3)
    return plain and all(callable(part) and library_of(part) is None for part in value)


def _of_pair(pair: Any, arguments: dict[str, Any]) -> Model:
    from weightspace.models import adapters

    return adapters.from_function(*pair, **arguments)


def _what(value: Any) -> str:
    if inspect.isfunction(value):
        return f"a function of ({', '.join(Signature.of(value).names)})"
    return type(value).__name__


def _in_words(error: Exception) -> str:
    reason = " ".join(str(error).strip().split("\n")[0].split())
    return f"{type(error).__name__}: {reason}" if reason else type(error).__name__


def _by_adapter(library: str, target: Any, arguments: dict[str, Any]) -> Model:
    from weightspace.models import adapters

    return getattr(adapters, _ADAPTERS[library])(target, **arguments)


def _check_fit(model: Model, name: str, x: Any, outputs: int) -> None:
    """Raise unless the model takes the examples and gives the outputs; shapes alone are computed."""
    key = jax.eval_shape(lambda: jax.random.key(0, impl="threefry2x32"))

    def forward(key: Any, x: Any) -> Any:
        weights, state = model.init(key, x)
        return model.apply(weights, state, x, train=False, key=key)[0]

    try:
        made = jax.eval_shape(forward, key, x)
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"'{name}' cannot take examples of shape {x.shape[1:]} and type {x.dtype}: {_in_words(error)}"
        ) from error
    if made.shape[1:] != (outputs,) and not (outputs == 1 and made.shape[1:] == ()):
        raise InputError(
            f"'{name}' gives outputs of shape {made.shape[1:]} for an example, but the data have {outputs}; "
            "let the factory take `outputs`"
        )
