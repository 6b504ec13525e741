"""Patterns: where the ones of a sparse layer lie, by name.

With s the sparsity, F the fan-in and n the units of a layer:

| name | ones | zeros |
|---|---|---|
| `random` | anywhere | ⌈sFn⌉ |
| `bernoulli` | each with probability 1 - s by itself | by chance |
| `per_neuron` | in each unit apart | ⌈sF⌉ of each unit |
| `per_neuron_no_input_ablation` | so that no input is cut off, then by unit | F - max(round((1-s)F), d) |
| `symmetric` | one unit's, the same for all | ⌈sF⌉ of each unit |
| `block_repeat` | units in groups of `repeat` that have one mask on both sides | ⌈sF⌉ of each unit |
| `circulant` | each unit's the one before it, moved on | ⌈sF⌉ of each unit |
| `n_m` | (1-s) `m` of each `m` entries of a unit, in order | exactly sF where `m` divides F |

where d is how many inputs a unit is given so that each input has one (halves are rounded to even). The first
five are those of Ioannou's "weight symmetry" study; `random` is its "shuffled mask". The two after them have
a symmetry that is known beforehand, at the sparsity and fan-in of `per_neuron`.
"""

import math
from fractions import Fraction
from typing import Any, ClassVar

import jax
import numpy as np
from jaxtyping import Array, Key

from weightspace.errors import InputError, check_choice, check_number
from weightspace.masks.pattern import ROUNDING, Flags, Pattern, Place, added, drawn, drawn_columns, zeros_of
from weightspace.masks.registry import build
from weightspace.spec import spec, static


def _apart(place: Place, columns: np.ndarray) -> Flags:
    """Entries of each unit, taps after inputs, as the mask of a layer."""
    return columns.reshape(place.inputs, place.taps, place.units).transpose(0, 2, 1)


def _ones(place: Place, sparsity: float) -> int:
    """How many entries a unit keeps."""
    return place.fan_in - zeros_of(place.fan_in, sparsity)


@spec
class RandomPattern(Pattern):
    """All masks of a layer with ⌈sFn⌉ zeros alike."""

    label: ClassVar[str] = "random"
    by_neurons: ClassVar[bool] = False

    def flags(self, place: Place, sparsity: float, key: Key[Array, ""]) -> Flags:
        """Exactly Fn - ⌈sFn⌉ ones."""
        ones = place.size - zeros_of(place.size, sparsity)
        return _apart(place, drawn(place.size, ones, key).reshape(place.fan_in, place.units))


@spec
class Bernoulli(Pattern):
    """Each entry is kept with probability 1 - s, whatever the others are."""

    label: ClassVar[str] = "bernoulli"
    by_neurons: ClassVar[bool] = False

    def flags(self, place: Place, sparsity: float, key: Key[Array, ""]) -> Flags:
        """As many ones as chance gives."""
        kept = np.asarray(jax.random.uniform(key, (place.fan_in, place.units))) >= np.float32(sparsity)
        return _apart(place, kept)


@spec
class PerNeuron(Pattern):
    """Each unit has the same fan-in; which entries, units draw apart."""

    label: ClassVar[str] = "per_neuron"

    def flags(self, place: Place, sparsity: float, key: Key[Array, ""]) -> Flags:
        """Exactly F - ⌈sF⌉ ones of each unit."""
        return _apart(place, drawn_columns(place.fan_in, np.full(place.units, _ones(place, sparsity)), key))


@spec
class PerNeuronNoInputAblation(Pattern):
    """As `per_neuron`, but each entry of the fan-in is kept by some unit.

    Ones are placed on a diagonal (input i at unit i mod n), moved to random inputs, and each unit is filled
    up to round((1-s)F) at random. So at least F ones are kept: no sparsity beyond 1 - 1/n where F ≥ n. Where
    F < n, a sparsity near one leaves n - F units without inputs.

    Attributes:
      shuffle: `joint` moves whole inputs, which keeps what is promised; `independent` moves the diagonal of
        each unit apart, as the study's code did: two units may then take one input and leave another cut off.
    """

    label: ClassVar[str] = "per_neuron_no_input_ablation"

    shuffle: str = static(default="joint")

    def validate(self) -> None:
        """A known way to shuffle."""
        check_choice("shuffle", self.shuffle, ("joint", "independent"))

    def flags(self, place: Place, sparsity: float, key: Key[Array, ""]) -> Flags:
        """max(round((1-s)F), those of the diagonal) ones of each unit."""
        fan_in, units = place.fan_in, place.units
        moves, fills = jax.random.split(key)
        diagonal = np.zeros((fan_in, units), bool)
        diagonal[np.arange(fan_in), np.arange(fan_in) % units] = True
        if self.shuffle == "joint":
            diagonal = diagonal[np.asarray(jax.random.permutation(moves, fan_in))]
        else:
            diagonal = drawn_columns(fan_in, diagonal.sum(axis=0), moves)
        wanted = round((1 - Fraction(str(float(sparsity)))) * fan_in)
        missing = np.maximum(wanted - diagonal.sum(axis=0), 0)
        return _apart(place, diagonal | added(~diagonal, missing, fills))


@spec
class Symmetric(Pattern):
    """All units keep the same entries: whole inputs are cut off, and units are twins as far as inputs go."""

    label: ClassVar[str] = "symmetric"

    def flags(self, place: Place, sparsity: float, key: Key[Array, ""]) -> Flags:
        """One unit's F - ⌈sF⌉ ones, for all."""
        column = drawn(place.fan_in, _ones(place, sparsity), key)
        return _apart(place, np.repeat(column[:, None], place.units, axis=1))


@spec
class BlockRepeat(Pattern):
    """Units in groups of `repeat`, which take and give by one mask: each group may be permuted by itself.

    Groups are neighbours. Between hidden layers a group takes all units of a group or none, so that units of
    one group are twins: |Aut(M)| is a multiple of Π repeat! over all groups of all hidden layers, if all
    layers are so (or dense).

    Attributes:
      repeat: r, units of a group.
    """

    label: ClassVar[str] = "block_repeat"
    by_units: ClassVar[bool] = True

    repeat: int = static(default=2)

    def validate(self) -> None:
        """A group has a unit."""
        check_number("repeat", self.repeat, least=1, hint="It is the number of units of a group.")

    def flags(self, place: Place, sparsity: float, key: Key[Array, ""]) -> Flags:
        """F - ⌈sF⌉ ones of each unit, groups apart."""
        rows = 1 if place.first else self.repeat
        ones = _ones(place, sparsity)
        if place.inputs % rows or ones % rows:
            what = f"{place.inputs} inputs" if place.inputs % rows else f"a fan-in of {ones} left"
            raise InputError(
                f"'{self.name}' needs whole groups of {rows} units, but layer '{place.path}' has {what}; "
                f"choose a width that {rows} divides, and a sparsity that leaves a multiple of {rows} of "
                f"{place.fan_in} entries"
            )
        groups = math.ceil(place.units / self.repeat)
        shape = (place.inputs // rows, place.taps, groups)
        one = drawn_columns(shape[0] * shape[1], np.full(groups, ones // rows), key).reshape(shape)
        whole = np.repeat(np.repeat(one, rows, axis=0), self.repeat, axis=2)
        return whole[:, :, : place.units].transpose(0, 2, 1)


@spec
class Circulant(Pattern):
    """Each unit keeps the entries of the unit before it, all moved on by the same number of inputs.

    Between hidden layers of n_in and n units, with g their greatest common divisor, moving the units by n/g
    and the inputs by n_in/g leaves the mask as it is. Inputs of the first layer are labelled and cannot move,
    so that all its units keep the same entries, as in `symmetric`. Hence with n units in each hidden layer
    the rotations of all layers at once are automorphisms, n of them, which no product over twins counts.

    Attributes:
      consecutive: Whether a unit keeps neighbouring inputs (then reflections are automorphisms too), or such
        as chance gives.
    """

    label: ClassVar[str] = "circulant"
    by_units: ClassVar[bool] = True

    consecutive: bool = static(default=False)

    def flags(self, place: Place, sparsity: float, key: Key[Array, ""]) -> Flags:
        """F - ⌈sF⌉ ones of each unit."""
        ones = _ones(place, sparsity)
        turns = 1 if place.first else math.gcd(place.inputs, place.units)
        bases = 1 if place.first else place.units // turns
        if self.consecutive:
            base = np.repeat(np.arange(place.fan_in)[:, None] < ones, bases, axis=1)
        else:
            base = drawn_columns(place.fan_in, np.full(bases, ones), key)
        base = base.reshape(place.inputs, place.taps, bases)
        if place.first:
            return np.repeat(base, place.units, axis=2).transpose(0, 2, 1)
        step = place.inputs // turns
        moved = [np.roll(base, step * turn, axis=0) for turn in range(turns)]
        return np.concatenate(moved, axis=2).transpose(0, 2, 1)


@spec
class NOfM(Pattern):
    """n of each m entries of a unit that follow each other are kept, n = (1-s) m.

    Entries of a unit are taken inputs first, taps within them. Where m does not divide F, the last entries
    keep min(n, as many as they are).

    Attributes:
      m: Entries of a group; 2:4 sparsity is m = 4 at a sparsity of one half.
    """

    label: ClassVar[str] = "n_m"

    m: int = static(default=4)

    def validate(self) -> None:
        """A group has an entry."""
        check_number("m", self.m, least=1, hint="It is the number of entries of a group.")

    def flags(self, place: Place, sparsity: float, key: Key[Array, ""]) -> Flags:
        """N ones in each m entries of each unit."""
        exact = (1 - Fraction(str(float(sparsity)))) * self.m
        kept = round(exact)
        if abs(exact - kept) > ROUNDING:
            near = 1 - kept / self.m
            raise InputError(
                f"'{self.name}' keeps whole numbers of each {self.m} entries, but a sparsity of {sparsity:g} "
                f"would keep {float(exact):g}; give a multiple of 1/{self.m}, as {near!r}"
            )
        full, rest = divmod(place.fan_in, self.m)
        counts = np.full(full * place.units, kept)
        entries, ends = jax.random.split(key)
        groups = drawn_columns(self.m, counts, entries) if full else np.zeros((self.m, 0), bool)
        whole = groups.reshape(self.m, full, place.units).transpose(1, 0, 2).reshape(-1, place.units)
        last = drawn_columns(rest, np.full(place.units, min(kept, rest)), ends) if rest else whole[:0]
        return _apart(place, np.concatenate([whole, last]))


_MEMBERS: dict[str, type[Pattern]] = {
    cls.label: cls
    for cls in (
        *(RandomPattern, Bernoulli, PerNeuron, PerNeuronNoInputAblation, Symmetric),
        *(BlockRepeat, Circulant, NOfM),
    )
}


def names() -> tuple[str, ...]:
    """The patterns known by name."""
    return tuple(_MEMBERS)


def make_pattern(name: str, **options: Any) -> Pattern:
    """A pattern by name; `per-neuron` is `per_neuron`, and options may follow.

    >>> make_pattern("per-neuron-no-input-ablation:shuffle=independent").name
    'per_neuron_no_input_ablation:shuffle=independent'

    Raises:
      InputError: If there is none of that name, or it has no such option.
    """
    return build("mask pattern", _MEMBERS, name, options)
