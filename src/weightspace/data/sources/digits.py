"""The embedded default: 1,797 real handwritten digits of 8×8 pixels that come with scikit-learn."""

import importlib.metadata

import numpy as np

from weightspace.data import cache
from weightspace.data.base import Loaded, Source
from weightspace.data.content import assemble
from weightspace.spec import spec

FULL_SCALE = 16.0


@spec
class Digits(Source):
    """Alpaydin & Kaynak's digits (UCI, 1998), test part of the original: whole grey values from 0 to 16.

    The set comes in one piece; the fixed stratified split of `split.held_out` makes 1,437 training and 360
    test examples of it. Nothing is downloaded.
    """

    @property
    def name(self) -> str:
        """`digits`."""
        return "digits"

    def load(self) -> Loaded:
        """From the cache, else from scikit-learn."""
        origin = {"bundled": "digits", "scikit-learn": importlib.metadata.version("scikit-learn")}
        return cache.cached(self.name, origin, _read)


def _read() -> Loaded:
    from sklearn.datasets import load_digits

    flat, labels = (np.asarray(each) for each in load_digits(return_X_y=True))
    images = flat.reshape(-1, 8, 8, 1).astype(np.uint8)
    return assemble("digits", (images, labels), classes=10, full_scale=FULL_SCALE)
