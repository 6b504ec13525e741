"""The sets known by name: where they are, what their columns are called, what they hold."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Card:
    """A set known by name.

    Attributes:
      name: What users call it.
      repository: On the Hugging Face hub; None for a set bundled with a library.
      shape: Height, width, channels.
      classes: Number of classes.
      train: Examples in the training part.
      test: Examples in the test part.
      about: One line for people.
      config: The hub's name of the variant.
      image: The hub's name of the image column.
      label: The hub's name of the label column.
      ten_is_zero: Whether a copy with labels 1 to 10 means the digits 1 to 9 and 0.
    """

    name: str
    repository: str | None
    shape: tuple[int, int, int]
    classes: int
    train: int
    test: int
    about: str
    config: str | None = None
    image: str = "image"
    label: str = "label"
    ten_is_zero: bool = False


_CARDS = (
    Card(
        "digits",
        None,
        (8, 8, 1),
        10,
        1_437,
        360,
        "handwritten digits bundled with scikit-learn (UCI), in 17 greys",
    ),
    Card(
        "mnist", "ylecun/mnist", (28, 28, 1), 10, 60_000, 10_000, "handwritten digits (LeCun, Cortes, Burges)"
    ),
    Card(
        "fashion_mnist",
        "zalando-datasets/fashion_mnist",
        (28, 28, 1),
        10,
        60_000,
        10_000,
        "pieces of clothing (Xiao, Rasul, Vollgraf, 2017)",
    ),
    Card(
        "cifar10",
        "uoft-cs/cifar10",
        (32, 32, 3),
        10,
        50_000,
        10_000,
        "small colour photographs (Krizhevsky, 2009)",
        image="img",
    ),
    Card(
        "cifar100",
        "uoft-cs/cifar100",
        (32, 32, 3),
        100,
        50_000,
        10_000,
        "small colour photographs in 100 fine classes (Krizhevsky, 2009)",
        image="img",
        label="fine_label",
    ),
    Card(
        "svhn",
        "ufldl-stanford/svhn",
        (32, 32, 3),
        10,
        73_257,
        26_032,
        "house numbers, cropped to one digit; class 0 is the digit 0 (Netzer et al., 2011)",
        config="cropped_digits",
        ten_is_zero=True,
    ),
    Card(
        "tiny_imagenet",
        "zh-plus/tiny-imagenet",
        (64, 64, 3),
        200,
        100_000,
        10_000,
        "200 classes of ImageNet at 64×64; the test part is the labelled validation part (Le & Yang, 2015)",
    ),
)
CARDS = {card.name: card for card in _CARDS}
"""By name."""
