"""Keys among the arrays of a run: in a space's fixed arrays, in what is carried and checkpointed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import weightspace as ws
from tests.builders import small_run
from weightspace import tree
from weightspace.errors import InputError
from weightspace.probes.base import Probe
from weightspace.spec import canonical, spec
from weightspace.store.base import Store
from weightspace.sweeps import execute
from weightspace.sweeps.ask import sweep
from weightspace.sweeps.trouble import on_host
from weightspace.training.block import Block


@spec
class Walk(Probe):
    """Carries a key, and a new one from it at each step."""

    def init(self, at):
        return jax.random.fold_in(jax.random.key(jnp.uint32(7), impl="threefry2x32"), at.run.seeds.base)

    def update(self, carry, step):
        return jax.random.fold_in(carry, step.t)

    def read(self, carry, at):
        return {"walked": jax.random.uniform(carry, (), jnp.float32)}, carry


def walks():
    run = small_run(3, model="fc:widths=4", space=ws.Affine(ws.Regenerated(6)), length="12it", batch=32)
    return [ws.Row({"seed": 3}, run, ws.Watch("4it", (Walk(), ws.Snapshot("end"))))]


def found(out):
    key = walks()[0].node.digest
    return Store(out).output(key, "snapshot(end).weights"), ws.history(out, wide=True)["walked"].tolist()


def test_an_interrupted_run_goes_on_with_its_keys(tmp_path, monkeypatch):
    sweep(walks(), tmp_path / "whole")
    whole, walked = found(tmp_path / "whole")
    key = jax.random.fold_in(jax.random.key(7, impl="threefry2x32"), 3)
    for step in range(12):
        key = jax.random.fold_in(key, step)
    assert walked[-1] == pytest.approx(float(jax.random.uniform(key)))

    for name, value in (("SAVE_SECONDS", 0.0), ("CALL_SECONDS", 1e-9), ("FIRST_STEPS", 4)):
        monkeypatch.setattr(execute, name, value)
    advance, starts = Block.advance, []

    def stopped(self, *arguments):
        starts.append(int(arguments[4]))
        if len(starts) == 4:
            raise KeyboardInterrupt
        return advance(self, *arguments)

    monkeypatch.setattr(Block, "advance", stopped)
    with pytest.raises(KeyboardInterrupt):
        sweep(walks(), tmp_path / "cut")
    sweep(walks(), tmp_path / "cut")
    assert starts[4] == starts[3] > 0  # it goes on where it was
    again, walked_again = found(tmp_path / "cut")
    assert tree.equal(whole, again)
    assert walked_again == walked


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_keys_as_numbers_and_back(shape):
    keys = jax.random.split(jax.random.key(1, impl="threefry2x32"), shape)
    numbers = tree.to_numbers(keys)
    assert (numbers.shape, numbers.dtype) == ((*shape, 2), np.uint32)
    assert tree.equal(tree.from_numbers(numbers, keys), keys)
    assert not tree.equal(tree.from_numbers(numbers + np.uint32(1), keys), keys)
    there = on_host({"keys": keys, "x": jnp.ones(2)})
    assert tree.equal(there, {"keys": keys, "x": np.ones(2, np.float32)})
    assert there["keys"].dtype == keys.dtype


def test_other_arrays_are_numbers_as_they_are():
    x = jnp.arange(3, dtype=jnp.uint32)
    assert not tree.is_key(x)
    assert tree.from_numbers(tree.to_numbers(x), x).tolist() == [0, 1, 2]


def test_a_spec_takes_bits_and_no_keys():
    """Typed keys have no canonical form: what would be stacked and stored are their bits."""
    key = jax.random.key(3)
    with pytest.raises(InputError, match=r"a PRNG key cannot be part of a spec.*jax.random.key_data\(key\)"):
        canonical({"key": key})
    assert canonical(jax.random.key_data(key))["dtype"] == "uint32"
