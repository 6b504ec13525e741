import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.traced import traced_seeds
from weightspace.errors import InputError
from weightspace.streams import Keys, Seeds, Stream, key, named


def bits(k):
    return np.asarray(jax.random.key_data(k)).tolist()


def test_streams_take_the_base_seed_unless_given_their_own():
    same, other = Seeds(4), Seeds(4, order=9)
    assert bits(key(same, Stream.INIT)) == bits(key(other, Stream.INIT))
    assert bits(key(same, Stream.ORDER)) != bits(key(other, Stream.ORDER))
    assert Seeds(4, init=4) == Seeds(4)


def test_all_streams_steps_and_children_differ():
    seeds = Seeds(0)
    found = [bits(key(seeds, stream, step)) for stream in Stream for step in range(5)]
    keys = Keys(seeds)
    parts = [keys, keys.child(0), keys.child(1), keys.child(0).child(1), keys.child(1).child(0)]
    found += [bits(part(Stream.INIT, 7)) for part in parts]
    assert len({tuple(f) for f in found}) == len(found)


def test_stream_numbers_are_fixed():
    assert [(s.name, int(s)) for s in Stream] == [
        ("INIT", 0), ("ORDER", 1), ("AUGMENT", 2), ("NOISE", 3), ("SPLIT", 4),
        ("BASIS", 5), ("MASK", 6), ("POINT", 7), ("DROPOUT", 8), ("PROBE", 9),
    ]  # fmt: skip


def test_a_key_is_the_same_alone_and_under_vmap():
    numbers = jnp.arange(5, dtype=jnp.uint32)
    stacked = jax.vmap(lambda s: jax.random.normal(key(traced_seeds(s), Stream.INIT, 3), (4,)))(numbers)
    alone = jnp.stack([jax.random.normal(key(Seeds(s), Stream.INIT, 3), (4,)) for s in range(5)])
    np.testing.assert_array_equal(stacked, alone)


def test_a_leaf_key_depends_on_its_name_alone():
    k = key(Seeds(0), Stream.MASK)
    assert bits(named(k, "layers/1/kernel")) == bits(named(k, "layers/1/kernel"))
    assert bits(named(k, "layers/1/kernel")) != bits(named(k, "layers/10/kernel"))


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_seeds_out_of_range_are_refused(seed):
    with pytest.raises(InputError, match="seed"):
        Seeds(seed)
