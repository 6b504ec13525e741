import jax
import jax.numpy as jnp
import pytest

from weightspace.errors import InputError
from weightspace.models.adapters.common import convention
from weightspace.models.layout import Layout, Leaf, build_layout, usage_order
from weightspace.tree import nested_dict


def dense(weights, x):
    return jnp.tanh(x @ weights["kernel"] + weights["bias"][None])


def chain(names, widths):
    """Dense layers of these names, applied in this order, and their weights."""
    weights = {
        name: {"kernel": jnp.ones((taken, made)), "bias": jnp.ones(made)}
        for name, taken, made in zip(names, widths, widths[1:], strict=False)
    }

    def forward(weights):
        x = jnp.ones((1, widths[0]))
        for name in names:
            x = dense(weights[name], x)
        return x

    return weights, forward


def layout(weights, forward):
    return build_layout(weights, convention, forward)


def test_leaves_stand_in_the_order_of_the_forward_pass_not_of_the_alphabet():
    names = ["conv_2", "conv_10", "a_late_one"]
    found = layout(*chain(names, [2, 3, 4, 5]))
    assert found.modules == tuple(names)
    assert [leaf.path for leaf in found] == [f"{n}/{leaf}" for n in names for leaf in ("kernel", "bias")]
    assert [leaf.order for leaf in found] == list(range(6))


def test_order_follows_nested_modules_and_lists():
    weights, forward = chain(["2", "10", "1"], [2, 3, 3, 2])
    nested = {"body": {"layers": weights}, "a": {"kernel": jnp.ones((2, 1))}}
    found = layout(nested, lambda w: forward(w["body"]["layers"]) @ w["a"]["kernel"])
    assert found.modules == ("body/layers/2", "body/layers/10", "body/layers/1", "a")


def test_order_is_that_of_use_not_of_preparation():
    def forward(weights):
        late = jnp.tanh(weights["late"]) * 2.0
        late = (late - jnp.mean(late)).T.astype(jnp.float32)
        early = weights["z_early"].reshape(3, 2)
        return (jnp.ones((1, 3)) @ early) @ late

    weights = {"late": jnp.ones((4, 2)), "z_early": jnp.ones(6)}
    assert [leaf.path for leaf in layout(weights, forward)] == ["z_early", "late"]


def with_own_derivative(f):
    wrapped = jax.custom_jvp(f)
    wrapped.defjvp(lambda primals, _: (f(*primals), f(*primals)))
    return wrapped


WRAPPERS = {
    "jit": jax.jit,
    "checkpoint": jax.checkpoint,
    "custom_jvp": with_own_derivative,
    "vmap": lambda f: lambda w, x: jax.vmap(lambda row: f(w, row[None])[0])(x),
}


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
def test_order_is_found_inside_of_calls(wrap):
    weights, _ = chain(["b", "a"], [2, 3, 3])
    inner = wrap(lambda w, x: dense(w["a"], dense(w["b"], x)))
    found = layout(weights, lambda w: inner(w, jnp.ones((1, 2))))
    assert found.modules == ("b", "a")


def test_a_loop_is_one_place():
    def forward(weights):
        x, _ = jax.lax.scan(lambda x, k: (x @ k, None), jnp.ones((1, 2)), weights["z_stack"])
        return x @ weights["a_last"]

    weights = {"z_stack": jnp.ones((3, 2, 2)), "a_last": jnp.ones((2, 2))}
    assert [leaf.path for leaf in layout(weights, forward)] == ["z_stack", "a_last"]


def test_leaves_that_are_never_used_come_last():
    weights, forward = chain(["b"], [2, 3])
    weights["a"] = {"kernel": jnp.ones((2, 2))}
    assert usage_order(forward, weights).keys() == {"b/kernel", "b/bias"}
    assert layout(weights, forward).modules == ("b", "a")


def test_shapes_are_enough():
    weights, forward = chain(["b", "a"], [2, 3, 4])
    assert layout(jax.eval_shape(lambda: weights), forward) == layout(weights, forward)


def test_kinds_fans_and_the_output_layer():
    weights = {
        "conv": {"kernel": jnp.ones((3, 3, 2, 4)), "bias": jnp.ones(4)},
        "norm": {"scale": jnp.ones(4), "bias": jnp.ones(4)},
        "head": {"kernel": jnp.ones((4, 5)), "bias": jnp.ones(5)},
        "temperature": jnp.ones(()),
    }

    def forward(w):
        x = jax.lax.conv_general_dilated(
            jnp.ones((1, 6, 6, 2)),
            w["conv"]["kernel"],
            (1, 1),
            "SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        ) + jnp.expand_dims(w["conv"]["bias"], (0, 1, 2))
        x = x * jnp.expand_dims(w["norm"]["scale"], (0, 1, 2)) + jnp.expand_dims(w["norm"]["bias"], (0, 1, 2))
        return (x.mean((1, 2)) @ w["head"]["kernel"] + w["head"]["bias"][None]) * w["temperature"]

    found = layout(weights, forward)
    assert [(leaf.path, leaf.kind, leaf.output) for leaf in found] == [
        ("conv/kernel", "kernel", False),
        ("conv/bias", "bias", False),
        ("norm/scale", "scale", False),
        ("norm/bias", "shift", False),
        ("head/kernel", "kernel", True),
        ("head/bias", "bias", True),
        ("temperature", "other", False),
    ]
    assert (found["conv/kernel"].fan_in, found["conv/kernel"].out_axis) == (18, 3)
    assert (found["head/kernel"].fan_in, found["head/kernel"].out_axis) == (4, 1)
    assert found.size == 72 + 4 + 4 + 4 + 20 + 5 + 1


CONVENTIONS = {
    "dense/kernel": ((3, 4), False, ("kernel", (0,), 1)),
    "conv/kernel": ((3, 3, 2, 4), False, ("kernel", (0, 1, 2), 3)),
    "dense/weight": ((4, 3), True, ("kernel", (1,), 0)),
    "conv/weight": ((4, 2, 3, 3), True, ("kernel", (1, 2, 3), 0)),
    "conv/bias": ((4, 1, 1), True, ("bias", (), 0)),
    "norm/weight": ((4,), True, ("scale", (), 0)),
    "norm/scale": ((4,), False, ("scale", (), 0)),
    "embed/embedding": ((9, 4), False, ("other", (), 1)),
    "own_matrix": ((3, 4), False, ("kernel", (0,), 1)),
    "own_vector": ((4,), False, ("bias", (), 0)),
    "own_number": ((), False, ("other", (), None)),
}


@pytest.mark.parametrize(("path", "row"), CONVENTIONS.items(), ids=CONVENTIONS)
def test_conventions(path, row):
    shape, out_first, expected = row
    assert convention(path, shape, out_first=out_first) == expected


LAYERS = Layout((
    Leaf("conv_1/kernel", (3, 3, 1, 4), "kernel", "conv_1", 0, (0, 1, 2), 3),
    Leaf("conv_1/bias", (4,), "bias", "conv_1", 1, (), 0),
    Leaf("norm/scale", (4,), "scale", "norm", 2, (), 0),
    Leaf("head/kernel", (4, 2), "kernel", "head", 3, (0,), 1, output=True),
    Leaf("head/bias", (2,), "bias", "head", 4, (), 0, output=True),
))  # fmt: skip

SELECTORS = {
    "*": (0, 1, 2, 3, 4),
    "kernel": (0, 3),
    "output": (3, 4),
    "kernel | scale": (0, 2, 3),
    "conv_*": (0, 1),
    "*/bias|norm/*": (1, 2, 4),
    "nothing": (),
}


@pytest.mark.parametrize(("selector", "places"), SELECTORS.items(), ids=SELECTORS)
def test_selectors(selector, places):
    chosen = tuple(LAYERS.leaves[place].path for place in places)
    assert LAYERS.paths(selector) == chosen
    weights = nested_dict({leaf.path: jnp.zeros(leaf.shape) for leaf in LAYERS})
    flags = LAYERS.mask(weights, selector)
    assert jax.tree.structure(flags) == jax.tree.structure(weights)
    assert sum(jax.tree.leaves(flags)) == len(places)


def test_an_override_changes_the_selected_leaves_alone():
    changed = LAYERS.override("norm/*|conv_1/bias", kind="other", out_axis=None)
    assert [leaf.kind for leaf in changed] == ["kernel", "other", "other", "kernel", "bias"]
    assert changed["conv_1/kernel"] == LAYERS["conv_1/kernel"]
    assert changed["norm/scale"].out_axis is None
    with pytest.raises(InputError, match=r"'dense\*' selects no leaf \(the override\)"):
        LAYERS.override("dense*", kind="other")


def test_an_unknown_leaf_is_named_with_those_there_are():
    with pytest.raises(InputError, match="no leaf 'conv_1/weight'; it has conv_1/kernel"):
        LAYERS["conv_1/weight"]
