"""What changes between making a model and training it is seen, and the sentence says what it was."""

import functools
import logging
import sys
import threading

import jax.numpy as jnp
import pytest
from flax import nnx

from tests.identity.modules import load
from weightspace.code import Code
from weightspace.errors import InputError
from weightspace.identity import identity_digest


@pytest.mark.parametrize(
    ("text", "later", "what"),
    [
        ("def f(x): return x * TEMPERATURE", {"TEMPERATURE": 2.0}, "'TEMPERATURE' was not defined then"),
        ("def f(x): return helper(x)", {"helper": abs}, "'helper' was not defined then"),
        ("class f:\n    def __call__(self, x): return x * S", {"S": 2.0}, "'S' was not defined then"),
        ("def f(x): return [T * i for i in x]", {"T": 2.0}, "'T' was not defined then"),
        ("def g(x): return x * S\ndef f(x): return g(x)", {"S": 2.0}, "'S' was not defined then"),
        ("def f(x): return abs(x)", {"abs": lambda x: 5 * x}, "'abs', which it reads, is another"),
        ("def f(x): return sum(map(float, x))", {"map": zip}, "'map', which it reads, is another"),
        ("S = 1.0\ndef f(x): return x * S", {"S": 2.0}, "'S', which it reads, is another"),
        ("T = {'a': [1.0]}\ndef f(x): return x * T['a'][0]", {"T": {"a": [2.0]}}, "'T.a', which it reads"),
    ],
)
def test_a_name_that_is_defined_or_replaced_after_the_model_was_made_is_refused(text, later, what, tmp_path):
    module = load(tmp_path, text, attribute=None)
    code = Code(module.f)
    code.check_unchanged()
    vars(module).update(later)
    with pytest.raises(InputError, match=f"users:f has changed since it was handed over: {what}"):
        code.check_unchanged()


@pytest.mark.parametrize(
    "text",
    [
        "def f(x):\n    from helpers import S\n    return x * S",
        "def f(x):\n    import helpers\n    return x * helpers.S",
        "def f(x):\n    import helpers as h\n    return (lambda: h.S * x)()",
        "import helpers\ndef f(x): return x * helpers.S",
        "def f(x):\n    import helpers\n    return x * getattr(helpers, 'S')",
    ],
)
def test_what_is_imported_within_is_looked_at_again(text, tmp_path):
    helpers = load(tmp_path, "S = 1.0", name="helpers", attribute=None)
    code = Code(load(tmp_path, text))
    code.check_unchanged()
    helpers.S = 2.0
    with pytest.raises(InputError, match="has changed since"):
        code.check_unchanged()


@pytest.mark.parametrize(
    "text",
    [
        "def f(x):\n    import own.helpers as h\n    return x * h.S",
        "def f(x):\n    import own.helpers\n    return x * own.helpers.S",
        "def f(x):\n    from own import helpers\n    return x * helpers.S",
        "def f(x):\n    from own import helpers as h\n    return (lambda: h.S * x)()",
        "def f(x):\n    from own.helpers import S as s, T\n    return x * s",
        "def f(x):\n    import own.deep.helpers as h\n    return x * h.S",
        "def f(x):\n    import own\n    from own import deep\n    return x * deep.helpers.S",
    ],
)
def test_modules_of_packages_that_are_imported_within_are_followed(text, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    digests = []
    for value in ("2.0", "3.0", "2.0"):
        for name in ("own", "own.helpers", "own.deep", "own.deep.helpers"):
            monkeypatch.delitem(sys.modules, name, raising=False)
        deep = tmp_path / "own" / "deep"
        deep.mkdir(parents=True, exist_ok=True)
        for folder in (deep, deep.parent):
            (folder / "helpers.py").write_text(f"S = {value}\nT = 1.0\n")
        (deep.parent / "__init__.py").write_text("")
        (deep / "__init__.py").write_text("from own.deep import helpers\n")
        digests.append(identity_digest(load(tmp_path, text)))
    assert digests[0] == digests[2] != digests[1]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("def f(x):\n    import time\n    return x * time.time()", "reads the clock"),
        ("def f(x):\n    import numpy as n\n    return x * n.load('w.npy')", "reads a file"),
        ("def f(x):\n    from numpy import random as r\n    return x * r.normal()", "a generator that all"),
    ],
)
def test_modules_that_are_imported_within_are_refused_like_others(text, reason, tmp_path):
    with pytest.raises(InputError, match=reason):
        identity_digest(load(tmp_path, text))


@pytest.mark.parametrize(
    "wrapper", ["jax.jit", "functools.lru_cache", "functools.partial", "jax.vmap", "functools.wraps(abs)"]
)
def test_attributes_that_are_put_on_a_function_later_are_seen(wrapper, tmp_path):
    f = load(tmp_path, f"def g(x): return x\nf = {wrapper}(g)")
    f._s = 1.0
    code = Code(f)
    code.check_unchanged()
    f._s = 2.0
    with pytest.raises(InputError, match="has changed since"):
        code.check_unchanged()


@pytest.mark.parametrize("name", ["__call__", "__init__", "__hash__"])
@pytest.mark.parametrize(
    "text",
    [
        "class f(nnx.Module):\n    def __init__(self, rngs): self.a = nnx.Linear(2, 2, rngs=rngs)",
        "class f(nnx.Linear): pass",
        "from flax.nnx import Linear as L\ndef f(rngs): return L(2, 2, rngs=rngs)",
    ],
)
def test_a_method_that_the_user_puts_into_a_library_is_followed(name, text, tmp_path, monkeypatch):
    old, f = getattr(nnx.Linear, name), load(tmp_path, text)
    code, digests = Code(f), [identity_digest(f)]
    for factor in ("2.0", "3.0", "2.0"):
        space = load(tmp_path, f"def patch(old): return lambda *a, **k: old(*a, **k) * {factor}", "p", None)
        monkeypatch.setattr(nnx.Linear, name, space.patch(old))
        digests.append(identity_digest(f))
    assert digests[1] == digests[3]
    assert len(set(digests)) == 3
    with pytest.raises(InputError, match="has changed since"):
        code.check_unchanged()
    monkeypatch.undo()
    assert identity_digest(f) == digests[0]
    code.check_unchanged()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("S = jnp.asarray(1.7)", "S = jnp.asarray(1.7, jnp.float32)"),
        ("S = {'a': jnp.asarray(2)}", "S = {'a': jnp.asarray(2, jnp.int32)}"),
        ("S = collections.deque([1], 2)", "S = collections.deque([1], 3)"),
        ("S = np.ones(2).view(np.recarray)", "S = np.ones(2)"),
        ("S = slice(None, 2)", "S = slice(None, 3)"),
        ("class S(eqx.Module):\n    s: float = eqx.field(static=True)", "class S(eqx.Module):\n    s: float"),
        (
            "@dataclasses.dataclass(order=True)\nclass S:\n    a: int = 1\n    b: int = 2",
            "@dataclasses.dataclass(order=True)\nclass S:\n"
            "    a: int = dataclasses.field(default=1, compare=False)\n    b: int = 2",
        ),
        (
            "@dataclasses.dataclass\nclass S:\n    a: int = 1",
            "@dataclasses.dataclass(eq=False)\nclass S:\n    a: int = 1",
        ),
        (
            "@dataclasses.dataclass\nclass S:\n    a: int",
            "@dataclasses.dataclass\nclass S:\n    a: dataclasses.InitVar[int]",
        ),
        ("class S:\n    __match_args__ = ('a', 'b')", "class S:\n    __match_args__ = ('b', 'a')"),
        ("class S(enum.Enum):\n    A = 1\n    B = 2", "class S(enum.Enum):\n    B = 2\n    A = 1"),
        ("S = vars(types.SimpleNamespace(a=1, b=2))", "S = vars(types.SimpleNamespace(b=2, a=1))"),
        (
            "N = types.SimpleNamespace(a=1, b=2)\ndef S(): return list(vars(N))",
            "N = types.SimpleNamespace(b=2, a=1)\ndef S(): return list(vars(N))",
        ),
        ("class S: pass\nS.__call__ = jnp.sin", "class S: pass\nS.__call__ = jnp.cos"),
    ],
)  # fmt: skip
def test_values_that_differ_in_more_than_a_number_are_told_apart(before, after, tmp_path):
    use = "\ndef f(x): return S"
    digests = [identity_digest(load(tmp_path, text + use)) for text in (before, after, before)]
    assert digests[0] == digests[2] != digests[1]


def test_names_of_the_users_module_count_only_where_they_are_read(tmp_path):
    plain, read = (
        "class f:\n    def __call__(self): return 1",
        "class f:\n    def __call__(self): return len(self.__module__)",
    )
    for text, same in ((plain, True), (read, False)):
        digests = {identity_digest(load(tmp_path, text, name)) for name in ("users", "others")}
        assert (len(digests) == 1) is same


class Factory:
    """What ordinary code keeps as it runs."""

    log, lock = logging.getLogger("users"), threading.Lock()

    def __init__(self, width):
        self.width, self.calls, self.seen, self.memo = width, 0, [], {}

    @functools.cached_property
    def table(self):
        return jnp.arange(self.width, dtype=float)

    def __call__(self, what):
        if what == "table":
            return self.table
        if what == "log":
            with self.lock:
                self.log.warning("one")
        elif what == "calls":
            self.calls += 1
        elif what == "seen":
            self.seen.append((2, 3))
        else:
            self.memo["k"] = 1.0
        return None


@pytest.mark.parametrize("what", ["table", "log"])
def test_what_only_follows_from_the_rest_may_be_kept(what):
    code = Code(Factory(3))
    code(what)
    code.check_unchanged()
    assert code == Code(Factory(3)) != Code(Factory(4))


def test_a_cached_property_that_was_put_there_counts():
    a, b, c = Factory(3), Factory(3), Factory(3)
    a.table, b.table = jnp.ones(3), jnp.zeros(3)
    assert len({identity_digest(each) for each in (a, b, c)}) == 3


@pytest.mark.parametrize(("what", "name"), [("calls", "calls"), ("seen", "seen"), ("memo", "memo")])
def test_the_sentence_names_what_the_code_itself_changes_and_what_helps(what, name):
    code = Code(Factory(3))
    code(what)
    with pytest.raises(
        InputError, match=f"'{name}[^']*', which it reads.*if the code itself changes it.*name="
    ):
        code.check_unchanged()


def test_an_argument_that_changed_is_named():
    widths = [1, 2]
    code = Code(Factory, {"width": widths})
    widths.append(3)
    with pytest.raises(InputError, match="its argument 'width' is another now"):
        code.check_unchanged()
