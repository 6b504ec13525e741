"""Activations: the output of each module of a network, taken down while it runs."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

import jax
from jaxtyping import Array

_LOCK = threading.RLock()


class Recorder:
    """Outputs of modules by path, in the order in which the modules finish.

    The classes' `__call__` is replaced while the model runs. Modules that a library's own loops and
    transformations copy are not found; a module that is called again is recorded as `path#2`.
    """

    def __init__(self, modules: Mapping[str, Any]):
        self.found: dict[str, Array] = {}
        self._paths = {id(module): path for path, module in modules.items()}
        self._modules = list(modules.values())
        self._active: list[int] = []

    def __enter__(self) -> "Recorder":
        _LOCK.acquire()
        self._originals = {}
        for cls in {type(module) for module in self._modules if callable(module)}:
            self._originals[cls] = cls.__dict__.get("__call__")
            type.__setattr__(cls, "__call__", self._recording(cls.__call__))
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._restore()
        finally:
            _LOCK.release()

    def _restore(self) -> None:
        for cls, original in self._originals.items():
            if original is None:
                type.__delattr__(cls, "__call__")
            else:
                type.__setattr__(cls, "__call__", original)

    def _recording(self, original: Any) -> Callable[..., Any]:
        def call(module: Any, *args: Any, **kwargs: Any) -> Any:
            if id(module) in self._active or id(module) not in self._paths:
                return original(module, *args, **kwargs)
            self._active.append(id(module))
            try:
                outputs = original(module, *args, **kwargs)
            finally:
                self._active.pop()
            self._record(self._paths[id(module)], outputs)
            return outputs

        return call

    def _record(self, path: str, outputs: Any) -> None:
        value = outputs[0] if isinstance(outputs, tuple) and outputs else outputs
        if not isinstance(value, jax.Array):
            return
        again = sum(1 for known in self.found if known.split("#")[0] == path)
        self.found[f"{path}#{again + 1}" if again else path] = value
