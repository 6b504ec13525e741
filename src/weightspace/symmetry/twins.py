"""Twins: hidden units of a layer with the same connections on both sides, which may be exchanged alone.

Π m_c! over the classes of twins is the order of a subgroup of Aut(M), hence divides |Aut(M)|. It misses what
moves units of two layers together.
"""

import math

import numpy as np

from weightspace.symmetry.graph import Net, check_net, signatures, widths


def classes(net: Net) -> list[np.ndarray]:
    """Sizes of the classes of twins of each hidden layer."""
    check_net(net)
    return [np.bincount(signatures(net, layer)) for layer in range(len(widths(net)))]


def twin_products(net: Net) -> list[int]:
    """Π m_c! of each hidden layer."""
    return [math.prod(math.factorial(int(size)) for size in sizes) for sizes in classes(net)]


def twin_product(net: Net) -> int:
    """Π m_c! over all classes of twins.

    >>> import numpy as np
    >>> dense, diagonal = np.ones((2, 3, 1), bool), np.eye(3, dtype=bool)[:, :, None]
    >>> twin_product([dense, np.ones((3, 3, 1), bool), np.ones((3, 1, 1), bool)])
    36
    >>> twin_product([dense, diagonal, np.ones((3, 1, 1), bool)])
    1
    """
    return math.prod(twin_products(net))
