"""Load a file: a network that was written as safetensors, back in the hands of its library.

What `weightspace export` wrote says itself of which model it is and how inputs are decoded; any other file
with a model's names, and a PyTorch `state_dict` of a network called likewise, needs the model.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from weightspace.derived.stored_network import metadata_of, read_network
from weightspace.errors import InputError
from weightspace.loaded import Loaded, model_of, shape_of
from weightspace.measure.network import FLOAT32
from weightspace.models.base import Model
from weightspace.precision import Precision

if TYPE_CHECKING:
    File = str | Path
    Given = Model | None
    Shape = tuple[int, ...] | None
else:
    File = Given = Shape = Any


def load_file(file: File, model: Given = None, *, shape: Shape = None) -> Loaded:
    """The network in a file.

    >>> ws.load_file("out/export/1234-end.weights.safetensors").module  # doctest: +SKIP

    Args:
      file: In safetensors, as `weightspace export` writes it, or with a model's names.
      model: Whose weights they are; None takes what the file says, a network of the zoo.
      shape: Of one input, where neither the file nor the model says it.

    Returns:
      The network; its weights are `Full(start=…)` of another training.

    Raises:
      DataError: If there is no such file, or it is damaged.
      InputError: If it holds another network, by the first name that differs, or does not say which.
    """
    place = Path(file).expanduser()
    told = metadata_of(place)
    spec = json.loads(told["spec"]) if "spec" in told else {}
    if "model" in spec:
        found = model_of(spec["model"], model)
    elif model is None:
        raise InputError(f"'{place.name}' does not say of which model it is; give model=")
    else:
        found = model
    inputs = json.loads(told.get("inputs", "{}"))
    of = tuple(shape or inputs.get("shape") or shape_of(found, {}))
    weights, state = read_network(place, found, of)
    precision = FLOAT32
    if "precision" in spec:
        precision = Precision(spec["precision"]["dtype"], spec["precision"]["matmul"])
    shift, scale = (np.asarray(inputs[name]) if name in inputs else None for name in ("shift", "scale"))
    if state is None:
        raise InputError(
            f"'{place.name}' has weights alone, but {found.name} keeps statistics, without which it is no "
            "function; give the file that has them too, or start a training from it"
        )
    weights, state = jax.tree.map(jnp.asarray, (weights, state))
    return Loaded(
        told.get("run", ""), found, weights, state, shape=of, precision=precision,
        status=told.get("status", "ok"), shift=shift, scale=scale,
    )  # fmt: skip
