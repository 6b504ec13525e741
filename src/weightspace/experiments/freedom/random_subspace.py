"""`freedom.random`: how probably does a random d-dimensional slice through the start hold a solution?"""

import dataclasses
from collections.abc import Generator
from typing import ClassVar

from weightspace.experiments.freedom.protocol import PAPER, FreedomSweep
from weightspace.frames import Frame
from weightspace.run import Row


@dataclasses.dataclass(frozen=True)
class FreedomRandom(FreedomSweep):
    """How many degrees of freedom does this network need, in random subspaces through its initialisation?"""

    name = "freedom.random"
    question = "How many degrees of freedom does training need in a random affine subspace?"
    paper = PAPER
    minutes: ClassVar = {"smoke": "0.3 on 2 cores", "quick": "0.9 on 2 cores"}
    presets: ClassVar = {
        "smoke": {"dims": (8, 64), "seeds": ("2",), "epochs": 3.0},
        "quick": {"dims": (4, 8, 16, 32, 64, 128, 256), "seeds": ("5",), "epochs": 30.0},
        "paper": {
            "data": "mnist",
            "dims": tuple(2**k for k in range(13)),
            "seeds": ("10",),
            "epochs": 3.0,
            "optimiser": ("adam-legacy", "adam"),
        },
    }

    def ask(self) -> Generator[list[Row], Frame, None]:
        """All dimensions, arms and seeds at once, and the full space."""
        rows = self.reference_rows()
        for labels, recipe, task in self.arms():
            for dim in self.dims:
                for seeds in self.numbered_seeds(basis=self.basis_seed):
                    run = self.affine_run(dim, recipe, task, seeds)
                    rows.append(self.row("random", dim, run, labels))
        yield rows
