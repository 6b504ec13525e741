"""Modules watched while they run: the output of each, and the flags it is called with."""

import dataclasses
import functools
import threading
from collections.abc import Callable, Mapping
from typing import Any

import jax
from jax.extend.core import get_opaque_trace_state
from jaxtyping import Array

from weightspace.models.adapters.inspection import complain
from weightspace.models.adapters.modes import misled
from weightspace.models.adapters.trial import consulted

LOCK = threading.RLock()


class Recorder:
    """Outputs of modules by path, in the order in which the modules finish.

    The classes' `__call__` is replaced while the model runs. Modules called within loops and transformations
    (an inner `vmap` or `scan`) are not found, since their outputs live there only; a module that is called
    again is recorded as `path#2`.
    """

    def __init__(self, modules: Mapping[str, Any]):
        self.found: dict[str, Array] = {}
        self._paths = {id(module): path for path, module in modules.items()}
        self._modules = list(modules.values())
        self._active: list[int] = []

    def __enter__(self) -> "Recorder":
        LOCK.acquire()
        self._outside = get_opaque_trace_state()
        self._originals = {}
        for cls in {type(module) for module in self._modules if callable(module)}:
            self._originals[cls] = cls.__dict__.get("__call__")
            type.__setattr__(cls, "__call__", self._recording(cls.__call__))
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._restore()
        finally:
            LOCK.release()

    def _restore(self) -> None:
        for cls, original in self._originals.items():
            if original is None:
                type.__delattr__(cls, "__call__")
            else:
                type.__setattr__(cls, "__call__", original)

    def _recording(self, original: Any) -> Callable[..., Any]:
        @functools.wraps(original)  # so that its parameters are still to be seen
        def call(module: Any, *args: Any, **kwargs: Any) -> Any:
            if id(module) in self._active or id(module) not in self._paths:
                return original(module, *args, **kwargs)
            kwargs = self.given(self._paths[id(module)], module, args, kwargs)
            self._active.append(id(module))
            try:
                outputs = original(module, *args, **kwargs)
            finally:
                self._active.pop()
            path = self._paths[id(module)]
            self.note(path, module, (args, kwargs), outputs)
            for name, part in self.parts_of(path, module, outputs).items():
                self._paths[id(part)] = name
                self._modules.append(part)
            return outputs

        return call

    def given(self, path: str, module: Any, args: Any, kwargs: Any) -> Any:
        """What a module that is called shall be given by keyword."""
        return kwargs

    def note(self, path: str, module: Any, given: tuple[Any, Any], outputs: Any) -> None:
        """A module has been called with arguments, and has given its outputs."""
        self._record(path, outputs)

    def parts_of(self, path: str, module: Any, outputs: Any) -> dict[str, Any]:
        """Modules, by path, that a call has made of those there were."""
        return {}

    def _record(self, path: str, outputs: Any) -> None:
        value = outputs[0] if isinstance(outputs, tuple) and outputs else outputs
        if not isinstance(value, jax.Array) or get_opaque_trace_state() != self._outside:
            return
        again = sum(1 for known in self.found if known.split("#")[0] == path)
        self.found[f"{path}#{again + 1}" if again else path] = value


class FlagWatch(Recorder):
    """Tells an inspection which modules run with a flag that says the wrong mode."""

    def __init__(self, modules: Mapping[str, Any], *, train: bool):
        super().__init__(modules)
        self._train = train

    def given(self, path: str, module: Any, args: Any, kwargs: Any) -> Any:
        """Options of the module may be on trial."""
        return kwargs | consulted(path, module, args, kwargs, fields_of(module))

    def note(self, path: str, module: Any, given: tuple[Any, Any], outputs: Any) -> None:
        """Compare the flags of the module and of its call with the mode."""
        complain_of_flags(path, module, fields_of(module), *given, train=self._train)


def fields_of(module: Any) -> dict[str, Any]:
    """The fields of a module that it holds itself."""
    names = [field.name for field in dataclasses.fields(module)] if dataclasses.is_dataclass(module) else []
    return {name: getattr(module, name, None) for name in names} | dict(getattr(module, "__dict__", {}))


def complain_of_flags(
    path: str, module: Any, fields: Mapping[str, Any], args: Any, kwargs: Any, *, train: bool
) -> None:
    """Note flags that have the wrong value in a call of a module."""
    for flag in misled(path, module, fields, args, kwargs, train=train):
        when = "in training" if train else "at test time"
        complain(f"'{flag}' has the wrong value {when}: nothing tells it whether it trains", of_mode=True)
