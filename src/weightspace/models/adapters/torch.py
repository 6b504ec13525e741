"""PyTorch: a module is read by `torch.export` once a mode, and its graphs of core operators run here.

`weights` are the parameters under PyTorch's own names (`features.0.weight` is `features/0/weight`) and in its
own layout (outputs first); `state` are the buffers. Images come channels-last, as the data has them, and
reach the module channels first.
"""

import copy
import functools
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from weightspace import tree
from weightspace.code import Code
from weightspace.errors import InputError
from weightspace.identity import qualified_name
from weightspace.models.adapters.common import (
    Convention,
    check_call,
    check_flags,
    checked_outputs,
    convention,
    frozen_overrides,
    inputs_type,
    library_of,
    library_rules,
)
from weightspace.models.adapters.modes import flags_of
from weightspace.models.adapters.torch_library import library
from weightspace.models.adapters.torch_reading import (
    Reading,
    arrays_of,
    built,
    check_module,
    drawn,
    reading_of,
    types_of,
)
from weightspace.models.adapters.user import PathModel
from weightspace.models.aten.evaluate import evaluate
from weightspace.models.aten.graph import Node
from weightspace.models.aten.table import Image
from weightspace.models.base import State, Weights
from weightspace.spec import spec, static
from weightspace.tree import Tree

IMAGES = ("NCHW", "NHWC")
_IMAGE = 3
"""Axes of one image."""


@spec
class FromTorch(PathModel):
    """A user's PyTorch module.

    Attributes:
      images: How the module takes examples with three axes, which data hold as (height, width, channels).
    """

    images: str = static(neutral="NCHW")

    version: ClassVar[int] = 3
    """3: gradients at zero and at kinks, attention where all is masked and sorting by axis are PyTorch's."""
    tying: ClassVar[str] = "let both places hold one nn.Parameter"
    advice: ClassVar[str] = "pass `training=self.training` to functions such as F.dropout, or use nn.Dropout"

    def draw(self, key: Key[Array, ""], x: Any) -> tuple[Tree, State]:
        """The parameters and buffers of a module that is built from the key, on the host."""
        reading = self.reading(x)
        arrays, types = reading.arrays, types_of(reading.arrays)
        if isinstance(self.code.call, Present):
            values = arrays.named(self.code.call.module)
            flat = {path: jnp.asarray(values[path], wanted.dtype) for path, wanted in types.items()}
        else:
            dtypes = {path: wanted.dtype for path, wanted in types.items()}
            host = functools.partial(drawn, self.code, arrays, dtypes)
            words = jax.random.key_data(key)
            flat = jax.pure_callback(host, types, words, vmap_method="sequential")
        weights = {path: leaf for path, leaf in flat.items() if path in arrays.parameters}
        state = {path: leaf for path, leaf in flat.items() if path not in arrays.parameters}
        return tree.nested_dict(weights), tree.nested_dict(state)

    def run(
        self, arrays: Tree, state: State, x: Array, *, train: bool, key: Key[Array, ""]
    ) -> tuple[Array, State]:
        """The graph of the mode."""
        outputs, after = self._evaluated(arrays, state, x, train=train, key=key)
        flat = tree.flat_dict(state)
        return checked_outputs(outputs, x, self.name), tree.nested_dict({**flat, **after})

    def _evaluated(
        self, arrays: Tree, state: State, x: Array, *, train: bool, key: Any, watch: Any = None
    ) -> tuple[Array, dict[str, Array]]:
        reading = self.reading(x)
        told, graph = reading.arrays, reading.training if train else reading.test
        flat = tree.flat_dict(arrays)
        dtype, flat = inputs_type(arrays, x), {**tree.flat_dict(state), **flat}
        for path in told.frozen & flat.keys():
            flat[path] = jax.lax.stop_gradient(flat[path])
        absent = [path for path in told.shapes if path not in flat]
        if absent:
            raise InputError(f"the model's arrays have no '{absent[0]}'; it has {', '.join(flat)}")
        named = {name: flat[path] for name, path in told.paths.items()}
        with library_rules():
            outputs, after = evaluate(graph, named, self._given(x), dtype, key, watch)
        return outputs, {told.paths[name]: value for name, value in after.items()}

    def _given(self, x: Array) -> Array | Image:
        """A batch as the module takes it."""
        return Image(x) if self.images == "NCHW" and x.ndim == _IMAGE + 1 else x

    def reading(self, x: Any) -> Reading:
        """The module read for inputs like `x`; once for each shape."""
        shape = tuple(x.shape[1:])
        if self.images == "NCHW" and len(shape) == _IMAGE:
            shape = (shape[-1], *shape[:-1])
        dtype = jnp.dtype(x.dtype)
        whole = {"int32": "int64", "uint32": "int64", "uint64": "int64"}.get(dtype.name, dtype.name)
        return reading_of(self.code, shape, "floating" if jnp.issubdtype(dtype, jnp.floating) else whole)

    def parameters(self, x: Any) -> frozenset[str]:
        """Those of the module."""
        del x
        return arrays_of(self.code).parameters

    def assembled(self, weights: Weights, state: State, x: Any) -> Any:
        """The user's module with these weights and statistics, in evaluation mode and their precision."""
        torch = library()
        told, module = arrays_of(self.code), built(self.code)
        flat = tree.flat_dict(state) | tree.flat_dict(weights)
        module.to(getattr(torch, jnp.dtype(inputs_type(weights, x)).name))
        held = dict(module.named_parameters(remove_duplicate=False))
        held |= dict(module.named_buffers(remove_duplicate=False))
        with torch.no_grad():
            for name, path in told.paths.items():
                held[name].copy_(torch.from_numpy(_as_numbers(flat[path])))
        return module.eval()

    def as_checkpoint(self, weights: Weights, state: State) -> dict[str, np.ndarray]:
        """A `state_dict` of the module; see `torch_checkpoint`."""
        from weightspace.models.adapters.torch_checkpoint import state_dict_of

        return state_dict_of(self, weights, state)

    def from_checkpoint(
        self, arrays: Mapping[str, np.ndarray], shape: tuple[int, ...], who: str
    ) -> tuple[Weights, State]:
        """Weights and state from a `state_dict` of the module; see `torch_checkpoint`."""
        from weightspace.models.adapters.torch_checkpoint import network_of_state_dict

        return network_of_state_dict(self, arrays, shape, who)

    def intermediates(self, weights: Weights, state: State, x: Array) -> dict[str, Array]:
        """The output of each module at test time, by module path, in forward order; images channels-last."""
        arrays, own, inputs = self.joined(weights, state, x)
        found: dict[str, tuple[str, Any]] = {}

        def watch(node: Node, value: Any) -> None:
            value = value[0] if isinstance(value, tuple) else value
            held = value.array if isinstance(value, Image) else value
            if isinstance(held, jax.Array):
                for call, path in node.modules:
                    found.pop(call, None)
                    found[call] = (path, held)

        key = jax.random.key(0, impl="threefry2x32")
        outputs, _ = self._evaluated(arrays, own, inputs, train=False, key=key, watch=watch)
        return _by_path(found, outputs)

    def convention(self, path: str, shape: tuple[int, ...]) -> Convention:
        """PyTorch's names: the outputs of a `weight` come first."""
        return convention(path, shape, out_first=True)


def _as_numbers(leaf: Any) -> np.ndarray:
    """An array in a type that PyTorch takes from NumPy."""
    leaf = np.array(leaf)
    return leaf.astype(np.float32) if leaf.dtype.name == "bfloat16" else leaf


def _by_path(found: Mapping[str, tuple[str, Any]], outputs: Array) -> dict[str, Array]:
    """Calls of modules by path, those of one module numbered, in the order in which they end."""
    named: dict[str, Array] = {}
    for path, value in found.values():
        path = path.replace(".", "/")
        again = sum(1 for known in named if known.split("#")[0] == path)
        if path:
            named[f"{path}#{again + 1}" if again else path] = value
    return {**named, "": outputs}


class Present:
    """A finished module as a factory: each run begins with the values that it has now."""

    def __init__(self, module: Any):
        try:
            self.module = copy.deepcopy(module).eval()
        except Exception as error:
            raise InputError(
                f"this {type(module).__name__} cannot be copied ({type(error).__name__}), so that its "
                "present values cannot be kept: give the function that makes it, and start from a checkpoint"
            ) from error

    def __call__(self) -> Any:
        """A copy of the module."""
        return copy.deepcopy(self.module)


def from_torch(
    factory: Any,
    name: str | None = None,
    version: int | None = None,
    overrides: Mapping[str, Mapping[str, Any]] | None = None,
    images: str = "NCHW",
    **arguments: Any,
) -> FromTorch:
    """A PyTorch module as a model.

    >>> ws.from_torch(Net, width=32)  # doctest: +SKIP

    The module is read by `torch.export` for training and for test, and its graphs of operators run in JAX.

    Args:
      factory: A module class or a function that gives a module, called as `factory(**arguments)` for each
        run, after `torch.manual_seed` with a number from the run's seed for initial weights: its weights are
        those that PyTorch's own initialisation draws. Or a finished module: all runs begin with its present
        values.
      name: With `version`, the identity of the model in the place of the factory's name and source.
      version: To be raised whenever the model's numbers change.
      overrides: Selector -> fields of `Leaf`, where the layout is not what the computation suggests.
      images: `NCHW`: examples with three axes, which data hold as (height, width, channels), are handed over
        channels first, as PyTorch's layers take them. `NHWC`: as the data have them. Other examples are
        handed over as they are.
      **arguments: Of the factory; they are part of the identity.

    Raises:
      InputError: If the factory does not give a PyTorch module, does not take the arguments, or the module is
        on a GPU or in half precision.
    """
    library()
    if images not in IMAGES:
        raise InputError(f"images is {images!r}; it is NCHW (channels first, PyTorch's way) or NHWC")
    finished = library_of(factory) == "PyTorch" and not isinstance(factory, type)
    if finished:
        if arguments:
            raise InputError(
                f"a finished {type(factory).__name__} takes no arguments, but was given "
                f"'{next(iter(arguments))}'"
            )
        check_module(factory, type(factory).__name__)
    code = Code(Present(factory) if finished else factory, arguments, name=name, version=version)
    if finished and name is None:
        code.identity["code"] = qualified_name(type(factory))
    model = FromTorch(code, frozen_overrides(overrides), images)
    if not finished:
        check_flags(code)
    module = built(code)
    call = type(module).forward
    check_call(call, flags_of(call), type(module).__name__)
    arrays_of(code)
    return model
