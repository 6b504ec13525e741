"""The page's pictures in the documents: `python -m tests.report.pictures OUT/report/index.html docs/images`.

The page is that of `weightspace demo --out OUT`. No test: it needs a browser and a trained demo.
"""

import io
import sys
import time
from pathlib import Path

from PIL import Image

from tests.report.browser import browsing

SCREENS = {
    "page-light": (1100, 660, "light", 3, True),
    "page-dark": (1100, 820, "dark", 3, False),
    "page-phone": (390, 780, "light", 1, True),
}
"""Of each: width, height, scheme, the mean that is read off, and whether it is."""


def main(page, folder):
    with browsing() as browser:
        for name, (width, height, scheme, place, pointed) in SCREENS.items():
            size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
            browser.say("Emulation.setDeviceMetricsOverride", **size)
            light = {"name": "prefers-color-scheme", "value": scheme}
            browser.say("Emulation.setEmulatedMedia", features=[light])
            browser.open(page)
            browser.run(
                "document.querySelector('figure[data-key]').scrollIntoView(); window.scrollBy(0, -16)"
            )
            browser.wait("return document.querySelector('.pane .mark-symbol path')")
            time.sleep(0.5)
            if pointed:
                browser.point_at(*_mean(browser, place))
                time.sleep(0.3)
            shot = folder / f"{name}.png"
            browser.picture(shot)
            whole = Image.open(io.BytesIO(shot.read_bytes())).convert("RGB")
            whole.quantize(128, dither=Image.Dither.NONE).save(shot, optimize=True)
            print(f"{shot}: {shot.stat().st_size / 1000:.0f} kB")


def _mean(browser, place):
    """The centre of a mean of the first chart."""
    found = browser.run(
        "return [...document.querySelector('.pane').querySelectorAll('.mark-symbol.role-mark path')].map("
        "(e) => e.getBoundingClientRect()).map((box) => [box.x + box.width / 2, box.y + box.height / 2])"
    )
    return found[place]


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
