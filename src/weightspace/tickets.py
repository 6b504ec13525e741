"""Tickets: the space of a lottery ticket, from a run, a mask and two actions.

```
run, mask --ticket(kept=…, pruned=…)--> Masked(mask, start, frozen) --Run--> the next training
```
"""

from typing import Any

from weightspace.derived.restart import Restart
from weightspace.masks.kept import Kept, make_kept
from weightspace.masks.pruned import Pruned, make_pruned
from weightspace.run import Run
from weightspace.spaces.masked import Masked


def ticket(
    run: Run,
    mask: Any,
    *,
    kept: Kept | str = "rewind",
    pruned: Pruned | str = "zero",
    start: Any = None,
    after: Any = None,
    last: Any = None,
    earlier: int = 0,
) -> Masked:
    """The space in which the weights that a mask keeps train again, and the others rest.

    The lottery ticket of Frankle & Carbin (2019) is `ticket(run, mask)`; its coordinates are those of
    `Masked(mask)`, of which it says what is None there. All tickets of a network are one program, whatever
    their masks and actions.

    Args:
      run: The training that is gone back to; its seeds draw permutations and new starts.
      mask: Booleans in the structure of its weights, True is kept: arrays, or the output of another node, as
        `Prune(…).output("mask")`.
      kept: What kept weights restart from: an action of `masks.kept`, or its name, `"reinit:draw=fresh"`.
      pruned: What pruned weights are frozen at: an action of `masks.pruned`, or its name.
      start: Weights that both actions work on; those that the run starts from. `run.at("2ep")` rewinds late.
      after: Weights after training, which some actions read when they are given by name; the run's last.
      last: The mask of the round before, which `zero_shuffled` reads when it is given by name.
      earlier: Rounds before this one, so that permutations and draws fall anew in each.

    Raises:
      InputError: For an action that there is not.
    """
    at_hand = {"after": run.final() if after is None else after, "last": last}
    return Restart(
        model=run.model,
        shape=tuple(run.task.data.shape),
        mask=mask,
        weights=run.at(0) if start is None else start,
        seeds=run.seeds,
        kept=make_kept(kept, at_hand) if isinstance(kept, str) else kept,
        pruned=make_pruned(pruned, at_hand) if isinstance(pruned, str) else pruned,
        earlier=earlier,
    ).space
