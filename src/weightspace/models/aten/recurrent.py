"""LSTM, GRU and plain recurrent layers as loops over time; products with the inputs stand outside them."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from weightspace.models.aten.random import dropped
from weightspace.models.aten.table import Context, operator

Step = Callable[[tuple[Array, ...], Array, Array], tuple[Array, ...]]
"""State, products with the inputs and with the last outputs -> state, the outputs first."""


def _lstm(state: tuple[Array, ...], given: Array, again: Array) -> tuple[Array, ...]:
    i, f, g, o = jnp.split(given + again, 4, -1)
    cell = jax.nn.sigmoid(f) * state[1] + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jax.nn.sigmoid(o) * jnp.tanh(cell), cell


def _gru(state: tuple[Array, ...], given: Array, again: Array) -> tuple[Array, ...]:
    (reset, update, new), (r, u, n) = jnp.split(given, 3, -1), jnp.split(again, 3, -1)
    reset, update = jax.nn.sigmoid(reset + r), jax.nn.sigmoid(update + u)
    made = jnp.tanh(new + reset * n)
    return ((1 - update) * made + update * state[0],)


def _plain(call: Callable[[Array], Array]) -> Step:
    return lambda _, given, again: (call(given + again),)


@dataclasses.dataclass(frozen=True)
class _Layer:
    """The weights of one layer in one direction, in PyTorch's order."""

    inputs: Array
    again: Array
    biases: tuple[Array, ...] = ()
    projection: Array | None = None

    def run(self, x: Array, state: tuple[Array, ...], step: Step, *, backward: bool) -> Any:
        """Outputs (time, batch, units) and the last state."""
        given = x @ self.inputs.T
        given = given + self.biases[0] if self.biases else given

        def once(state: tuple[Array, ...], given: Array) -> Any:
            again = state[0] @ self.again.T
            made = step(state, given, again + self.biases[1] if self.biases else again)
            if self.projection is not None:
                made = (made[0] @ self.projection.T, *made[1:])
            return made, made[0]

        return jax.lax.scan(once, state, given, reverse=backward)


def _recurrent(
    context: Context,
    x: Array,
    states: tuple[Array, ...],
    params: tuple[Array, ...],
    step: Step,
    biased: bool,
    layers: int,
    rate: float,
    train: bool,
    both: bool,
    batch_first: bool,
) -> tuple[Array, ...]:
    x = jnp.swapaxes(x, 0, 1) if batch_first and x.ndim == 3 else x
    ways = 2 if both else 1
    each = len(params) // (layers * ways)
    ends: list[tuple[Array, ...]] = []
    for layer in range(layers):
        found = []
        for way in range(ways):
            at = layer * ways + way
            own = params[at * each : (at + 1) * each]
            biases = own[2:4] if biased else ()
            held = _Layer(own[0], own[1], biases, own[-1] if each % 2 else None)
            last, outputs = held.run(x, tuple(s[at] for s in states), step, backward=way == 1)
            found.append(outputs)
            ends.append(last)
        x = jnp.concatenate(found, -1)
        if train and rate and layer < layers - 1:
            x = dropped(context, x, rate)
    x = jnp.swapaxes(x, 0, 1) if batch_first and x.ndim == 3 else x
    return x, *(jnp.stack(parts) for parts in zip(*ends, strict=True))


@operator("lstm.input", context=True)
def _lstms(
    context: Context, x: Array, states: tuple[Array, ...], params: Any, *how: Any
) -> tuple[Array, ...]:
    return _recurrent(context, x, states, params, _lstm, *how)


@operator("gru.input", context=True)
def _grus(context: Context, x: Array, state: Array, params: Any, *how: Any) -> tuple[Array, ...]:
    return _recurrent(context, x, (state,), params, _gru, *how)


for _name, _call in {"rnn_tanh": jnp.tanh, "rnn_relu": jax.nn.relu}.items():

    @operator(f"{_name}.input", context=True)
    def _plains(
        context: Context, x: Array, state: Array, params: Any, *how: Any, call: Any = _call
    ) -> tuple[Array, ...]:
        return _recurrent(context, x, (state,), params, _plain(call), *how)
