"""Mixtures: w = Σ c_i θ_i, a whole region of networks trained at once (Wortsman et al., 2021).

The coordinates are m vertices along a leading axis of every leaf. Each training step draws coefficients c
that sum to 1, and the loss's gradient g at Σ c_i θ_i goes to vertex i as c_i g. What kind of region it is
(`simplex`, `curves`) is where the coefficients come from. A mixture composes like any space: a mixture of
tickets is `Compose(Masked(mask), Simplex(2))`, one of different spaces `Compose(Simplex(2), Each(…))`, a
line inside a random subspace `Compose(Affine(basis), Simplex(2))`.
"""

import abc
import itertools
import re
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from weightspace import tree
from weightspace.errors import InputError, check_kind, check_number, shown
from weightspace.models.fit import check_fit
from weightspace.models.layout import Layout
from weightspace.node import outputs_in
from weightspace.spaces.base import DEFAULT_POINT, Coordinates, Fixed, Point, Sample, Space
from weightspace.spaces.laws import Law, Uniform
from weightspace.spaces.vertices import cosine_squared, mixed_leaf, over, stacked_leaf
from weightspace.spec import spec, static
from weightspace.streams import Keys, Stream, named
from weightspace.tree import Tree

MIDPOINT = "midpoint"
_VERTEX = re.compile(r"vertex(0|[1-9]\d*)")
_SAMPLE = re.compile(r"sample(0|[1-9]\d*)")
_ROUNDING = 1e-6
"""By how much coefficients that are given may miss the sum 1."""


class Place(NamedTuple):
    """A point: coefficients, one set for all leaves [m] or one for each leaf [leaves m], and a pair."""

    coefficients: Float[Array, "*leaves m"]
    pair: Int[Array, ""]


class Marks(NamedTuple):
    """For each leaf, in the tree's order, its module's number and whether it counts in cos²."""

    modules: Int[Array, " leaves"]
    counted: Bool[Array, " leaves"]
    key: Array


@spec
class Mixture(Space):
    """Weights that are mixed from vertices, Σ c_i θ_i.

    Points are named `midpoint` (the default), `vertex0`, `vertex1`, …, `sample0`, … (draws of the law that
    stay the same), and by numbers as the kind of region says. Named points have one set of coefficients for
    all layers, also where training draws one for each.

    Attributes:
      vertices: m.
      beta: β of the penalty β cos²(θ_j, θ_k), of a pair that each step draws, over all kernels as one
        vector (over all leaves where none is a kernel); it is added, so that vertices come to be orthogonal.
        0 switches it off, None leaves it out of the program.
      layerwise: Whether every module, layers of normalisation among them, has a draw of its own.
      law: How coefficients are drawn.
      starts: Weights of each vertex (outputs of other nodes), None for a draw of the model's own
        initialisation; the first such draw is that of a run alone with the same seed.
      frozen: Vertices that do not move, as numbers from 0; -1 is the last.
      decay: λ of a pull λ/2 |w|² on the point, beside or instead of the recipe's on the vertices.
      compensate: Whether the loss's gradient is multiplied by m. A step moves the vertices' mean by lr/m
        of it, while decay pulls with all of lr; this makes both as in a training alone. Optimisers that
        divide by the gradient's size (Adam) do not see it.
    """

    vertices: int = static(default=2)
    beta: float | None = 1.0
    layerwise: bool = static(default=False)
    law: Any = Uniform()  # its kind is checked below, in words
    starts: Any = None
    frozen: tuple[int, ...] = static(default=())
    decay: float | None = None
    compensate: bool = static(default=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        last = [self.vertices + i if i < 0 else i for i in self.frozen]
        object.__setattr__(self, "frozen", tuple(sorted(set(last))))

    def validate(self) -> None:
        """Two vertices at least, of which one moves; numbers in range; a start for each vertex."""
        check_number(
            f"vertices of {type(self).__name__}", self.vertices, least=2, hint="One vertex is Full()."
        )
        check_number("beta", self.beta, least=0, hint="0 switches the penalty off.")
        check_number("decay", self.decay, least=0)
        check_kind(
            f"law of {type(self).__name__}", self.law, Law, "give Uniform(), Beta(a, b) or Dirichlet(a)"
        )
        for i in self.frozen:
            check_number("a frozen vertex", i, least=-self.vertices, most=self.vertices - 1)
        if len({i % self.vertices for i in self.frozen}) == self.vertices:
            raise InputError(f"all {self.vertices} vertices are frozen, so that nothing could be trained")
        if self.starts is None:
            return
        if not isinstance(self.starts, list | tuple) or len(self.starts) != self.vertices:
            given = (
                f"{len(self.starts)} of them" if isinstance(self.starts, list | tuple) else shown(self.starts)
            )
            raise InputError(
                f"starts is {given}, but must be a tuple of {self.vertices}, one for each vertex; None is a "
                "draw of the model's own initialisation"
            )

    @abc.abstractmethod
    def drawn(self, key: Key[Array, ""]) -> Float[Array, " m"]:
        """Coefficients of a random point."""

    @abc.abstractmethod
    def placed(self, numbers: tuple[float, ...]) -> Float[Array, " m"] | None:
        """Coefficients of a point given by numbers; None where there is none."""

    @property
    @abc.abstractmethod
    def midpoint(self) -> Float[Array, " m"]:
        """Coefficients of the middle."""

    @property
    def numbers_text(self) -> str:
        """Which numbers name a point, for errors."""
        return "'0.25', a number of [0, 1]"

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """All pairs of vertices."""
        return tuple(itertools.combinations(range(self.vertices), 2))

    @property
    def gain(self) -> int:
        """M where the step's size is compensated."""
        return self.vertices if self.compensate else 1

    def check(self, layout: Layout) -> None:
        """Starts that are given as arrays have the model's leaves.

        Raises:
          InputError: For the first leaf that is missing, left over or of another shape, by name.
        """
        for i, start in enumerate(self.starts or ()):
            if start is not None and not outputs_in(start):
                check_fit(f"vertex {i} of '{self.name}'", start, layout)

    def init(self, keys: Keys, sample: Sample, layout: Layout) -> tuple[Fixed, Coordinates]:
        """Fixed: what each leaf is. Coordinates: the weights with a leading axis of vertices."""
        parts = self.begun([self._start(i, keys, sample, layout) for i in range(self.vertices)])
        theta = jax.tree.map(lambda *leaves: jnp.stack(leaves), *parts)
        chosen = self._counted(layout)
        number = {module: i for i, module in enumerate(layout.modules)}
        leaves = [layout[path] for path in tree.paths(theta)]
        marks = Marks(
            jnp.asarray([number[leaf.module] for leaf in leaves], jnp.int32),
            jnp.asarray([leaf.path in chosen for leaf in leaves], bool),
            jax.random.key_data(keys.child(0)(Stream.POINT)),
        )
        return marks, theta

    def begun(self, parts: list[Tree]) -> list[Tree]:
        """What the vertices start from; a curve may put its bends elsewhere."""
        return parts

    def _start(self, i: int, keys: Keys, sample: Sample, layout: Layout) -> Tree:
        # The first draw is that of a run alone: comparisons with it are paired.
        own = sample(keys if i == 0 else keys.child(i))
        start = None if self.starts is None else self.starts[i]
        if start is None:
            return own
        check_fit(f"vertex {i} of '{self.name}'", start, layout)
        flat = tree.flat_dict(start)
        return tree.map_named(lambda path, leaf: jnp.asarray(flat[path]).astype(leaf.dtype), own)

    def _counted(self, layout: Layout) -> set[str]:
        kernels = {leaf.path for leaf in layout if leaf.kind == "kernel"}
        return kernels or set(layout.paths())

    def draw(self, fixed: Fixed, theta: Coordinates, key: Key[Array, ""]) -> Point:
        """Coefficients for all leaves, or for each module its own; and a pair of vertices."""
        count = len(self.pairs)
        pair = jnp.int32(0)
        if count > 1 and self.beta is not None:
            pair = jax.random.randint(named(key, "pair"), (), 0, count, jnp.int32)
        if not self.layerwise:
            return Place(self.drawn(key), pair)
        each = jax.vmap(lambda module: self.drawn(jax.random.fold_in(key, module)))
        return Place(each(fixed.modules.astype(jnp.uint32)), pair)

    def point(self, fixed: Fixed, theta: Coordinates, name: str) -> Point:
        """A named point.

        Raises:
          InputError: If there is none of that name, or it lies outside.
        """
        if name in (DEFAULT_POINT, MIDPOINT):
            return Place(self.midpoint, jnp.int32(0))
        if _SAMPLE.fullmatch(name):
            return self.draw(
                fixed, theta, named(jax.random.wrap_key_data(fixed.key, impl="threefry2x32"), name)
            )
        return Place(self._by_name(name), jnp.int32(0))

    def _by_name(self, name: str) -> Float[Array, " m"]:
        vertex = _VERTEX.fullmatch(name)
        found = None
        if vertex and int(vertex[1]) < self.vertices:
            found = jnp.asarray([i == int(vertex[1]) for i in range(self.vertices)], jnp.float32)
        elif not vertex:
            numbers = _numbers(name)
            found = None if numbers is None else self.placed(numbers)
        if found is None:
            raise InputError(
                f"the space '{self.name}' has no point '{name}'; it has '{MIDPOINT}' (the default), "
                f"'vertex0' to 'vertex{self.vertices - 1}', {self.numbers_text}, and 'sample0', 'sample1', …"
            )
        return found

    def weights(self, fixed: Fixed, theta: Coordinates, p: Point) -> Tree:
        """Σ c_i θ_i, leaf by leaf; at a vertex to the last bit."""
        leaves, structure = jax.tree.flatten(theta)
        each = p.coefficients.ndim == 2
        mixed = [mixed_leaf(p.coefficients[i] if each else p.coefficients, a) for i, a in enumerate(leaves)]
        return jax.tree.unflatten(structure, mixed)

    def penalty(self, fixed: Fixed, theta: Coordinates, p: Point) -> Float[Array, ""]:
        """β cos² of the point's pair, and λ/2 |w|²."""
        found = jnp.zeros(())
        if self.beta is not None:
            j, k = self._pair(p.pair)
            first, second = ([a[i] for a in jax.tree.leaves(theta)] for i in (j, k))
            square = cosine_squared(first, second, fixed.counted)
            found = jnp.add(found.astype(square.dtype), jnp.asarray(self.beta, square.dtype) * square)
        if self.decay is not None:
            norm = tree.squared_norm(self.weights(fixed, theta, p))
            found = jnp.add(found.astype(norm.dtype), jnp.asarray(self.decay, norm.dtype) * norm / 2)
        return found

    def _pair(self, number: Int[Array, ""]) -> tuple[Any, Any]:
        if len(self.pairs) == 1:
            return self.pairs[0]
        chosen = jnp.asarray(self.pairs, jnp.int32)[number]
        return chosen[0], chosen[1]

    @property
    def holds(self) -> bool:
        """Where a vertex is frozen."""
        return bool(self.frozen)

    def free(self, fixed: Fixed, theta: Coordinates) -> Tree | None:
        """All vertices but the frozen."""
        if not self.frozen:
            return None
        moves = jnp.asarray([i not in self.frozen for i in range(self.vertices)], bool)
        return jax.tree.map(lambda a: jnp.broadcast_to(over(moves, a), a.shape), theta)

    def coordinates(self, layout: Layout) -> Layout:
        """The layout's leaves with a leading axis of vertices."""
        return Layout(tuple(stacked_leaf(leaf, self.vertices) for leaf in layout))


def _numbers(name: str) -> tuple[float, ...] | None:
    try:
        return tuple(float(part) for part in name.split(":"))
    except ValueError:
        return None


def on_simplex(numbers: tuple[float, ...]) -> bool:
    """Whether numbers are not negative and sum to 1."""
    return min(numbers) >= 0 and abs(sum(numbers) - 1) <= _ROUNDING
