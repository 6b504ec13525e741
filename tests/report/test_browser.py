"""The page in a browser: values are read off by pointer and keyboard; without scripts the pictures are there.

One page and one session for all; each test leaves the page as it found it, or opens it anew.
"""

import json
import statistics

import pytest

from tests.report.browser import browsing
from tests.report.builders import EVIL

pytestmark = pytest.mark.browser

CURVE = "figure[data-key=q0f0]"


@pytest.fixture(scope="module")
def session():
    with browsing() as found:
        yield found


@pytest.fixture(scope="module")
def opened(session, written):
    session.open(written)
    session.run("document.querySelector(arguments[0]).scrollIntoView()", CURVE)
    drawn = "return document.querySelectorAll(arguments[0]).length === 2"
    assert session.wait(drawn, f"{CURVE} .pane svg")
    return session


def means(browser, pane=0):
    """The centres of the means of a curve, from left to right: at each place the middle one of its points."""
    found = browser.run(
        "const pane = document.querySelectorAll(arguments[0])[arguments[1]];"
        "return [...pane.querySelectorAll('.mark-symbol.role-mark path')].map("
        "(e) => e.getBoundingClientRect()).map((box) => [box.x + box.width / 2, box.y + box.height / 2])",
        f"{CURVE} .pane", pane,
    )  # fmt: skip
    columns = {}
    for x, y in found:
        columns.setdefault(round(x), []).append(y)
    return [(x, statistics.median(columns[x])) for x in sorted(columns)]


def told(browser):
    """What the box at the pointer says, by its keys."""
    return browser.run(
        "const box = document.querySelector('.told'); if (box.hidden) return null;"
        "return [...box.querySelectorAll('dt')].map("
        "(e) => [e.textContent, e.nextElementSibling?.textContent])"
    )


def test_a_hover_shows_what_the_table_has(opened):
    x, y = means(opened)[0]
    opened.point_at(x + 3, y + 2)
    found = dict(told(opened))
    cells = opened.run("return [...document.querySelectorAll('#q0 td')].map((e) => e.textContent)")
    assert found["dimension d"] == "4"
    assert found["test accuracy"] == "0.30 ± 0.14"
    assert found["test accuracy"] in cells
    assert found["range"] == "0.2 to 0.4"
    assert float(found["exactly"]) == pytest.approx(0.3, abs=1e-15)
    opened.point_at(5, 5)
    assert opened.wait("return document.querySelector('.told').hidden")


def test_lines_are_switched_off_by_the_legend_and_the_keyboard(opened):
    button = f"{CURVE} .legend button"
    before = len(means(opened))
    opened.run("document.querySelector(arguments[0]).focus()", button)
    opened.press("space")
    assert opened.run("return document.querySelector(arguments[0]).ariaPressed", button) == "false"
    gone = (
        "return document.querySelector(arguments[0]).querySelectorAll('.mark-line path[d^=M]').length === 0"
    )
    assert opened.wait(gone, f"{CURVE} .pane")
    opened.press("space")
    assert opened.wait("return !(" + gone.removeprefix("return ") + ")", f"{CURVE} .pane")
    assert len(means(opened)) == before


def test_the_keyboard_reaches_every_figure_and_reads_its_values(opened):
    named = "return [...document.querySelectorAll('figure')].map((e) => e.getAttribute('aria-labelledby'))"
    wanted = opened.run(named)
    opened.run("document.activeElement.blur(); document.querySelector('h1').scrollIntoView()")
    reached, shown = [], []
    for _ in range(opened.run("return document.querySelectorAll('a, button, summary, [tabindex]').length")):
        opened.press("tab")
        figure, outline = opened.run(
            "const e = document.activeElement; const style = getComputedStyle(e);"
            "return [e.closest('figure')?.getAttribute('aria-labelledby'),"
            " style.outlineStyle + style.outlineWidth]"
        )
        reached.append(figure)
        shown += [outline] if figure else []
    assert set(wanted) <= set(reached)
    assert set(shown) == {"solid2px"}
    opened.run("document.querySelector(arguments[0]).focus()", f"{CURVE} .pane")
    opened.press("right")
    read = "return document.querySelector(arguments[0]).textContent"
    assert "dimension d 4, test accuracy 0.30 ± 0.14" in opened.run(read, f"{CURVE} output")
    opened.press("right")
    assert "dimension d 16, test accuracy 0.650 ± 0.071" in opened.run(read, f"{CURVE} output")


def test_every_figure_has_words_instead(opened):
    nameless = opened.run(
        "return [...document.querySelectorAll('figure, .pane, .picture svg')].filter((e) => {"
        " const by = document.getElementById(e.getAttribute('aria-labelledby'));"
        " return !(e.getAttribute('aria-label') || by?.textContent.trim());"
        " }).map((e) => e.outerHTML.slice(0, 80))"
    )
    assert nameless == []
    label = "return document.querySelector(arguments[0]).ariaLabel"
    drawn = opened.run(label, f"{CURVE} [role=graphics-document]")
    assert drawn == "Accuracy against dimension"


def test_names_from_a_store_are_text_in_charts_too(opened):
    evil = opened.run("return [...document.querySelectorAll('h3')].map((e) => e.textContent)")
    assert any(EVIL in title for title in evil)
    assert opened.run("return document.querySelectorAll('main b, main script:not([type])').length") == 0


def test_both_schemes_have_their_colours(opened):
    colours = {}
    for scheme in ("dark", "light"):
        opened.say("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        colours[scheme] = opened.run(
            "const f = (e, name) => getComputedStyle(e)[name];"
            "return [f(document.body, 'backgroundColor'), f(document.querySelector(arguments[0]), 'fill')]",
            f"{CURVE} .role-axis-label text",
        )
    assert colours["light"] == ["rgb(255, 255, 255)", "rgb(38, 38, 39)"]
    assert colours["dark"] == ["rgb(23, 24, 26)", "rgb(230, 230, 232)"]


def test_the_picture_is_one_key_away_and_is_what_is_printed(opened):
    seen = "return getComputedStyle(document.querySelector(arguments[0])).display !== 'none'"
    assert not opened.run(seen, f"{CURVE} .picture")
    opened.say("Emulation.setEmulatedMedia", media="print")
    assert opened.run(seen, f"{CURVE} .picture")
    assert not opened.run(seen, f"{CURVE} .twin")
    opened.say("Emulation.setEmulatedMedia", media="")
    opened.run("document.querySelector(arguments[0]).focus()", f"{CURVE} .switch")
    for picture in (True, False):
        opened.press("space")
        assert opened.run(seen, f"{CURVE} .picture") is picture
        assert opened.run(seen, f"{CURVE} .twin") is not picture


def test_nothing_is_fetched_and_nothing_complained_of(opened):
    for pane in range(opened.run("return document.querySelectorAll('.pane').length")):
        opened.run("document.querySelectorAll('.pane')[arguments[0]].scrollIntoView()", pane)
        drawn = "return !!document.querySelectorAll('.pane')[arguments[0]].querySelector('svg')"
        assert opened.wait(drawn, pane)
    assert opened.run("return performance.getEntriesByType('resource').map((each) => each.name)") == []
    assert opened.messages() == []


def test_the_page_forbids_what_a_store_might_slip_in(opened, written):
    opened.run(
        "const script = document.createElement('script'); script.textContent = 'window.slipped = 1';"
        "const image = document.createElement('img'); image.src = 'http://127.0.0.1:9/x';"
        "document.body.append(script, image);"
    )
    assert opened.run("return window.slipped ?? null") is None
    text = json.dumps(opened.messages())
    assert "Content Security Policy" in text
    opened.open(written)


def test_without_scripts_the_pictures_are_there(session, written):
    session.say("Emulation.setScriptExecutionDisabled", value=True)
    try:
        session.open(written)
        document = session.say("DOM.getDocument", depth=1)["root"]["nodeId"]
        found = session.say("DOM.querySelectorAll", nodeId=document, selector="figure .picture svg")[
            "nodeIds"
        ]
        assert len(found) == 9
        for node in found:
            assert session.say("DOM.getBoxModel", nodeId=node)["model"]["height"] > 50
        assert (
            session.say("DOM.querySelectorAll", nodeId=document, selector=".pane, .switch")["nodeIds"] == []
        )
    finally:
        session.say("Emulation.setScriptExecutionDisabled", value=False)
