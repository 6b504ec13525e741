"""The instructions of a user's code, read once: several questions are asked of each function."""

import dis
import types


def instructions_of(code: types.CodeType) -> tuple[dis.Instruction, ...]:
    """What `dis` reads of a code object, without its caches.

    Codes of equal content compare as equal, whatever stands around them, so they go by identity.
    """
    known = _READ.get(id(code))
    if known is None:
        while len(_READ) >= _KEPT:
            _READ.pop(next(iter(_READ)))
        skipped = ("CACHE", "PRECALL")
        read = tuple(each for each in dis.get_instructions(code) if each.opname not in skipped)
        known = _READ[id(code)] = (code, read)
    return known[1]


_KEPT = 256
_READ: dict[int, tuple[types.CodeType, tuple[dis.Instruction, ...]]] = {}
"""The last ones read, with their code, which is kept alive: ids are unique among living objects only."""
