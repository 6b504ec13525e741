"""Evaluation: a graph's outputs for arrays, as a pure function that JAX compiles, maps and differentiates."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from weightspace.models.aten.graph import Dtype, Graph, Node, Ref, refs
from weightspace.models.aten.table import TABLE, Context, Image, Operator, by_entries, plain

_KINDS = ("elementwise", "shapes", "made", "picking", "reductions", "products", "images", "pools", "norms")
for _kind in (*_KINDS, "random", "recurrent"):
    importlib.import_module(f"weightspace.models.aten.{_kind}")


def unknown(graph: Graph) -> Node | None:
    """The first node of an operator that is not in the table."""
    return next((node for node in graph.nodes if node.op not in TABLE), None)


def evaluate(
    graph: Graph,
    arrays: Mapping[str, Array],
    x: Array | Image,
    dtype: Any,
    key: Key[Array, ""],
    watch: Callable[[Node, Any], None] | None = None,
) -> tuple[Array, dict[str, Array]]:
    """The output for a batch, and the buffers that the batch changes.

    Args:
      graph: The network.
      arrays: Parameters and buffers by the names in the graph.
      x: The batch, in the axes that the network takes.
      dtype: The floating type in which to compute: it stands for the module's own.
      key: For operators that draw.
      watch: Told of each node and its value.
    """
    context = Context(dtype, key)
    values: dict[str, Any] = {graph.data: x}
    for name, constant in graph.constants.items():
        floating = np.issubdtype(constant.dtype, np.floating)
        values[name] = jnp.asarray(constant, dtype if floating else None)
    values |= {placeholder: arrays[target] for placeholder, target in graph.inputs}
    last = _last_uses(graph)
    for node in graph.nodes:
        args = _filled(node.args, values, context, graph.own)
        kwargs = {name: _filled(value, values, context, graph.own) for name, value in node.kwargs.items()}
        values[node.name] = _applied(TABLE[node.op], context, args, kwargs)
        if watch is not None:
            watch(node, values[node.name])
        for name in last.get(node.name, ()):
            values.pop(name, None)
    after = {target: plain(_filled(value, values, context, graph.own)) for target, value in graph.updates}
    return plain(_filled(graph.output, values, context, graph.own)), after


def _last_uses(graph: Graph) -> dict[str, list[str]]:
    """The values that are not needed any more after a node."""
    kept = {ref.name for value in (graph.output, *(v for _, v in graph.updates)) for ref in refs(value)}
    seen: dict[str, str] = {}
    for node in graph.nodes:
        for ref in refs((node.args, tuple(node.kwargs.values()))):
            seen[ref.name] = node.name
    found: dict[str, list[str]] = {}
    for name, user in seen.items():
        if name not in kept:
            found.setdefault(user, []).append(name)
    return found


def _applied(operator: Operator, context: Context, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if operator.images == "entries":
        return by_entries(operator, args, kwargs)
    if operator.images == "none":
        args, kwargs = plain(args), {name: plain(value) for name, value in kwargs.items()}
    return operator.call(*((context,) if operator.context else ()), *args, **kwargs)


def _filled(value: Any, values: Mapping[str, Any], context: Context, own: str) -> Any:
    """An argument with values in the place of references, and types as they are computed in."""
    if isinstance(value, Ref):
        return values[value.name]
    if isinstance(value, Dtype):
        return context.dtype if value.name == own else jax.dtypes.canonicalize_dtype(value.name)
    if isinstance(value, tuple):
        return tuple(_filled(item, values, context, own) for item in value)
    return value
