"""An edit changes the space during training, at its steps and only there."""

import jax.numpy as jnp
import numpy as np

from tests.builders import small_run
from tests.training.harness import flat, train
from weightspace.edits.base import Edit
from weightspace.spec import common, spec


@spec
class Reset(Edit):
    """Put all coordinates to a constant after one step."""

    value: float
    at: int = common(default=5)

    def due(self, step, total):
        return step == jnp.asarray(self.at, jnp.int32)

    def apply(self, space, fixed, theta, opt, g_weights, step, key):
        return fixed, jnp.full_like(theta, self.value), opt


def weights(length, **changes):
    return flat(train([small_run(0, dim=4, length=length, lr=0.0, **changes)])[0][0])


def test_an_edit_acts_after_its_step_only():
    edits = (Reset(0.5),)
    np.testing.assert_array_equal(weights("5it", edits=edits), weights("5it"))
    changed = weights("6it", edits=edits)
    assert np.abs(changed - weights("6it")).max() > 0
    np.testing.assert_array_equal(weights("9it", edits=edits), changed)


def test_edits_are_part_of_the_identity():
    assert small_run(0, dim=4).digest != small_run(0, dim=4, edits=(Reset(0.5),)).digest
