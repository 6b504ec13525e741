"""The cosine-product regression of Loukas et al. (2021): a function of two variables, hidden in more.

    y = cos(2π f z₁) · cos(2π f z₂),   z₁, z₂ ~ U(-1, 1),   x = s · Q (z₁, z₂, 0, …, 0),

with Q the orthogonal factor of a Gaussian matrix. The frequency f, in cycles a unit, sets how complex the
function is and leaves everything else as it is. Lengths in x are s times those in z, gradients s times
smaller: the target's gradient has norm at most 2πf/s, and √½ of that in root mean square. Every run draws its
own examples and its own Q from its seed, so that a sweep over frequencies and seeds is one program.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from weightspace.data.content import Split
from weightspace.data.examples import Arrays, Examples
from weightspace.errors import InputError, check_number
from weightspace.spec import spec, static
from weightspace.streams import Seeds, Stream, key

PLANE = 2


@spec
class CosineProduct(Examples):
    """A product of two cosines on a plane in `dims` dimensions; examples are drawn by the stream `SPLIT`.

    Attributes:
      frequency: f, cycles a unit.
      examples: N, training examples of a run.
      test: Test examples; None for three tenths of N, rounded down.
      dims: n, coordinates of an input.
      scale: s, by which the plane is stretched.
    """

    frequency: float = 0.5
    examples: int = static(default=100)
    test: int | None = static(default=None)
    dims: int = static(default=10)
    scale: float = static(default=10.0)

    validation = 0

    def validate(self) -> None:
        """A positive frequency and scale, at least one example, and room for a plane."""
        check_number("frequency", self.frequency, above=0)
        check_number("examples", self.examples, least=1)
        check_number("test examples", self.test, least=1)
        check_number("dims", self.dims, least=PLANE)
        check_number("scale", self.scale, above=0)

    @property
    def name(self) -> str:
        """`cosine`: the frequency and the sizes are labels of their own."""
        return "cosine"

    @property
    def shape(self) -> tuple[int, ...]:
        """The n coordinates."""
        return (self.dims,)

    @property
    def classes(self) -> None:
        """None: a regression."""
        return

    @property
    def outputs(self) -> int:
        """One."""
        return 1

    @property
    def size(self) -> int:
        """N."""
        return self.examples

    @property
    def test_size(self) -> int:
        """Test examples."""
        return int(0.3 * self.examples) if self.test is None else self.test

    def check(self) -> None:
        """At least one test example."""
        if self.test_size < 1:
            raise InputError(
                f"three tenths of {self.examples} examples leave none for testing; give test=<examples>"
            )

    def arrays(self) -> Arrays:
        """Blank examples: each run draws its own."""
        return _blank(self.examples, self.test_size, self.dims)

    def plane(self, seeds: Seeds) -> Float[Array, "2 n"]:
        """The inputs of (z₁, z₂) = (1, 0) and (0, 1): rows of length s, orthogonal to each other."""
        gaussian = jax.random.normal(key(seeds, Stream.SPLIT, 1), (self.dims, self.dims), jnp.float32)
        # Signs of R's diagonal are those of a uniformly drawn orthogonal matrix.
        q, r = jnp.linalg.qr(gaussian)
        turn = q * jnp.sign(jnp.diagonal(r))[None, :]
        return jnp.float32(self.scale) * turn[:, :PLANE].T

    def target(self, z: Float[Array, "n 2"]) -> Float[Array, " n"]:
        """The function that is learnt, at points of the plane."""
        turns = jnp.asarray(2 * np.pi, z.dtype) * jnp.asarray(self.frequency).astype(z.dtype)
        return jnp.prod(jnp.cos(turns * z), axis=1)

    def points(self, seeds: Seeds) -> Float[Array, "n 2"]:
        """The points z of a run: training examples first, then the test ones."""
        total = self.examples + self.test_size
        uniform = functools.partial(jax.random.uniform, minval=-1.0, maxval=1.0)
        return uniform(key(seeds, Stream.SPLIT), (total, PLANE), jnp.float32)

    def drawn(self, seeds: Seeds) -> Arrays:
        """A run's own examples."""
        z = self.points(seeds)
        x, y = z @ self.plane(seeds), self.target(z)
        n = self.examples
        blank = jnp.zeros((1, 1), jnp.float32)
        return Arrays(Split(x[:n], y[:n]), Split(x[n:], y[n:]), blank, blank + 1)


def _blank(examples: int, test: int, dims: int) -> Any:
    parts = (np.zeros((count, dims), np.float32) for count in (examples, test))
    train, held = (Split(x, np.zeros(len(x), np.float32)) for x in parts)
    zero = np.zeros((1, 1), np.float32)
    return Arrays(train, held, zero, zero + 1)
