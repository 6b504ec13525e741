"""What captions have in common: of how many runs something is."""

import pandas as pd


def runs_text(n: pd.Series, what: str = "run") -> str:
    """How many there were.

    >>> runs_text(pd.Series([3, 5])), runs_text(pd.Series([1, 1]), "seed")
    ('n = 3 to 5 runs', 'n = 1 seed')
    """
    least, most = int(n.min()), int(n.max())
    count = f"{least}" if least == most else f"{least} to {most}"
    return f"n = {count} {what}{'' if most == 1 else 's'}"
