"""Random small changes of a user's code and data: each changes the digest, or not one bit of the numbers.

A program hides numbers behind chains of forms in which Python code takes values from elsewhere: globals,
default arguments, closures, classes, other modules, containers, decorators. An edit changes one number, one
operation, or only how the program is written. Numbers are compared by their bits.
"""

import dataclasses
import itertools
import sys
import types

import jax
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import weightspace as ws
from tests.identity.modules import blocks
from weightspace.code import Code

EXAMPLES = settings(
    max_examples=1000, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)

# What stands between a number VALUE and its user NAME(); with ELSEWHERE it lives in another module.
LINKS = {name: text for name, _, text in blocks("links")}
ELSEWHERE = {name: text for name, _, text in blocks("elsewhere")}
OPERATIONS = ("{x} * {a} + {b}", "{x} + {a} * {b}", "np.maximum({x}, {a}) - {b}", "{x} * {a} * {b}")
HEAD = "import abc, collections, dataclasses, functools, typing\nimport numpy as np\n"
NUMBERS = st.sampled_from([0.0, -0.0, 1.0, 2.0, -3.5, 1e-3, 7.0])


@dataclasses.dataclass(frozen=True)
class Chain:
    """A number behind links; some of them in another module."""

    links: tuple[tuple[str, str | None], ...]
    number: float

    def written(self, name):
        """Text of the user's module, and of the other one."""
        here, there, value = [], [], repr(self.number)
        for place, (link, elsewhere) in enumerate(self.links):
            f = f"{name}_{place}"
            (there if elsewhere else here).append(
                (f, LINKS[link].replace("NAME", f).replace("VALUE", value), elsewhere)
            )
            value = f"{f}()"
        return here, there, value


CHAINS = st.builds(
    Chain,
    st.lists(st.tuples(st.sampled_from(sorted(LINKS)), st.none()), min_size=1, max_size=3).map(tuple),
    NUMBERS,
)
ALONE = st.builds(
    lambda link, how, number: Chain(((link, how),), number),
    st.sampled_from(sorted(LINKS)), st.sampled_from(sorted(ELSEWHERE)), NUMBERS,
)  # fmt: skip


def written(chains, operation, *, remarks, order):
    """The texts of both modules; `f(x)` computes the operation with the chains' numbers."""
    here, there, values = [], [], []
    for name, chain in zip("ab", chains, strict=True):
        own, other, value = chain.written(name)
        parts = [text for _, text, _ in own]
        for f, text, how in other:
            there.append(text)
            parts.append(ELSEWHERE[how].replace("NAME", f))
        here.append("\n".join(parts))
        values.append(value)
    use = "def f(x):\n    return " + OPERATIONS[operation].format(x="x", a=values[0], b=values[1])
    blocks = [HEAD, *(here if order else here[::-1]), use]
    if remarks:
        blocks = ["# A remark.\nUNUSED = 3.0\n\n\ndef unused(q):\n    return UNUSED * q\n", *blocks]
        blocks = ["\n\n".join(line + "  # a remark" for line in block.split("\n")) for block in blocks]
    return "\n".join(blocks), "\n".join([HEAD, *there])


COUNTER = itertools.count()


def run(text, name):
    """A module of this text, known by name; its source can be found."""
    import linecache

    file = f"<case {next(COUNTER)}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    module = sys.modules[name] = types.ModuleType(name)
    module.__file__ = file
    exec(compile(text, file, "exec"), vars(module))
    return module


PAIRS = given(
    st.tuples(CHAINS | ALONE, CHAINS | ALONE),
    st.integers(0, len(OPERATIONS) - 1),
    st.sampled_from(["number", "number", "number", "operation", "remarks", "order", "link"]),
    NUMBERS,
    st.data(),
)


@settings(EXAMPLES, max_examples=300)
@PAIRS
def test_code_with_one_digest_gives_one_result(chains, operation, edit, number, data):
    _one_digest_one_result(chains, operation, edit, number, data)


@pytest.mark.slow
@EXAMPLES
@PAIRS
def test_code_with_one_digest_gives_one_result_in_a_thousand(chains, operation, edit, number, data):
    _one_digest_one_result(chains, operation, edit, number, data)


def _one_digest_one_result(chains, operation, edit, number, data):
    changed, other = list(chains), operation
    if edit == "number":
        which = data.draw(st.integers(0, 1))
        changed[which] = dataclasses.replace(chains[which], number=number)
    elif edit == "operation":
        other = data.draw(st.integers(0, len(OPERATIONS) - 1))
    elif edit == "link":
        changed[0] = data.draw(CHAINS | ALONE)
    found = []
    for each, op, remarks, order in (
        (chains, operation, False, True),
        (changed, other, edit == "remarks", edit != "order"),
    ):
        users, elsewhere = written(each, op, remarks=remarks, order=order)
        run(elsewhere, "elsewhere")
        code = Code(run(users, "users").f)
        x = np.array([0.0, 1.0, -2.0, 0.3])
        found.append((code.identity["source"], np.asarray(code(x)).tobytes()))
        code.check_unchanged()  # what was used is what was digested, and using it changed nothing
    (before, numbers), (after, others) = found
    assert before != after or numbers == others
    if edit in ("remarks", "order"):
        assert before == after


ARRAYS = st.sampled_from(["float32", "float64", "uint8", "int64"])


@settings(EXAMPLES, max_examples=200)
@given(ARRAYS, st.sampled_from(["value", "label", "order", "type", "shape", "copy", "split"]), st.data())
def test_data_with_one_digest_are_one_set(dtype, edit, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2)))
    x, y = rng.integers(0, 9, (6, 4)).astype(dtype), rng.integers(0, 3, 6)
    y[:3] = range(3)
    z, w, test = x.copy(), y.copy(), None
    place = data.draw(st.integers(0, 5))
    if edit == "value":
        z[place, 0] = data.draw(st.integers(0, 9))
    elif edit == "label":
        w[place] = data.draw(st.integers(0, 2))
    elif edit == "order":
        order = data.draw(st.permutations(range(6)))
        z, w = z[order], w[order]
    elif edit == "type":
        z = z.astype(data.draw(ARRAYS))
    elif edit == "shape":
        z = z.reshape(6, 2, 2) if place % 2 else z
    elif edit == "split":
        test = (z[:3], w[:3]) if place % 2 else None
    classes = {"classes": 3}  # an edit may leave a class without an example
    a = ws.Data(ws.from_arrays(x, y, **classes), normalise="none")
    b = ws.Data(ws.from_arrays(z, w, *(test or ()), **classes), normalise="none")
    leaves = [
        [
            (np.asarray(leaf).dtype, np.asarray(leaf).shape, np.asarray(leaf).tobytes())
            for leaf in jax.tree.leaves(d.arrays())
        ]
        for d in (a, b)
    ]
    assert a.digest != b.digest or leaves[0] == leaves[1]
    if edit == "copy":
        assert a.digest == b.digest
