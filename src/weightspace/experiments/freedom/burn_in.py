"""`freedom.burn-in`: how does the threshold fall when the slice passes through partly trained weights?"""

import dataclasses
from collections.abc import Generator
from typing import ClassVar

from weightspace.errors import InputError, check_number
from weightspace.experiments.freedom.protocol import PAPER, FreedomSweep
from weightspace.frames import Frame
from weightspace.run import Row


@dataclasses.dataclass(frozen=True)
class FreedomBurnIn(FreedomSweep):
    """How many degrees of freedom are needed after t steps of ordinary training?

    The slice passes through w_t, the end of a full-space run of exactly t steps (momentum 0.9, constant
    rate): a run of its own for each t, never a snapshot of the longest, so that no result depends on the
    sweep. t = 0 is the random subspace.
    """

    burn_in: tuple[int, ...] = (0, 4, 16, 64)
    """Steps t of full-space training before the slice is laid."""
    legacy_steps: bool = False
    """Train t + 1 steps for t > 0, as the original code does."""

    swept = (*FreedomSweep.swept, "burn_in")
    name = "freedom.burn-in"
    question = "How does the threshold dimension fall with a few steps of ordinary training before?"
    paper = PAPER
    minutes: ClassVar = {"smoke": "0.3 on 2 cores", "quick": "1.0 on 2 cores"}
    presets: ClassVar = {
        "smoke": {"dims": (4, 32), "burn_in": (0, 8), "seeds": ("2",), "epochs": 2.0},
        "quick": {
            "dims": (2, 4, 8, 16, 32, 64, 128),
            "burn_in": (0, 4, 16, 64),
            "seeds": ("5",),
            "epochs": 20.0,
        },
        "paper": {
            "data": "mnist",
            "dims": tuple(2**k for k in range(13)),
            "burn_in": (0, 4, 16, 64, 256),
            "seeds": ("10",),
            "epochs": 3.0,
            "optimiser": ("adam-legacy", "adam"),
        },
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.burn_in:
            raise InputError("no burn-in t to sweep; give at least one, such as 0")
        for t in self.burn_in:
            check_number("burn-in t", t, least=0)

    def ask(self) -> Generator[list[Row], Frame, None]:
        """All dimensions, burn-ins, arms and seeds; the burn-in runs come along as parents."""
        rows = self.reference_rows()
        for labels, recipe, task in self.arms():
            for seeds in self.numbered_seeds(basis=self.basis_seed):
                for t in self.burn_in:
                    steps = t + 1 if self.legacy_steps and t else t
                    offset = self.full_run(f"{steps}it", task, seeds).final() if t else None
                    for dim in self.dims:
                        run = self.affine_run(dim, recipe, task, seeds, offset)
                        rows.append(self.row("burn-in", dim, run, {"burn_in": t, **labels}))
        yield rows
