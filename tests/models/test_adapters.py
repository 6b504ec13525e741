"""What every adapter must do. A new adapter is one row here."""

import dataclasses
import functools
import importlib
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.test_util import check_grads

from tests.models import nets
from weightspace import tree
from weightspace.errors import InputError
from weightspace.models.adapters import from_equinox, from_function, from_linen, from_nnx, from_torch

KEY = jax.random.key(0, impl="threefry2x32")
X = jnp.asarray(np.random.default_rng(0).normal(1, 2, size=(8, nets.INPUTS)), jnp.float32)


@dataclasses.dataclass(frozen=True)
class Adapter:
    make: Callable[..., Any]
    native: Callable[[], Any]
    leaves: tuple[str, ...]
    activations: tuple[str, ...]


def native_nnx():
    @jax.jit
    def native(key, x):
        module = nets.NnxNet(nets.WIDTH, rngs=nnx.Rngs(key))
        return nnx.view(module, deterministic=True, use_running_average=True)(x)

    return native(KEY, X)


def native_linen():
    module = nets.LinenNet(nets.WIDTH)
    return jax.jit(lambda key, x: module.apply(module.init(key, x, train=False), x, train=False))(KEY, X)


def native_equinox():
    @jax.jit
    def native(key, x):
        module, state = eqx.nn.make_with_state(nets.EquinoxNet)(nets.WIDTH, key=key)
        module = eqx.nn.inference_mode(module)
        return jax.vmap(lambda x: module(x, state, key=key)[0], axis_name="batch")(x)

    with jax.numpy_dtype_promotion("standard"):
        return native(KEY, X)


def native_function():
    @jax.jit
    def native(key, x):
        weights, state = nets.function_init(key, x, nets.WIDTH)
        return nets.function_apply(weights, x, train=False, key=key, state=state)[0]

    return native(KEY, X)


def flax_leaves(scale="scale", kernel="kernel"):
    return (
        f"first/{kernel}", "first/bias", f"norm/{scale}", "norm/bias", f"last/{kernel}", "last/bias"
    )  # fmt: skip


def native_torch():
    torch = pytest.importorskip("torch")
    module = torch_nets().Net(nets.WIDTH)
    weights, state = jax.jit(from_torch(torch_nets().Net, width=nets.WIDTH).init)(KEY, X)
    flat = tree.flat_dict(weights) | tree.flat_dict(state)
    module.load_state_dict(
        {path.replace("/", "."): torch.from_numpy(np.array(leaf)) for path, leaf in flat.items()}
    )
    with torch.no_grad():
        return module.eval()(torch.from_numpy(np.array(X))).numpy()


def torch_nets():
    return importlib.import_module("tests.models.torch_nets")


def make_torch(**arguments):
    pytest.importorskip("torch")
    return from_torch(torch_nets().Net, **arguments)


MODULES = ("first", "norm", "drop", "last", "")
ADAPTERS = {
    "nnx": Adapter(functools.partial(from_nnx, nets.NnxNet), native_nnx, flax_leaves(), MODULES),
    "linen": Adapter(functools.partial(from_linen, nets.LinenNet), native_linen, flax_leaves(), MODULES),
    "equinox": Adapter(
        functools.partial(from_equinox, nets.EquinoxNet),
        native_equinox,
        flax_leaves("weight", "weight"),
        MODULES,
    ),
    "function": Adapter(
        functools.partial(
            from_function, nets.function_init, nets.function_apply, nets.function_intermediates
        ),
        native_function,
        ("first/0", "first/1", "norm/scale", "norm/bias", "last/0", "last/1"),
        ("first",),
    ),
    "torch": Adapter(make_torch, native_torch, flax_leaves("weight", "weight"), MODULES),
}


@pytest.fixture(params=ADAPTERS.values(), ids=ADAPTERS)
def adapter(request):
    return request.param


@pytest.fixture
def model(adapter):
    return adapter.make(width=nets.WIDTH)


@pytest.fixture
def dropping(adapter):
    return adapter.make(width=nets.WIDTH, rate=0.5)


@functools.partial(jax.jit, static_argnums=0)
def init(model, key=KEY, x=X):
    return model.init(key, x)


@functools.partial(jax.jit, static_argnums=0, static_argnames="train")
def apply(model, weights, state, *, train=False, key=KEY, x=X):
    return model.apply(weights, state, x, train=train, key=key)


def test_outputs_are_those_of_the_library(adapter, model):
    outputs, _ = apply(model, *init(model))
    np.testing.assert_allclose(outputs, adapter.native(), rtol=1e-5, atol=1e-6)


def test_weights_are_nested_dicts_and_the_layout_tells_what_they_are(adapter, model):
    weights, _ = init(model)
    layout = model.layout(X)
    assert tuple(leaf.path for leaf in layout) == adapter.leaves
    assert [leaf.kind for leaf in layout] == ["kernel", "bias", "scale", "shift", "kernel", "bias"]
    assert [leaf.output for leaf in layout] == [False] * 4 + [True] * 2
    assert [leaf.fan_in for leaf in layout if leaf.kind == "kernel"] == [nets.INPUTS, nets.WIDTH]
    assert sorted(tree.paths(weights)) == sorted(adapter.leaves)
    units = [leaf.shape[leaf.out_axis] for leaf in layout]
    assert units == [nets.WIDTH] * 4 + [nets.OUTPUTS] * 2
    assert jax.tree.structure(tree.nested_dict(tree.flat_dict(weights))) == jax.tree.structure(weights)


def test_equal_keys_give_equal_weights_and_others_others(model):
    first, again, other = (init(model, key)[0] for key in (KEY, KEY, jax.random.fold_in(KEY, 1)))
    assert tree.equal(first, again)
    kernels = model.layout(X).paths("kernel")
    pairs = zip(*(tree.flat_dict(weights) for weights in (first, other)), strict=True)
    assert [path for path, _ in pairs if path in kernels]
    assert all(not np.array_equal(tree.flat_dict(first)[k], tree.flat_dict(other)[k]) for k in kernels)


def test_a_model_is_traced_once(dropping):
    traces = []

    @functools.partial(jax.jit, static_argnums=0)
    def forward(model, weights, state, x, key):
        traces.append(None)
        return model.apply(weights, state, x, train=True, key=key)

    weights, state = init(dropping)
    for key in jax.random.split(KEY, 3):
        _, state = forward(dropping, weights, state, X, key)
        weights = jax.tree.map(lambda w: np.asarray(w) * np.float32(0.9), weights)
    assert len(traces) == 1


def test_a_stacked_population_is_many_models(dropping):
    keys = jax.random.split(KEY, 3)
    weights, state = jax.jit(jax.vmap(dropping.init, (0, None)))(keys, X)

    def train(weights, state, key):
        return dropping.apply(weights, state, X, train=True, key=key)

    together = jax.jit(jax.vmap(train))(weights, state, keys)
    alone = jax.jit(functools.partial(jax.lax.map, lambda own: train(*own)))((weights, state, keys))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), together, alone)


def test_state_goes_round_and_converges_to_the_statistics_of_the_batch(model):
    weights, state = init(model)

    def step(state, _):
        outputs, state = model.apply(weights, state, X, train=True, key=KEY)
        return state, outputs

    after, outputs = jax.jit(lambda state: jax.lax.scan(step, state, length=40))(state)
    assert jax.tree.map(lambda a: (a.shape, a.dtype), after) == jax.tree.map(
        lambda a: (a.shape, a.dtype), state
    )
    assert not np.allclose(apply(model, weights, state)[0], outputs[-1], atol=0.1)
    tested, untouched = apply(model, weights, after)
    # Running variances are unbiased in one of the libraries: by 8 / 7 here.
    np.testing.assert_allclose(tested, outputs[-1], atol=0.1)
    if any(leaf.size for leaf in jax.tree.leaves(after)):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), untouched, after)


def test_dropout_comes_from_the_key_alone(dropping):
    weights, state = init(dropping)
    first, after = apply(dropping, weights, state, train=True)
    again, _ = apply(dropping, weights, state, train=True)
    later, _ = apply(dropping, weights, after, train=True)
    other, _ = apply(dropping, weights, state, train=True, key=jax.random.fold_in(KEY, 1))
    assert np.array_equal(first, again)
    assert np.array_equal(first, later)  # nothing random was carried
    assert not np.allclose(first, other, atol=0.01)
    tested = [apply(dropping, weights, state, key=jax.random.fold_in(KEY, n))[0] for n in (0, 1)]
    assert np.array_equal(*tested)


def test_no_random_number_is_in_the_state(dropping):
    _, state = jax.eval_shape(dropping.init, KEY, X)
    assert not any(jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) for leaf in jax.tree.leaves(state))
    assert not any(leaf.dtype == jnp.uint32 for leaf in jax.tree.leaves(state))


@pytest.mark.parametrize("train", [True, False])
def test_gradient_is_that_of_finite_differences(model, train):
    weights, state = init(model)
    with jax.enable_x64(True):
        weights, state, x = tree.cast((weights, state, X), jnp.float64)

        @jax.jit
        def loss(weights):
            outputs, _ = model.apply(weights, state, x, train=train, key=KEY)
            assert outputs.dtype == jnp.float64
            return jnp.sum(jnp.sin(outputs))

        check_grads(loss, (weights,), order=1, modes=["rev", "fwd"], rtol=1e-5)


@pytest.mark.parametrize("state_type", ["float32", "bfloat16"])
def test_bfloat16_weights_keep_the_types_of_the_state(model, state_type):
    weights, state = init(model)
    expected, _ = apply(model, weights, state, train=True)
    rounded = tree.cast(state, state_type)
    outputs, after = apply(model, tree.cast(weights, "bfloat16"), rounded, train=True)
    assert jax.tree.map(lambda a: a.dtype, after) == jax.tree.map(lambda a: a.dtype, rounded)
    np.testing.assert_allclose(outputs.astype(jnp.float32), expected, atol=0.1)


def test_inputs_take_the_type_of_the_weights(model):
    weights, state = init(model)
    with jax.enable_x64(True):
        text = str(jax.make_jaxpr(lambda w, s, x: model.apply(w, s, x, train=False, key=KEY))(
            *tree.cast((weights, state), "float64"), X
        ))  # fmt: skip
    assert "f64[8,4] = dot_general" in text or "f64[4,8] = dot_general" in text
    assert "f32[8,4] = dot_general" not in text


def test_intermediates_stand_in_forward_order(adapter, model):
    weights, state = init(model)
    found = jax.jit(
        lambda *arrays: tuple(model.intermediates(*arrays).items()) and model.intermediates(*arrays)
    )(weights, state, X)
    names = tuple(model.intermediates(weights, state, X))
    assert names == adapter.activations
    assert found.keys() == set(names)
    flat = tree.flat_dict(weights)
    kernel, bias = (flat[path] for path in adapter.leaves[:2])
    kernel = kernel if kernel.shape[0] == nets.INPUTS else kernel.T
    np.testing.assert_allclose(found["first"], X @ kernel + bias[None], rtol=1e-5, atol=1e-6)
    if "" in found:
        np.testing.assert_allclose(found[""], apply(model, weights, state)[0], rtol=1e-5, atol=1e-6)


def test_intermediates_leave_the_classes_as_they_were(model):
    calls = [
        cls.__dict__.get("__call__") for cls in (nnx.Linear, eqx.nn.Linear, nets.NnxNet, nets.EquinoxNet)
    ]
    jax.eval_shape(model.intermediates, *init(model), X)
    after = [
        cls.__dict__.get("__call__") for cls in (nnx.Linear, eqx.nn.Linear, nets.NnxNet, nets.EquinoxNet)
    ]
    assert all(a is b for a, b in zip(calls, after, strict=True))


def test_devices(model):
    mesh = jax.make_mesh((2,), ("runs",), axis_types=(jax.sharding.AxisType.Auto,))
    keys = jax.random.split(KEY, 2)
    runs = jax.sharding.PartitionSpec("runs")

    def one(keys, x):
        weights, state = model.init(keys[0], x)
        return model.apply(weights, state, x, train=True, key=keys[0])[0][None]

    specs = (runs, jax.sharding.PartitionSpec())
    sharded = jax.jit(jax.shard_map(one, mesh=mesh, in_specs=specs, out_specs=runs, check_vma=False))
    alone = jnp.stack([jax.jit(one)(key[None], X)[0] for key in keys])
    np.testing.assert_allclose(sharded(keys, X), alone, rtol=1e-5, atol=1e-6)


def test_a_model_is_what_its_code_and_arguments_are(adapter, model):
    again, wider = adapter.make(width=nets.WIDTH), adapter.make(width=nets.WIDTH + 1)
    assert model == again
    assert hash(model) == hash(again)
    assert jax.tree.structure(model) == jax.tree.structure(again)
    assert jax.tree.leaves(model) == []
    assert model != wider
    assert "tests.models.nets:" in model.name or "tests.models.torch_nets:" in model.name
    assert f"width={nets.WIDTH}" in model.name or adapter is ADAPTERS["function"]


def test_a_name_and_a_version_may_stand_for_the_code(adapter):
    first, second = (adapter.make(name="mine", version=v, width=nets.WIDTH) for v in (1, 2))
    assert first.name.startswith("mine")
    assert first != second
    assert "tests.models.nets" not in str(first.canonical)
    with pytest.raises(InputError, match="name= and version= go together"):
        adapter.make(name="mine", width=nets.WIDTH)


def test_overrides_change_the_layout_and_the_identity(adapter, model):
    changed = adapter.make(width=nets.WIDTH, overrides={"first/*": {"kind": "other", "fan_axes": [0]}})
    kinds = [leaf.kind for leaf in changed.layout(X)]
    assert kinds == ["other", "other", "scale", "shift", "kernel", "bias"]
    assert changed != model
    assert "overrides" not in model.canonical
    with pytest.raises(InputError, match="changes 'colour'; a leaf has fan, fan_axes"):
        adapter.make(width=nets.WIDTH, overrides={"*": {"colour": 1}})


def test_arguments_are_checked(adapter):
    with pytest.raises(
        InputError, match=r"takes no argument 'wdth'; did you mean 'width'\?|takes an argument 'wdth'"
    ):
        adapter.make(wdth=3)
    with pytest.raises(InputError, match="needs the argument 'width'"):
        adapter.make()


def test_values_for_the_code_that_are_given_by_place_are_refused():
    # In a process of its own: in this one annotations are checked.
    code = "import weightspace as ws; from tests.models import nets; ws.from_nnx(nets.NnxNet, 16)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "InputError: name is 16, which is no text; what the code takes is given by keyword" in said.stderr


@pytest.mark.parametrize("name", ["nnx", "equinox", "function", "torch"])  # Linen says so itself
def test_missing_weights_are_named(name):
    adapter = ADAPTERS[name]
    model = adapter.make(width=nets.WIDTH)
    weights, state = init(model)
    last = adapter.leaves[-1]
    partial = tree.nested_dict({path: leaf for path, leaf in tree.flat_dict(weights).items() if path != last})
    with pytest.raises(InputError, match=f"have no '{last}'"):
        model.apply(partial, state, X, train=False, key=KEY)


def build_linen(rngs):
    return nn.Dense(2)


def build_nnx(key):
    return nnx.Linear(3, 2, rngs=nnx.Rngs(key))


def build_equinox(rngs):
    return eqx.nn.Linear(3, 2, key=KEY)


def build_nothing(rngs):
    return 3


def plain_nnx():
    return nnx.Linear(3, 2, rngs=nnx.Rngs(0))


WRONG = {
    "nnx takes no Linen": (from_nnx, build_linen, "gives a module of Flax Linen.*use from_linen"),
    "nnx takes no Equinox": (from_nnx, build_equinox, "gives a module of Equinox.*use from_equinox"),
    "nnx takes no number": (from_nnx, build_nothing, "gives a value of type int.*from_function"),
    "nnx takes no finished module": (from_nnx, plain_nnx(), "not a finished Linear: each run draws"),
    "linen takes no NNX": (from_linen, plain_nnx, "gives a module of Flax NNX.*use from_nnx"),
    "equinox takes no NNX": (from_equinox, build_nnx, "gives a module of Flax NNX.*use from_nnx"),
    "equinox takes no finished module": (
        from_equinox,
        eqx.nn.Linear(3, 2, key=KEY),
        "not a finished Linear: each run draws",
    ),
    "functions are no classes": (
        functools.partial(from_function, nets.function_init),
        nnx.Linear,
        "apply is a module of Flax NNX, but from_function takes plain functions",
    ),
}


@pytest.mark.parametrize(("take", "given", "text"), WRONG.values(), ids=WRONG)
def test_a_model_of_another_kind_is_refused(take, given, text):
    with pytest.raises(InputError, match=text):
        take(given)


def test_other_adapters_refuse_a_torch_module():
    torch = pytest.importorskip("torch")
    from weightspace.models.adapters.common import check_library

    with pytest.raises(InputError, match=r"module of PyTorch.*use from_torch"):
        check_library(torch.nn.Linear(2, 3), "Flax NNX", "net")


def test_models_without_weights_or_with_odd_outputs_are_refused():
    with pytest.raises(InputError, match="has no weights"):
        from_equinox(eqx.nn.Dropout, p=0.5)
    scalar = from_function(lambda *_: {"w": jnp.ones(3)}, lambda weights, x: jnp.sum(x @ weights["w"]))
    with pytest.raises(InputError, match=r"outputs of shape \(\) for a batch of 2"):
        scalar.apply(*init(scalar), X, train=False, key=KEY)


def test_captured_values_are_part_of_the_identity():
    def closed(width):
        return lambda rngs: nnx.Linear(width, 2, rngs=rngs)

    assert from_nnx(closed(3)) == from_nnx(closed(3)) != from_nnx(closed(4))


def test_rngs_may_be_the_only_parameter_under_another_name():
    model = from_nnx(lambda streams: nnx.Linear(3, 2, rngs=streams))
    assert model.layout(X).size == 8


def test_variables_that_are_no_parameters_are_state():
    class Counting(nnx.Module):
        def __init__(self, *, rngs):
            self.dense = nnx.Linear(3, 2, rngs=rngs)
            self.calls = nnx.Variable(jnp.zeros((), jnp.int32))
            self.steps = nnx.Param(jnp.zeros((), jnp.int32))
            self.plain = nnx.data(jnp.ones(2))

        def __call__(self, x):
            self.calls[...] += 1
            return self.dense(x) * self.plain[None]

    model = from_nnx(Counting, name="counting", version=1)
    weights, state = init(model)
    assert set(tree.paths(weights)) == {"dense/kernel", "dense/bias"}
    assert set(tree.paths(state)) == {"calls", "steps", "plain"}
    assert apply(model, weights, state)[1]["calls"] == 1


def test_shared_modules_have_one_set_of_weights_and_two_activations():
    class Tied(nnx.Module):
        def __init__(self, *, rngs):
            self.first = self.again = nnx.Linear(3, 3, rngs=rngs)

        def __call__(self, x):
            return self.again(self.first(x))

    model = from_nnx(Tied, name="tied", version=1)
    weights, state = init(model)
    assert model.layout(X).size == 12
    outputs = model.intermediates(weights, state, X)
    (path,) = {path.split("#")[0] for path in outputs} - {""}
    assert tuple(outputs) == (path, f"{path}#2", "")


def test_dropout_layers_have_masks_of_their_own():
    class Twice(nnx.Module):
        def __init__(self, *, rngs):
            self.scale = nnx.Param(jnp.ones(1))
            self.drops = nnx.List([nnx.Dropout(0.5, rngs=rngs) for _ in range(2)])

        def __call__(self, x):
            first, second = (jnp.abs(drop(x)) > 0 for drop in self.drops)
            return (first != second) * self.scale[...][None]

    model = from_nnx(Twice, name="twice", version=1)
    outputs = np.asarray(apply(model, *init(model), train=True)[0])
    assert 0 < outputs.sum() < outputs.size


def test_a_finished_linen_module_is_known_by_its_fields():
    assert from_linen(nets.LinenNet(4)) == from_linen(nets.LinenNet, width=4)
    assert from_linen(nets.LinenNet(4, 0.5)) != from_linen(nets.LinenNet(4))
    by_function = [
        from_linen(nn.Dense(3, kernel_init=f)) for f in (nn.initializers.ones, nn.initializers.zeros)
    ]
    assert by_function[0] != by_function[1]
    assert by_function[0].name == "flax.linen.linear:Dense:features=3,kernel_init=ones"
    named = from_linen(nn.Dense(3, kernel_init=nn.initializers.ones), name="ones", version=1)
    assert init(named)[0]["kernel"].sum() == 9


@pytest.mark.parametrize("cls", nets.TELLING, ids=lambda cls: cls.__name__)
def test_linen_modules_are_told_whether_they_train(cls):
    model = from_linen(cls)
    weights, state = init(model)
    told = [bool(apply(model, weights, state, train=train)[0].any()) for train in (True, False)]
    assert told == ([True, False] if cls in nets.TELLING[:2] else [False, True])


def test_an_equinox_factory_may_give_the_state_too():
    model = from_equinox(nets.equinox_with_state)
    same = from_equinox(nets.EquinoxNet, width=nets.WIDTH)
    assert tree.equal(init(model), init(same))


def test_adapters_import_no_library_until_they_are_used():
    code = (
        "import sys, weightspace.models.adapters as a, weightspace.models.zoo as z\n"
        "assert dir(a) and z.names() and z.describe('fc')\n"
        "assert not {'flax', 'equinox', 'torch'} & set(sys.modules)\n"
        "a.from_function\n"
        "assert not {'flax', 'equinox', 'torch'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_name_of_the_package_is_an_attribute_error():
    import weightspace.models.adapters as package

    with pytest.raises(AttributeError, match="from_keras"):
        _ = package.from_keras
