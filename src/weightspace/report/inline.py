"""A figure within a page: its SVG text with names of its own, the page's colours and a label."""

import re

from weightspace.figures import style
from weightspace.figures.panel import Panel

_COLOURS = {style.INK: "--ink", style.MUTED: "--muted", style.GRID: "--grid", style.PAPER: "--paper"}
_PIXELS_PER_INCH = 112.0


def inline_svg(panel: Panel, prefix: str) -> str:
    """The figure's `<svg>` element.

    Args:
      panel: The figure; its caption must have the id `<prefix>-caption`.
      prefix: Comes before every name within, so that no two figures of a page share one.
    """
    text = panel.svg.decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'(\bid="|url\(#|xlink:href="#|\bhref="#)', rf"\g<1>{prefix}-", text)
    for colour, name in _COLOURS.items():
        text = text.replace(colour, f"var({name})")
    width = panel.figure.get_figwidth() * _PIXELS_PER_INCH
    size = f'style="width:{width:.0f}px;min-width:{0.7 * width:.0f}px"'
    label = f'role="img" aria-labelledby="{prefix}-title" aria-describedby="{prefix}-caption" {size}'
    head = re.sub(r'\s(width|height)="[^"]*"', "", text[: text.index(">")])
    return f"{head} {label}{text[text.index('>') :]}".strip()
