"""A graph of operators as plain data: what `torch.export` tells of a network, without torch."""

import dataclasses
from collections.abc import Iterator
from typing import Any


@dataclasses.dataclass(frozen=True)
class Ref:
    """The value of an input or a node, by its name."""

    name: str


@dataclasses.dataclass(frozen=True)
class Dtype:
    """A type of numbers, by NumPy's name for it."""

    name: str


@dataclasses.dataclass(frozen=True)
class Node:
    """One operator.

    Attributes:
      name: Of its value.
      op: Of the operator, such as `aten.add.Tensor`.
      args: Numbers, texts, `Ref`, `Dtype`, None, and tuples of these.
      kwargs: Likewise, by name.
      line: The line of the user's code from which it comes, or nothing.
      modules: The modules in whose call it stands, the outermost first: a name for the call, and the path.
    """

    name: str
    op: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    line: str = ""
    modules: tuple[tuple[str, str], ...] = ()


@dataclasses.dataclass(frozen=True)
class Graph:
    """A network in one mode.

    Attributes:
      inputs: Pairs of a placeholder and the parameter, buffer or constant that it takes.
      data: The placeholder of the batch.
      nodes: In the order of the computation.
      output: The value that is the network's output.
      updates: Pairs of a buffer and the value that it has after the batch.
      constants: Arrays that the code made, by name.
      own: The floating type that the module is written in; the evaluation may be in another.
    """

    inputs: tuple[tuple[str, str], ...]
    data: str
    nodes: tuple[Node, ...]
    output: Any
    updates: tuple[tuple[str, Any], ...]
    constants: dict[str, Any]
    own: str = "float32"


def refs(value: Any) -> Iterator[Ref]:
    """The references within an argument."""
    if isinstance(value, Ref):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from refs(item)
