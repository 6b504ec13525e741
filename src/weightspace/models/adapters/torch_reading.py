"""A module of PyTorch read once: its graphs for training and test, and its arrays by name.

PyTorch reads a module and draws its weights, and takes no part in training.
"""

import contextlib
import dataclasses
import functools
import threading
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from weightspace.code import Code
from weightspace.errors import InputError
from weightspace.models.adapters.common import check_arguments, check_library, chosen
from weightspace.models.adapters.modes import flags_of, told
from weightspace.models.adapters.torch_export import BATCH, OWN_GRADIENT, exported
from weightspace.models.adapters.torch_library import library
from weightspace.models.aten.graph import Graph, Ref, refs

_LOCK = threading.RLock()


@dataclasses.dataclass(frozen=True)
class Arrays:
    """The parameters and buffers of a module.

    Attributes:
      shapes: Shape and NumPy type by path, `features/0/weight`; what is tied stands here once.
      paths: The path of each name that the module has for an array, `features.0.weight`.
      parameters: Paths of the parameters.
      frozen: Those that do not learn (`requires_grad=False`).
      unsaved: Paths of buffers that are no part of a `state_dict`.
      own: The floating type of the parameters.
    """

    shapes: dict[str, tuple[tuple[int, ...], str]]
    paths: dict[str, str]
    parameters: frozenset[str]
    frozen: frozenset[str]
    unsaved: frozenset[str]
    own: str

    def named(self, module: Any) -> dict[str, np.ndarray]:
        """The values that a module of this kind has now, by path."""
        found = dict(_tensors(module))
        return {path: _numbers(found[name]) for name, path in self.paths.items()}


@dataclasses.dataclass(frozen=True)
class Reading:
    """The graphs of a module for inputs of one shape, by mode."""

    arrays: Arrays
    training: Graph
    test: Graph


def built(code: Code, seed: int = 0) -> Any:
    """The module that a factory gives, its weights drawn from a seed.

    PyTorch's own generator is left as it was.
    """
    torch = library()
    check_arguments(code)
    with _LOCK, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = chosen(code(), "", None)
    check_library(module, "PyTorch", code.identity["code"])
    return module


def check_module(module: Any, who: str) -> None:
    """Raise for a module that lies elsewhere than on the CPU, in half precision, or is not complete.

    Raises:
      InputError: If it is one of these.
    """
    torch = library()
    for name, part in module.named_modules():
        _check_part(name, part, who)
    starts: dict[int, tuple[str, Any]] = {}
    for name, tensor in _tensors(module):
        if torch.nn.parameter.is_lazy(tensor):
            raise InputError(
                f"'{name}' of {who} has no shape before it sees data: give the layer its sizes instead of "
                "taking one of torch's lazy layers"
            )
        if tensor.device.type != "cpu":
            raise InputError(
                f"'{name}' of {who} is on the device '{tensor.device}', but a module is read on the CPU: "
                "call .cpu() or build it there; the device of a run is chosen for the run"
            )
        if tensor.dtype in (torch.float16, torch.bfloat16):
            raise InputError(
                f"'{name}' of {who} is {str(tensor.dtype).removeprefix('torch.')}: call .float(); the "
                "precision of a run says what it computes in"
            )
        if "/" in name:
            raise InputError(
                f"'{name}' of {who} has a '/' in its name, which parts the keys of a path: rename it"
            )
        if tensor._backward_hooks:
            raise InputError(f"the gradient of '{name}' of {who} goes through a hook: {OWN_GRADIENT}")
        if isinstance(tensor, torch.nn.Parameter) and tensor.numel():
            other, known = starts.setdefault(tensor.data_ptr(), (name, tensor))
            if known is not tensor:
                raise InputError(
                    f"'{other}' and '{name}' of {who} are two parameters in one memory, which would be "
                    "trained apart: let both places hold one nn.Parameter, or give each a copy"
                )


def _check_part(name: str, part: Any, who: str) -> None:
    torch = library()
    if isinstance(part, torch.jit.ScriptModule):
        raise InputError(f"'{name}' of {who} is compiled by torch.jit: give the module that it was made of")
    if part._backward_hooks or part._backward_pre_hooks:
        raise InputError(f"the gradient of '{name}' of {who} goes through a hook: {OWN_GRADIENT}")
    averaged = getattr(part, "track_running_stats", False) and getattr(part, "momentum", 0) is None
    if averaged:
        raise InputError(
            f"'{name}' of {who} has momentum=None: its running averages go by a number that it counts "
            "itself; give a momentum"
        )


@functools.lru_cache(maxsize=256)
def arrays_of(code: Code) -> Arrays:
    """The arrays of a factory's modules.

    Raises:
      InputError: If two modules that it builds from one seed differ, or one cannot be read.
    """
    module, who = built(code), code.identity["code"]
    check_module(module, who)
    torch = library()
    shapes: dict[str, Any] = {}
    paths: dict[str, str] = {}
    seen: dict[int, str] = {}
    parameters, frozen = set(), set()
    floating = []
    for name, tensor in _tensors(module):
        path = seen.setdefault(id(tensor), name.replace(".", "/"))
        paths[name] = path
        shapes[path] = (tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."))
        if isinstance(tensor, torch.nn.Parameter):
            parameters.add(path)
            if tensor.is_floating_point():
                floating.append(str(tensor.dtype).removeprefix("torch."))
            if not tensor.requires_grad:
                frozen.add(path)
    saved = set(module.state_dict())
    unsaved = {path for name, path in paths.items() if name not in saved} - {
        path for name, path in paths.items() if name in saved
    }
    own = floating[0] if floating else "float32"
    found = Arrays(shapes, paths, frozenset(parameters), frozenset(frozen), frozenset(unsaved), own)
    first, again = found.named(module), found.named(built(code))
    for path in shapes:
        if not np.array_equal(first[path], again[path], equal_nan=first[path].dtype.kind == "f"):
            raise InputError(
                f"two modules that {who} builds from one seed differ in '{path}': draw weights by PyTorch's "
                "own generator (torch.nn.init, torch.randn), which a run's seed sets"
            )
    return found


_FAILED: dict[Any, Exception] = {}


def reading_of(code: Code, shape: tuple[int, ...], kind: str) -> Reading:
    """The graphs for inputs of a shape, as the module takes them, and of a kind (`floating` or a type)."""
    known = (code, shape, kind)
    if known in _FAILED:
        raise _FAILED[known].with_traceback(None)
    try:
        return _read(code, shape, kind)
    except Exception as error:
        if len(_FAILED) < 256:
            _FAILED[known] = error
        raise


@functools.lru_cache(maxsize=64)
def _read(code: Code, shape: tuple[int, ...], kind: str) -> Reading:
    torch = library()
    arrays, module, who = arrays_of(code), built(code), code.identity["code"]
    x = torch.zeros((BATCH, *shape), dtype=getattr(torch, arrays.own if kind == "floating" else kind))
    names = flags_of(type(module).forward)
    with _LOCK:
        graphs = [
            exported(module.train(train), x, told(names, train=train), who, arrays.own)
            for train in (True, False)
        ]
        if any(graph.constants for graph in graphs):
            flags = told(names, train=False)
            _check_constants(graphs[1], exported(built(code, 1).eval(), x, flags, who, arrays.own), who)
    return Reading(arrays, *graphs)


def _check_constants(graph: Graph, other: Graph, who: str) -> None:
    """Raise for a constant that is another in a module from another seed: it is drawn, but would be fixed."""
    for name, value in graph.constants.items():
        again = other.constants.get(name)
        if again is None or not np.array_equal(value, again, equal_nan=value.dtype.kind == "f"):
            users = (node for node in graph.nodes if Ref(name) in refs((node.args, (*node.kwargs.values(),))))
            line = next((node.line for node in users if node.line), "")
            raise InputError(
                f"{who} draws a tensor that is neither a parameter nor a buffer"
                + (f" ({line})" if line else "")
                + ", so that no run would have its own: register_buffer it, or draw it from a seed of its own"
            )


def drawn(code: Code, arrays: Arrays, types: dict[str, Any], words: Any) -> dict[str, np.ndarray]:
    """What a factory draws for the words of a random key, in the types that are asked for."""
    seed = 0
    for word in np.asarray(words).reshape(-1):
        seed = (seed << 32 | int(word)) % (1 << 63)
    values = arrays.named(built(code, seed))
    return {path: np.asarray(value, types[path]) for path, value in values.items()}


def types_of(arrays: Arrays) -> dict[str, jax.ShapeDtypeStruct]:
    """Shapes and types of the arrays as JAX holds them now."""
    return {
        path: jax.ShapeDtypeStruct(shape, jax.dtypes.canonicalize_dtype(dtype))
        for path, (shape, dtype) in arrays.shapes.items()
    }


def _tensors(module: Any) -> Iterator[tuple[str, Any]]:
    """Parameters, then buffers, under all their names."""
    yield from module.named_parameters(remove_duplicate=False)
    yield from module.named_buffers(remove_duplicate=False)


def _numbers(tensor: Any) -> np.ndarray:
    with contextlib.suppress(TypeError):
        return np.array(tensor.detach().numpy())
    return np.array(tensor.detach().double().numpy())
