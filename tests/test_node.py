import numpy as np

from weightspace.node import Derived, Output, ancestors, fill, outputs_in
from weightspace.spec import spec


@spec
class Start(Derived):
    value: float

    def compute(self):
        return {"a": np.float64(self.value), "b": np.arange(3) * self.value}


@spec
class Sum(Derived):
    left: object
    right: object = None

    def compute(self):
        return {"a": self.left + self.right}


def test_identity_is_merkle():
    one, two = Start(1.0), Start(2.0)
    assert Sum(one.output("a"), two.output("a")) == Sum(Start(1.0).output("a"), two.output("a"))
    assert Sum(one.output("a"), two.output("a")) != Sum(two.output("a"), one.output("a"))
    assert Sum(one.output("a"), two.output("a")) != Sum(one.output("b"), two.output("a"))


def test_sharing_is_no_part_of_identity():
    one = Start(1.0)
    assert Sum(one.output("a")).digest == Sum(one.output("a", shared=True)).digest


def test_a_long_chain_that_names_each_parent_twice_is_no_work():
    node = Start(1.0)
    for _ in range(200):
        node = Sum(node.output("a"), node.output("a"))
    assert len(node.digest) == 32
    order = list(ancestors([node]).values())
    assert len(order) == 201
    seen = set()
    for each in order:
        assert all(parent.digest in seen for parent in each.parents)
        seen.add(each.digest)


def test_outputs_are_opaque_leaves_and_can_be_filled():
    node = Sum(Start(1.0).output("a"), Start(2.0).output("a"))
    outputs = outputs_in(node)
    assert all(isinstance(o, Output) for o in outputs)
    filled = fill(node, {outputs[0]: np.float64(3.0), outputs[1]: np.float64(4.0)})
    assert filled.compute()["a"] == 7.0
