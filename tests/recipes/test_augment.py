"""Crops and flips: as loops in NumPy, whoever the neighbours are, without another program."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import weightspace as ws
from tests.builders import small_run
from weightspace.data.sources.arrays import from_arrays
from weightspace.errors import InputError
from weightspace.streams import Stream, key
from weightspace.training.resolve import resolve

X = np.random.default_rng(0).integers(1, 255, (6, 5, 7, 3)).astype(np.uint8)


def drawn(padding, flip, numbers, x):
    step = key(ws.Seeds(3), Stream.AUGMENT, jnp.int32(11))
    made = jax.jit(lambda spec: spec(step, jnp.asarray(numbers, jnp.int32), jnp.asarray(x)))
    return np.asarray(made(ws.CropFlip(padding, flip)))


def by_hand(padding, flip, number, image):
    """Pad with zeros, cut out, turn round."""
    step = key(ws.Seeds(3), Stream.AUGMENT, jnp.int32(11))
    draws = np.asarray(jax.random.uniform(jax.random.fold_in(step, jnp.uint32(number)), (3,), jnp.float32))
    top, left = (int(np.floor(each * np.float32(2 * padding + 1))) for each in draws[:2])
    height, width, _ = image.shape
    wide = np.pad(image, ((padding, padding), (padding, padding), (0, 0)))
    cut = wide[top : top + height, left : left + width]
    return cut[:, ::-1] if draws[2] < flip else cut


@pytest.mark.parametrize(("padding", "flip"), [(4, 0.5), (2, 0.0), (0, 1.0), (1, 0.5)])
def test_each_image_is_cut_from_the_padded_one(padding, flip):
    numbers = [5, 0, 900, 3, 17, 2]
    found = drawn(padding, flip, numbers, X)
    assert found.dtype == np.uint8
    for number, image, made in zip(numbers, X, found, strict=True):
        assert np.array_equal(made, by_hand(padding, flip, number, image))


def test_an_image_does_not_depend_on_its_neighbours_or_its_place():
    numbers = np.arange(6)
    whole = drawn(4, 0.5, numbers, X)
    turned = drawn(4, 0.5, numbers[::-1], X[::-1])
    alone = drawn(4, 0.5, numbers[2:3], X[2:3])
    assert np.array_equal(turned[::-1], whole)
    assert np.array_equal(alone[0], whole[2])


def test_offsets_are_uniform_and_half_are_flipped():
    count = 4000
    image = np.zeros((count, 9, 9, 1), np.uint8)
    image[:, 4, 3] = 1
    found = drawn(2, 0.5, np.arange(count), image)[..., 0]
    rows, columns = (np.argmax(found.max(axis), axis=1) for axis in (2, 1))
    for values, expected in ((rows, {2: 0.2, 3: 0.2, 4: 0.2, 5: 0.2, 6: 0.2}), (columns, None)):
        share = {int(v): np.mean(values == v) for v in np.unique(values)}
        # Column 3 goes to 1..5; of a flipped image 8 - 3 = 5 goes to 3..7.
        expected = expected or {1: 0.1, 2: 0.1, 3: 0.2, 4: 0.2, 5: 0.2, 6: 0.1, 7: 0.1}
        assert share.keys() == expected.keys()
        assert all(abs(share[v] - p) < 5 * np.sqrt(p / count) for v, p in expected.items())


def with_augment(augment, **changes):
    run = small_run(0, length="6it", **changes)
    return dataclasses.replace(run, recipe=dataclasses.replace(run.recipe, augment=augment))


def test_numbers_are_leaves_and_old_digests_stay():
    one, other = (resolve(with_augment(each), {}, 6, 23) for each in (ws.CropFlip(1, 0.5), ws.CropFlip(2)))
    assert (one.structure, one.shapes) == (other.structure, other.shapes)
    assert with_augment(None) == small_run(0, length="6it")
    assert "augment" not in small_run(0).recipe.canonical


def test_a_training_sees_augmented_images_and_is_measured_on_plain_ones(tmp_path):
    """Padding 0 without flips changes nothing, to the last bit; a run's crops do."""
    runs = [with_augment(each) for each in (None, ws.CropFlip(0, 0.0), ws.CropFlip(2, 0.5))]
    table = ws.sweep([ws.Row({"way": i}, run) for i, run in enumerate(runs)], tmp_path).set_index("way")
    assert table["train_loss"][0] == table["train_loss"][1] != table["train_loss"][2]


@pytest.mark.parametrize(
    ("data", "augment", "text"),
    [
        (lambda: ws.make_data("cosine"), ws.CropFlip(), r"changes images .* of cosine have shape \(10,\)"),
        (
            lambda: ws.make_data("digits"),
            ws.CropFlip(8),
            "padding is 8, but images of digits have a side of 8",
        ),
        (
            lambda: ws.Data(from_arrays(np.zeros((8, 3)) + np.arange(8)[:, None], np.arange(8) % 2)),
            ws.CropFlip(),
            r"have shape \(3,\)",
        ),
    ],
)
def test_what_is_no_image_is_refused(data, augment, text, tmp_path):
    given = data()
    model = "mlp:widths=4" if given.name == "cosine" else "fc:widths=4"
    loss = ws.SquaredError() if given.classes is None else ws.CrossEntropy()
    run = with_augment(augment)
    from weightspace.models.zoo import make

    run = dataclasses.replace(run, task=ws.Task(given, loss), model=make(model, given.shape, given.outputs))
    run = dataclasses.replace(run, recipe=dataclasses.replace(run.recipe, batch=4))
    with pytest.raises(InputError, match=text):
        ws.sweep([run], tmp_path)


def test_other_augmentations_and_numbers_are_refused():
    with pytest.raises(InputError, match=r"give ws\.CropFlip"):
        dataclasses.replace(small_run(0).recipe, augment="crop")
    with pytest.raises(InputError, match=r"flip is 1\.5"):
        ws.CropFlip(4, 1.5)
    with pytest.raises(InputError, match="padding is -1"):
        ws.CropFlip(-1)


def test_evaluations_and_statistics_of_the_same_weights_do_not_know_of_augmentation(tmp_path):
    """Without steps of any length: losses of both parts, a probe's gradient and recalibrated statistics are
    those of a training on plain images, to the last bit; running statistics alone have seen the crops."""
    plain, cropped = (
        with_augment(each, model="mnist_fc:widths=6", lr=0.0, data=ws.make_data("digits", validation=99))
        for each in (None, ws.CropFlip(3, 0.5))
    )
    watch = ws.Watch("2it", (ws.Evaluation(statistics="recalibrated"),))
    rows = [ws.Row({"way": i, "part": "run"}, run, watch) for i, run in enumerate((plain, cropped))]
    rows += [
        ws.Row({"way": i, "part": kind}, ws.Compared(run.model, run.task, (run.network(),), run.seeds, kind))
        for i, run in enumerate((plain, cropped))
        for kind in ("running", "recalibrated")
    ]
    table = ws.sweep(rows, tmp_path).set_index(["part", "way"])
    for name in ("train_loss", "validation_loss", "test_loss"):
        assert table.loc[("run", 0), name] == table.loc[("run", 1), name]
    recalibrated, running = (
        [table.loc[(kind, i), "all_nll"] for i in (0, 1)] for kind in ("recalibrated", "running")
    )
    assert recalibrated[0] == recalibrated[1]
    assert running[0] != running[1]
