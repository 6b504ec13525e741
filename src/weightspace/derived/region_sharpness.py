"""SharpnessAt: how sharp the training loss is at points of a line, a curve or a simplex."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from weightspace import compiler, platform, tree
from weightspace.data.order import spread_order
from weightspace.derived.region import Points
from weightspace.errors import check_number
from weightspace.measure.collect import check_statistics, renewed_states
from weightspace.measure.host import keeps_statistics, parts_of, with_state
from weightspace.measure.network import Network, Subject, forward
from weightspace.node import Found
from weightspace.probes.lanczos import largest_eigenvalue
from weightspace.spec import spec, static
from weightspace.streams import Seeds, Stream, key, named
from weightspace.tree import Tree


@spec
class SharpnessAt(Points):
    """Outputs [k] `sharpness`: λ_max of the training loss's Hessian by the weights at each point; `loss`.

    By Lanczos' method, from one direction for all points, with each point's own statistics held fixed.
    Columns `mean_sharpness`, `largest_sharpness`, `least_sharpness`.

    Attributes:
      examples: How many of the train split at the most, spread evenly over it.
      iterations: Hessian-vector products at each point.
    """

    examples: int = static(default=1_000)
    iterations: int = static(default=20)

    def validate(self) -> None:
        """At least one of each."""
        super().validate()
        check_number("examples of sharpness", self.examples, least=1)
        check_number("iterations of sharpness", self.iterations, least=1)

    def compute(self) -> Found:
        """All points, one after the other, in one program."""
        weights, count, data = self.weights(), len(self.names), self.task.data
        state = self.state
        if state is not None:
            state = jax.tree.map(lambda a: jnp.broadcast_to(jnp.asarray(a), (count, *np.shape(a))), state)
        kept = keeps_statistics(self.model, tuple(data.shape))
        check_statistics(Network(weights, state), (self.statistics,), kept=kept)
        with platform.arithmetic(self.precision.storage, self.precision.matmul):
            program = compiler.jit(self._along)
            loss, sharpness = jax.device_get(program(Network(weights, state), self.seeds, data.arrays()))
        columns = {
            "mean_sharpness": float(sharpness.mean()),
            "largest_sharpness": float(sharpness.max()),
            "least_sharpness": float(sharpness.min()),
        }
        return Found(columns, {"sharpness": sharpness, "loss": loss})

    def _along(
        self, networks: Network, seeds: Seeds, shared: Tree
    ) -> tuple[Float[Array, " k"], Float[Array, " k"]]:
        data, storage = self.task.data, jnp.dtype(self.precision.storage)
        subject = Subject(self.model, self.task, seeds, self.precision)
        arrays = data.drawn(seeds) or shared
        part = parts_of(data, arrays, seeds, spread_order(data.size))("train")
        decode = functools.partial(data.decode, arrays, dtype=storage)
        kind = self.statistics if keeps_statistics(self.model, tuple(data.shape)) else "running"
        networks = renewed_states(subject, with_state(subject, networks), part, decode, kind)
        count = min(part.size, self.examples)
        rows = jnp.arange(count, dtype=jnp.int32) if part.rows is None else part.rows[:count]
        x, y = decode(part.x[rows]), part.y[rows]
        draw = key(seeds, Stream.PROBE)

        def one(network: Network) -> tuple[Array, Array]:
            def loss(weights: Tree) -> Array:
                outputs, _ = forward(subject, Network(weights, network.state), x, train=False, key=draw)
                return jnp.mean(self.task.loss(outputs, y)).astype(storage)

            def product(direction: Tree) -> Tree:
                return jax.jvp(jax.grad(loss), (network.weights,), (direction,))[1]

            start = tree.map_named(
                lambda name, w: jax.random.normal(named(draw, name), w.shape, w.dtype), network.weights
            )
            return loss(network.weights), largest_eigenvalue(product, start, self.iterations)

        return jax.lax.map(one, networks)
