import base64
import hashlib
import html.parser
import json
import re

import pytest

from tests.figures.builders import fill, line, random_experiment
from tests.report.builders import EVIL
from weightspace.report import write_report
from weightspace.store.base import Store


class Page(html.parser.HTMLParser):
    """Tags with attributes, and the text."""

    def __init__(self, content):
        super().__init__()
        self.tags, self.texts, self.open = [], [], []
        self.feed(content)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "path", "use", "rect", "image", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.texts.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.texts))


@pytest.fixture(scope="module")
def content(written):
    return written.read_text()


@pytest.fixture(scope="module")
def page(content):
    return Page(content)


SCRIPT = re.compile(r"<script([^>]*)>(.*?)</script>", re.DOTALL)


def test_the_page_needs_nothing_else(content, page):
    for tag, attributes in page.tags:
        assert tag not in ("link", "iframe", "object", "img")
        for name in ("src", "href", "xlink:href", "action"):
            assert attributes.get(name, "#").startswith(("#", "data:image/png;base64,")), (tag, attributes)
    markup = SCRIPT.sub("", content)
    assert "@import" not in markup
    assert not re.search(r"url\((?!#)", markup)


def test_nothing_from_a_store_is_markup(content, page):
    scripts = SCRIPT.findall(content)
    # Vega and the page's own lines; all others are numbers.
    assert [kind for kind, _ in scripts if "application/json" not in kind] == ["", ""]
    assert content.count("<script") == len(scripts)
    assert "alert(" not in "".join(text for kind, text in scripts if not kind)
    assert EVIL in page.text


def test_numbers_of_charts_are_json_that_ends_nothing(content):
    charts = [text for kind, text in SCRIPT.findall(content) if "application/json" in kind]
    assert len(charts) == 9
    assert not set("<>&\u2028") & set("".join(charts))
    for text in charts:
        found = json.loads(text, parse_constant=pytest.fail)
        assert all(row["tip"] is not None for pane in found["panes"] for row in pane["rows"])


def test_the_page_forbids_every_other_script(content):
    (rule,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', content)
    assert rule.startswith("default-src &#39;none&#39;;")
    assert "unsafe-eval" not in rule
    digests = re.findall(r"sha256-([\w+/=]+)", rule)
    texts = [text for kind, text in SCRIPT.findall(content) if not kind]
    assert [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts] == digests


def test_names_within_the_page_are_unique_and_found(page):
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in page.tags:
        wanted = attributes.get("href") or attributes.get("xlink:href") or ""
        if wanted.startswith("#"):
            assert wanted[1:] in ids, (tag, attributes)
        for name in ("aria-labelledby", "aria-describedby"):
            assert set(attributes.get(name, "").split()) <= set(ids)


def test_figures_are_drawn_within_and_labelled(page):
    drawings = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert len(drawings) == 9  # eight of freedom.random, and the plain run in time
    assert all(each["role"] == "img" and each["aria-labelledby"] for each in drawings)
    assert "dimension d" in page.text


def test_colours_follow_the_reader(content):
    assert "prefers-color-scheme: dark" in content
    figures = content[content.index("<svg") : content.rindex("</svg>")]
    assert "var(--ink)" in figures
    assert "#262627" not in figures


def test_the_numbers_are_there_with_their_spread_and_number(page):
    assert "0.30 ± 0.14" in page.text
    assert "0.930 ± 0.042" in page.text
    # The seeds cross 0.5 at a share of 3/4 and of 1/3 of two octaves above d = 4, and both must.
    assert "11 [6.3, 11]" in page.text
    assert "n = 2 runs at each d" in page.text


def test_question_paper_settings_and_how_to_read_it(page):
    assert "How many degrees of freedom does training need in a random affine subspace?" in page.text
    assert "@inproceedings{larsen2022degrees" in page.text
    assert "local angular dimension" in page.text
    settings = re.search(r"epochs 3 ", page.text)
    assert settings


def test_statuses_errors_and_provenance(page):
    assert "6 ok , 1 failed , 1 waiting" in page.text
    assert f"1 ×: {EVIL}" in page.text
    assert "14.0 s over 7 runs" in page.text
    assert "12.5 s with compilation" in page.text
    for expected in (
        "2024-05-06T07:08:09Z",
        "abc123 with uncommitted changes",
        "2 × cpu",
        "jax 0.9.9",
        "Python 3.12.1",
    ):
        assert expected in page.text


def test_plain_runs_have_a_table(page):
    assert "Runs that were asked for one by one." in page.text


def test_an_empty_store_has_a_page_too(tmp_path):
    text = Page(write_report(Store(tmp_path / "out")).read_text()).text
    assert "Nothing was asked" in text


def test_what_is_not_recorded_is_left_out(tmp_path):
    store = Store(tmp_path / "out")
    fill(store, random_experiment(), [line(4, 0, None, status="waiting")], provenance="gone")
    assert "1 waiting" in Page(write_report(store).read_text()).text


def test_numbers_are_set_beside_the_reference(tmp_path):
    store = Store(tmp_path / "out")
    experiment = random_experiment(data="mnist", epochs=5.0, optimiser=("adam-legacy",))
    fill(store, experiment, [line(8, s, 0.23, optimiser="adam-legacy") for s in (0, 1)])
    text = Page(write_report(store).read_text()).text
    assert "Compared with the reference" in text
    assert "0.23 ± 0 (n = 2)" in text
    assert "0.161 (n = 2)" in text
