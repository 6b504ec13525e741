"""Foreign: arrays by name, as files of networks hold them, in a model's own names and layout.

Files hold a model's names (`blocks/0/conv_1/kernel`), as `export` writes them, or those of a PyTorch
`state_dict` whose modules are called as ours (`blocks.0.conv_1.weight`). Of the latter, layouts are turned:
a dense kernel [out, in] becomes [in, out], one of a convolution [out, in, h, w] becomes [h, w, in, out].
PyTorch flattens a map [channels, h, w] and we [h, w, channels], so that the inputs of the dense layer behind
a map are put into our order. Running statistics of batch normalisation are the model's state. (A convolution
of stride 2 pads even images on one side here, and with PyTorch's `padding=1` on both: such networks are the
same function where theirs pads as ours, `F.pad(x, (0, 1, 0, 1))`.)
"""

import math
from collections.abc import Mapping

import numpy as np

from weightspace.errors import InputError, nearest
from weightspace.models.layout import Layout, Leaf
from weightspace.tree import Tree, flat_dict, nested_dict

Named = Mapping[str, np.ndarray]
_STATE_PREFIX = "state:"
_TORCH = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
_STATISTICS = {"running_mean": "mean", "running_var": "var"}


def network_of(
    what: str, arrays: Named, layout: Layout, state: Tree, shape: tuple[int, ...]
) -> tuple[Tree, Tree]:
    """Weights and state of a model, from arrays by name; every name on both sides is used once.

    Args:
      what: What the arrays are, for errors.
      arrays: By name, in either way of naming.
      layout: The model's leaves.
      state: The model's state, as arrays or their shapes.
      shape: Of one input of the model.

    Returns:
      Weights, and the state; None for the state where there is none in the file though the model has one.

    Raises:
      InputError: For the first name that is missing or left over, an array of another shape, or one that
        holds no finite floats.
    """
    expected = flat_dict(state)
    torch = any(_is_torch(name) for name in arrays) and not set(layout.paths()) <= set(arrays)
    if torch:
        arrays = _from_torch(what, arrays, layout, shape)
    weights = {leaf.path: _taken(what, arrays, leaf.path, leaf.shape) for leaf in layout}
    beside = {path: f"{_STATE_PREFIX}{path}" if path in weights else path for path in expected}
    rest = [name for name in arrays if name not in weights and name not in beside.values()]
    if rest:
        raise InputError(
            f"{what} holds '{rest[0]}', which the model has not{_near(rest[0], (*weights, *expected))}; give "
            "a file of this model"
        )
    found = {path: name for path, name in beside.items() if name in arrays}
    if not found:
        return nested_dict(weights), None if expected else {}
    kept = {
        path: _taken(what, arrays, beside[path], tuple(leaf.shape), np.dtype(leaf.dtype))
        for path, leaf in expected.items()
    }
    return nested_dict(weights), nested_dict(kept)


def _taken(
    what: str, arrays: Named, name: str, shape: tuple[int, ...], dtype: np.dtype | None = None
) -> np.ndarray:
    """An array of its shape; floats, unless the model's own are of another type, as counters are."""
    if name not in arrays:
        raise InputError(
            f"{what} lacks '{name}' of shape {shape}{_near(name, arrays)}; give a file of this model"
        )
    array = arrays[name]
    if tuple(array.shape) != tuple(shape):
        raise InputError(
            f"'{name}' of {what} has shape {tuple(array.shape)}, but the model's has {tuple(shape)}; give a "
            "file of this model"
        )
    if dtype is not None and dtype.kind in "iub":
        if array.dtype.kind not in "iub":
            raise InputError(f"'{name}' of {what} holds {array.dtype}, but the model's are {dtype}")
        return array.astype(dtype)
    if not (array.dtype.kind == "f" or array.dtype.name == "bfloat16"):
        raise InputError(f"'{name}' of {what} holds {array.dtype}, but weights are floats")
    wide = array.astype(np.float64 if array.dtype == np.float64 else np.float32)
    if not np.isfinite(wide).all():
        raise InputError(f"'{name}' of {what} is not finite; give a network that did not diverge")
    return wide


def _near(name: str, known: Mapping[str, object] | tuple[str, ...]) -> str:
    guess = nearest(name, known)
    return f" (the nearest is '{guess}')" if guess else ""


def _is_torch(name: str) -> bool:
    return name.rpartition(".")[2] in _TORCH and "/" not in name


def _from_torch(what: str, arrays: Named, layout: Layout, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Names and layouts of PyTorch as ours."""
    modules: dict[str, dict[str, Leaf]] = {}
    for leaf in layout:
        modules.setdefault(leaf.module, {})[_torch_name(leaf)] = leaf
    spread = _flattened(layout, shape)
    found: dict[str, np.ndarray] = {}
    for name, array in arrays.items():
        module, _, last = name.rpartition(".")
        path = module.replace(".", "/")
        if last == "num_batches_tracked":
            continue
        if last in _STATISTICS:
            found[f"{path}/{_STATISTICS[last]}"] = array
            continue
        leaf = modules.get(path, {}).get(last)
        if leaf is None:
            known = [f"{m}.{n}".replace("/", ".") for m, each in modules.items() for n in each]
            raise InputError(
                f"{what} holds '{name}', which the model has not{_near(name, tuple(known))}; modules are "
                "called as the model's, with dots for slashes"
            )
        found[leaf.path] = _turned(array, leaf, spread.get(leaf.path, 1))
    for leaf in layout:
        if leaf.path not in found:
            name = f"{leaf.module}.{_torch_name(leaf)}".replace("/", ".")
            raise InputError(f"{what} lacks '{name}', the model's '{leaf.path}' of shape {leaf.shape}")
    return found


def _torch_name(leaf: Leaf) -> str:
    return "weight" if leaf.kind in ("kernel", "scale") else "bias"


def _turned(array: np.ndarray, leaf: Leaf, channels: int) -> np.ndarray:
    """An array of PyTorch in our layout; of another rank than ours it stays, and is refused by its shape."""
    if leaf.kind == "kernel" and array.ndim == len(leaf.shape) == 2:
        if channels > 1 and array.shape[1] % channels == 0:
            outputs, inputs = array.shape
            array = array.reshape(outputs, channels, inputs // channels).swapaxes(1, 2)
            array = array.reshape(outputs, inputs)
        return array.T
    if leaf.kind == "kernel" and array.ndim == len(leaf.shape) > 2:
        return np.transpose(array, (*range(2, array.ndim), 1, 0))
    if leaf.kind == "bias" and array.ndim == len(leaf.shape) == 3:
        return np.transpose(array, (1, 2, 0))
    return array


def _flattened(layout: Layout, shape: tuple[int, ...]) -> dict[str, int]:
    """Dense kernels that take a whole map of several channels, and how many channels it has."""
    before, inside, found = (shape[-1] if len(shape) == 3 else 1), math.prod(shape), {}
    for leaf in layout:
        if leaf.kind != "kernel":
            continue
        if len(leaf.shape) == 2 and before > 1 and inside != before:
            found[leaf.path] = before
        # Behind a dense layer there is no map any more.
        before = leaf.shape[-1] if len(leaf.shape) > 2 else 1
        inside = 0
    return found
