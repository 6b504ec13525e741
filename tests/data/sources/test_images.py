import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.conftest import encode, pictures
from weightspace.data import limits
from weightspace.data.sources.images import decode_images, in_chunks
from weightspace.errors import DataError


def chunks(images, size=3, suffix="png"):
    encoded = [encode(image, suffix) for image in images]
    return [encoded[start : start + size] for start in range(0, len(encoded), size)]


def saved(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, **({"format": "png"} | options))
    return buffer.getvalue()


@pytest.mark.parametrize("shape", [(5, 7, 1), (4, 4, 3)])
@pytest.mark.parametrize("suffix", ["png", "bmp"])
def test_lossless_images_come_back_bit_for_bit(shape, suffix):
    images = pictures(10, shape)
    assert np.array_equal(decode_images(chunks(images, suffix=suffix), 10, "set"), images)


def test_jpeg_is_close_but_not_equal():
    smooth = np.broadcast_to(np.arange(0, 256, 8, dtype=np.uint8)[:, None, None], (32, 32, 3))
    found = decode_images(chunks([smooth], suffix="jpeg"), 1, "set")[0]
    assert np.abs(found.astype(int) - smooth).mean() < 3


@pytest.mark.parametrize("first", ["grey", "colour"])
@pytest.mark.parametrize("size", [1, 4])
def test_grey_among_colour_becomes_grey_valued_colour(first, size):
    grey, colour = pictures(2, (4, 4, 1)), pictures(2, (4, 4, 3), seed=1)
    images = [*grey, *colour] if first == "grey" else [*colour, *grey]
    found = decode_images(chunks(images, size), 4, "set")
    expected = [np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image for image in images]
    assert np.array_equal(found, np.stack(expected))


def test_other_modes():
    one = Image.fromarray(np.eye(4, dtype=np.uint8) * 255).convert("1")
    assert np.array_equal(decode_images([[saved(one)]], 1, "set")[0, ..., 0], np.eye(4) * 255)
    red = Image.new("RGBA", (4, 4), (255, 0, 0, 128))
    assert decode_images([[saved(red)]], 1, "set")[0, 0, 0].tolist() == [255, 0, 0]
    palette = Image.new("RGB", (4, 4), (0, 9, 255)).convert("P", palette=Image.Palette.ADAPTIVE)
    assert decode_images([[saved(palette)]], 1, "set")[0, 0, 0].tolist() == [0, 9, 255]


def test_refusals(tmp_path):
    good = encode(pictures(1, (4, 4, 1))[0])
    deep = saved(Image.fromarray(np.arange(16, dtype=np.uint16).reshape(4, 4)))
    (tmp_path / "spoilt.png").write_bytes(b"no image")
    cases = [
        ([[good, encode(pictures(1, (5, 4, 1))[0])]], 2, "different sizes"),
        ([[good], [encode(pictures(1, (5, 4, 1))[0])]], 2, "4×4 and 5×4"),
        ([[good, b"not an image"]], 2, "cannot be decoded"),
        ([[good, good[:40]]], 2, "cannot be decoded"),
        ([[tmp_path / "spoilt.png"]], 1, "spoilt.png"),
        ([[tmp_path / "absent.png"]], 1, "absent.png"),
        ([[good, None]], 2, "without an image"),
        ([[deep]], 1, "8 bits a channel"),
        ([[good]], 2, "promises 2 images but holds 1"),
        ([], 0, "holds no images"),
    ]
    for encoded, count, message in cases:
        with pytest.raises(DataError, match=message):
            decode_images(encoded, count, "set")


def test_a_large_set_is_refused_from_its_first_images():
    drawn = []

    def endless():
        while True:
            drawn.append(1)
            yield [encode(pictures(1, (64, 64, 3))[0])]

    with pytest.raises(DataError, match="no streaming source"):
        decode_images(endless(), 1_281_167, "imagenet")
    assert len(drawn) == 1


def test_colour_late_in_a_large_set_is_counted(monkeypatch):
    monkeypatch.setattr(limits, "available_memory", lambda: 4 * 2 * 16)
    images = [*pictures(1, (4, 4, 1)), *pictures(1, (4, 4, 3))]
    with pytest.raises(DataError, match="no streaming source"):
        decode_images(chunks(images, 1), 2, "set")


def test_chunks_cover_everything():
    files = [Path(str(number)) for number in range(1_100)]
    parts = list(in_chunks(files))
    assert [len(part) for part in parts] == [512, 512, 76]
    assert [file for part in parts for file in part] == files
