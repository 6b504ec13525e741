"""Every form that a user's code takes: an edit of what it says is seen, one of comments and layout is not."""

import pytest

from tests.identity.modules import HEAD, blocks, load
from weightspace.errors import InputError
from weightspace.identity import identity_digest
from weightspace.identity.source import code_form

FORMS = {name: text for name, _, text in blocks("forms")}
REFUSED = {name: (text, reason) for name, reason, text in blocks("refused")}


@pytest.mark.parametrize("form", FORMS)
def test_what_code_says_is_its_identity_and_how_it_is_written_is_not(form, tmp_path):
    text = FORMS[form]
    before = identity_digest(load(tmp_path, text))
    commented = "\n\n".join(line + "  # a remark" for line in text.split("\n"))
    moved = '\n"""Other words."""\nOTHER = 5\n\n\ndef other(q):\n    return OTHER\n\n\n' + commented
    assert identity_digest(load(tmp_path, moved)) == before
    head, _, tail = text.rpartition("2.0")
    assert identity_digest(load(tmp_path, head + "2.5" + tail)) != before


def test_documentation_and_annotations_of_functions_change_nothing(tmp_path):
    plain = "class f:\n    def g(self, x, s=1):\n        return x * s"
    told = (
        "class f:\n    'Told.'\n    def g(self, x: float, s: int = 1) -> float:\n"
        "        'Told.'\n        return x * s"
    )
    assert identity_digest(load(tmp_path, plain)) == identity_digest(load(tmp_path, told))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("from jax.nn import relu as act", "from jax.nn import gelu as act"),
        ("act = jax.nn.relu", "act = jax.nn.relu6"),
        ("act = jnp.max", "act = jax.lax.max"),
        ("import numpy as act", "import jax.numpy as act"),
    ],
)
def test_what_an_imported_name_stands_for_is_part_of_it(before, after, tmp_path):
    use = "\ndef f(x): return act(x)"
    assert identity_digest(load(tmp_path, before + use)) != identity_digest(load(tmp_path, after + use))


@pytest.mark.parametrize(
    "use",
    [
        "import helpers\ndef f(x): return helpers.scale(x)",
        "from helpers import scale\ndef f(x): return scale(x)",
        "from helpers import scale as s\nT = {'s': s}\ndef f(x): return T['s'](x)",
        "import helpers\nclass f(helpers.Base): pass",
        "def f(x):\n    import helpers\n    return helpers.scale(x)",
        "def f(x):\n    from helpers import scale\n    return scale(x)",
        "import helpers\ndef f(x): return getattr(helpers, 'scale')(x)",
        "import helpers as h\ndef f(x): return sum(map(h.scale, x))",
    ],
)
def test_other_modules_of_the_users_are_followed(use, tmp_path):
    helpers = "S = {}\ndef scale(x): return x * S\nclass Base:\n    def g(self, x): return scale(x)\n"
    digests = []
    for value in ("2.0", "3.0", "2.0"):
        load(tmp_path, helpers.format(value).replace("{}", value), name="helpers", attribute=None)
        digests.append(identity_digest(load(tmp_path, use)))
    assert digests[0] == digests[2] != digests[1]


def test_other_code_of_a_module_that_is_named_by_attribute_does_not_matter(tmp_path):
    use = "import helpers\ndef f(x): return helpers.scale(x)"
    load(tmp_path, "def scale(x): return x\n", name="helpers", attribute=None)
    before = identity_digest(load(tmp_path, use))
    load(tmp_path, "def scale(x): return x\ndef other(x): return 3\n", name="helpers", attribute=None)
    assert identity_digest(load(tmp_path, use)) == before


def test_a_value_that_changes_in_place_or_is_put_elsewhere_is_seen_at_once(tmp_path):
    module = load(
        tmp_path,
        "S, L, A = 2.0, [1.0], np.ones(2)\nclass C:\n    s = 1.0\ndef f(x): return x * S\n"
        "def g(x): return x * L[0]\ndef h(x): return x @ A\ndef k(x): return x * C.s\n"
        "def d(x, s=1): return x * s",
        attribute=None,
    )
    functions = (module.f, module.g, module.h, module.k, module.d)
    before = [identity_digest(function) for function in functions]
    assert [identity_digest(function) for function in functions] == before
    module.S, module.L[0], module.A[1], module.C.s = 3.0, 2.0, 2.0, 2.0
    module.d.__defaults__ = (2,)
    after = [identity_digest(function) for function in functions]
    assert all(a != b for a, b in zip(before, after, strict=True))


def test_code_that_no_longer_is_in_its_file_stands_for_itself(tmp_path):
    function = load(tmp_path, "def f(x): return x * 2.0")
    now = identity_digest(function)
    file = next(tmp_path.rglob("users.py"))
    file.write_text(HEAD + "def f(x): return x * 3.0  # edited after the import")
    edited = identity_digest(load(tmp_path, "def f(x): return x * 3.0"))
    assert now != edited
    again = load(tmp_path, "def f(x): return x * 2.0")
    next(p for p in sorted(tmp_path.rglob("users.py")) if p.parent.name == "2").write_text(
        HEAD + "def f(x): return x * 3.0"
    )
    assert code_form(again.__code__).startswith("bytes ")
    assert identity_digest(again) not in (edited, "")


def test_code_without_a_source_is_told_by_its_instructions():
    spaces = [{"S": value} for value in (1, 1, 2)]
    for space, body in zip(spaces, ("x * S", "x  *  S  # same", "x * S"), strict=True):
        exec(f"def f(x): return {body}", space)
    a, b, c = (identity_digest(space["f"]) for space in spaces)
    assert a == b != c


def test_a_digest_depends_on_nothing_but_the_code(tmp_path):
    text = "S = {'b', 'a', 'c'}\nclass f:\n    s = S\n    def __call__(self, x): return x in self.s"
    assert identity_digest(load(tmp_path, text)) == (
        "a8e630120a36e5e00e4e36fced603ce35a3f5f2ec782af34979c6b56e08ffca5"
    )


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_followed_is_refused_in_words(what, tmp_path):
    text, reason = REFUSED[what]
    with pytest.raises(InputError, match=reason) as caught:
        identity_digest(load(tmp_path, text))
    assert "give name= and version=" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "class f:\n    def save(self, p): open(p, 'w').write('x')\n    def __call__(self, x): return x",
        "class f(nnx.Module):\n    @classmethod\n    def restore(cls, p): return np.load(p)",
        "def write(p): return open(p)\nclass f:\n    def save(self, p): return write(p)",
    ],
)
def test_methods_that_nothing_calls_may_read_files(text, tmp_path):
    assert identity_digest(load(tmp_path, text))


@pytest.mark.parametrize(
    "text",
    [
        "import os\ndef f(x): return x * len(os.path.join('a', 'b'))",
        "import os\ndef f(x, base='a'): return {os.path.basename(base): x, os.path.splitext(base)[0]: x}",
        "import pathlib\nP = pathlib.Path('a')\n"
        "def f(x): return {(P / 'b').name: x, str(pathlib.Path('c')): x}",
        "def f(x): return x * np.random.default_rng(0).normal(size=3)",
        "def f(x, seed=3): return x * np.random.RandomState(seed=seed).normal()",
        "from numpy.random import default_rng\ndef f(x): return default_rng(5).normal()",
        "f = functools.partial(np.random.default_rng, 0)",
        "import random\ndef f(x): return random.Random(3).random() * x",
        "def f(x): return np.random.Generator(np.random.PCG64(1)).normal() * x",
        "def f(x, kind='relu'): return x if kind in {'relu', 'tanh'} else -x",
        "def f(x, names=('a', 'b')): return [x * len(n) for n in sorted(set(names))]",
        "def f(x): return [x * n for n in {1, 2, 3}]",
        "def f(x, names=('a', 'b')):\n    seen = set()\n"
        "    for n in names: seen.add(n)\n    return x * len(seen)",
        "class f:\n    def __init__(self, n): self.n = n\n    def __hash__(self): return hash(self.n)\n"
        "    def __eq__(self, o): return self.n == o.n\n    def __call__(self, x): return x",
        "def f(x, act='gelu'): return getattr(jax.nn, act)(x)",
        "class f(nnx.Module):\n    def __init__(self, rngs):\n        for i in range(2): "
        "setattr(self, f'l{i}', nnx.Linear(2, 2, rngs=rngs))\n    def __call__(self, x):\n"
        "        for i in range(2): x = getattr(self, f'l{i}')(x)\n        return x",
        "import math, collections, itertools, datetime\nD = datetime.date(2020, 1, 1)\n"
        "def f(x): return x * math.pi * D.year * len(collections.OrderedDict(a=1))",
        "import logging\nlog = logging.getLogger('f')\ndef f(x):\n    print(x.shape)\n    return x",
        "class f:\n    def save(self, p): open(p, 'w').write('x')\n"
        "    def __call__(self, x): return getattr(self, 'scale', 1) * x",
        "from sklearn.datasets import load_digits\ndef f(x): return load_digits().data[0] * x",
    ],
)
def test_ordinary_code_is_no_reading_from_outside(text, tmp_path):
    assert identity_digest(load(tmp_path, text))
