import jax
import pytest

from weightspace.training.block import block_for


@pytest.fixture(scope="module", autouse=True)
def quick_compilation():
    """What experiments say is asked here, not how fast they run: compiling is most of the time."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", True)
    block_for.cache_clear()
    yield
    jax.config.update("jax_disable_most_optimizations", before)
    block_for.cache_clear()  # other tests compare bits with programs that are optimised
