"""Modules of a user's, written to a folder and imported from there, as after an edit."""

import importlib.util
import sys
from pathlib import Path

HEAD = """import abc, collections, contextlib, dataclasses, enum, functools, inspect, types, typing
import jax, jax.numpy as jnp, numpy as np, equinox as eqx, flax.linen as nn
from beartype import beartype
from flax import nnx
from jaxtyping import Array, Float, jaxtyped
"""


def load(folder, text, name="users", attribute: str | None = "f", head=HEAD):
    """What a module of this text calls `f`; the module takes the place of an earlier one of its name."""
    number = sum(1 for _ in folder.glob("*"))
    own = folder / str(number)
    own.mkdir()
    file = own / f"{name}.py"
    file.write_text(head + text)
    spec = importlib.util.spec_from_file_location(name, file)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, attribute) if attribute else module


def blocks(table):
    """Name, remark and text of each block of a table of Python texts; blocks begin `### name | remark`."""
    for block in (Path(__file__).parent / f"{table}.txt").read_text().split("### ")[1:]:
        title, _, text = block.partition("\n")
        name, _, remark = title.partition(" | ")
        yield name, remark, text.rstrip("\n")
