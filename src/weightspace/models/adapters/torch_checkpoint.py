"""Checkpoints of PyTorch: a model's weights and statistics as a `state_dict`, and back.

    save_file(state_dict_of(model, weights, state), "net.safetensors")  # for load_state_dict(strict=True)
    weights, state = network_of_state_dict(model, load_file("net.safetensors"))

Names differ by their dots and slashes alone, layouts not at all: a model from `from_torch` holds its weights
as PyTorch does. Tied arrays stand in a `state_dict` under each of their names, and here once.
"""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from weightspace import tree
from weightspace.errors import InputError, nearest
from weightspace.models.adapters.inspection import buffers_of
from weightspace.models.adapters.torch import FromTorch
from weightspace.models.adapters.torch_reading import arrays_of, built
from weightspace.models.base import State, Weights, example, input_dtype_of

_SHOWN = 4


def state_dict_of(model: FromTorch, weights: Weights, state: State) -> dict[str, np.ndarray]:
    """What the module's own `load_state_dict(strict=True)` takes: all names, its types of whole numbers.

    Args:
      model: From `from_torch`.
      weights: Of the model.
      state: Of the model.

    Raises:
      InputError: If an array of the module is in neither.
    """
    told, flat = arrays_of(model.code), tree.flat_dict(state) | tree.flat_dict(weights)
    absent = [path for path in told.shapes if path not in flat]
    if absent:
        raise InputError(f"the model's arrays have no '{absent[0]}'; it has {', '.join(flat)}")
    found = {}
    for name, path in told.paths.items():
        array = np.array(flat[path])
        whole = not np.issubdtype(np.dtype(told.shapes[path][1]), np.floating)
        found[name] = array.astype(told.shapes[path][1]) if whole else array
    saved = built(model.code).state_dict()
    return {name: array for name, array in found.items() if name in saved}


def network_of_state_dict(
    model: FromTorch, arrays: Mapping[str, np.ndarray], shape: tuple[int, ...], who: str = "the checkpoint"
) -> tuple[Weights, State]:
    """Weights and state of a model from the arrays of a `state_dict`.

    Args:
      model: From `from_torch`.
      arrays: By name, `features.0.weight`, also with slashes; of tied arrays one name is enough, and buffers
        that are no part of a `state_dict` have the module's own values.
      shape: Of one example.
      who: The checkpoint, as the user knows it.

    Raises:
      InputError: If keys are missing or in excess, or an array is of another shape; by the first that is.
    """
    told = arrays_of(model.code)
    given = {name.replace("/", "."): np.asarray(array) for name, array in arrays.items()}
    _check_keys(told, given, who)
    values = told.named(built(model.code))
    flat = {}
    for name, path in told.paths.items():
        if name in given:
            _check_shape(name, given[name], told.shapes[path][0], who)
            if not np.array_equal(flat.get(path, given[name]), given[name]):
                raise InputError(
                    f"'{name}' of {who} is not what it has for '{path.replace('/', '.')}', but the module "
                    "has one array for both: leave out the name that does not count, or untie them"
                )
            flat.setdefault(path, given[name].astype(_type(told.shapes[path][1], given[name])))
    flat = {path: flat.get(path, values[path]) for path in told.shapes}
    kept = buffers_of(model, example(shape, input_dtype_of(model, shape)))
    learned = told.parameters - kept
    return (
        tree.nested_dict({path: flat[path] for path in told.shapes if path in learned}),
        tree.nested_dict({path: flat[path] for path in told.shapes if path not in learned}),
    )


def _type(own: str, given: np.ndarray) -> Any:
    """Floating arrays in their own precision, but for halves; whole numbers as JAX holds them."""
    if np.issubdtype(np.dtype(own), np.floating):
        return given.dtype if given.dtype in (np.float32, np.float64) else np.float32
    return jax.dtypes.canonicalize_dtype(own)


def _check_keys(told: Any, given: Mapping[str, Any], who: str) -> None:
    known = {path for name, path in told.paths.items() if name in given}
    missing = [
        name
        for name, path in told.paths.items()
        if path not in known and path not in told.unsaved and not name.endswith("num_batches_tracked")
    ]
    extra = [name for name in given if name not in told.paths]
    if not missing and not extra:
        return
    parts = []
    if missing:
        parts.append(f"lacks {_some(missing)}")
    if extra:
        guess = nearest(extra[0], missing or tuple(told.paths))
        hint = f" (did you mean '{guess}'?)" if guess else ""
        parts.append(f"has {_some(extra)}, which the module does not{hint}")
    raise InputError(f"{who} {' and '.join(parts)}; it must be a state_dict of this module")


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(f"'{name}'" for name in names[:_SHOWN]) + more


def _check_shape(name: str, array: np.ndarray, shape: tuple[int, ...], who: str) -> None:
    if tuple(array.shape) != tuple(shape):
        raise InputError(
            f"'{name}' of {who} is of shape {tuple(array.shape)}, but that of the module is {tuple(shape)}"
        )
