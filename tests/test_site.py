"""The site: every public name in the reference, every page in the navigation, links that lead somewhere.

These read files and need no tool; that the site builds, with what it says of specs, is tried where the group
`docs` is installed.
"""

import dataclasses
import doctest
import importlib.util
import inspect
import re
import sys
from collections import Counter

import pytest
import yaml

import weightspace as ws
from tests.pages import DOCS, ROOT

REFERENCE = [page for page in DOCS if page.startswith("docs/reference/")]
TOOLS = importlib.util.find_spec("mkdocs") and importlib.util.find_spec("griffe")
needs_tools = pytest.mark.skipif(not TOOLS, reason="needs the dependency group docs: `make docs` installs it")


@pytest.fixture
def site_module(monkeypatch):
    """A module of docs/site, by its name."""
    monkeypatch.syspath_prepend(ROOT / "docs" / "site")

    def load(name):
        monkeypatch.delitem(sys.modules, name, raising=False)
        return importlib.import_module(name)

    return load


def test_every_public_name_is_in_the_reference_once():
    named = re.findall(r"^::: weightspace\.(\w+)$", "\n".join(map(text, REFERENCE)), re.MULTILINE)
    assert Counter(named) == Counter(ws.__all__)


def test_the_reference_s_own_list_has_every_name_beside_its_page():
    listed = re.findall(r"^- \[.*\]\((\w+\.md)\): (.*)\.$", text("docs/reference/README.md"), re.MULTILINE)
    for page, names in listed:
        shown = re.findall(r"^::: weightspace\.(\w+)$", text(f"docs/reference/{page}"), re.MULTILINE)
        assert re.findall(r"`(\w+)`", names) == shown, page
    assert {f"docs/reference/{page}" for page, _ in listed} == {*REFERENCE} - {"docs/reference/README.md"}


def test_every_field_and_argument_of_a_public_name_is_documented():
    for name in ws.__all__:
        made = getattr(ws, name)
        if dataclasses.is_dataclass(made):
            said = "\n".join(inspect.cleandoc(base.__doc__ or "") for base in made.__mro__)
            names = [each.name for each in dataclasses.fields(made)]
        elif inspect.isfunction(made):
            said, names = inspect.getdoc(made), inspect.signature(made).parameters
        else:
            continue
        missing = [each for each in names if not re.search(rf"^  \**{each}: *\S", said, re.MULTILINE)]
        assert not missing, f"{name} says nothing of {missing}"


def text(page):
    return (ROOT / page).read_text()


def config():
    return yaml.safe_load(text("mkdocs.yml"))


def navigation(entry):
    """The pages of a navigation, in its order."""
    if isinstance(entry, str):
        return [entry]
    return [
        page for part in (entry.values() if isinstance(entry, dict) else entry) for page in navigation(part)
    ]


def test_every_page_is_in_the_navigation_once_and_a_newcomer_s_come_first():
    pages = navigation(config()["nav"])
    notebooks = [f"notebooks/{script.stem}.md" for script in (ROOT / "docs/notebooks").glob("*.py")]
    beside = ["index.md", "contributing.md", "changelog.md"]
    assert Counter(pages) == Counter([*(page.removeprefix("docs/") for page in DOCS), *notebooks, *beside])
    way = ["index.md", "first_hour.md", "questions.md", "freedom.md", "models.md", "torch.md", "data.md"]
    way += ["write_an_experiment.md", "reproduction/README.md", "reference/README.md"]
    assert sorted(way, key=pages.index) == way


LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s#]*)(?:#([^)\s]*))?\)")


def anchor(heading):
    """What a code host, and the site, call a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", *DOCS])
def test_links_between_files_lead_somewhere(page):
    """As a code host follows them; the site's own are followed as it is built."""
    prose = re.sub(r"^```.*?^```", "", text(page), flags=re.MULTILINE | re.DOTALL)
    for target, part in LINK.findall(re.sub(r"`[^`\n]*`", "", prose)):
        if ":" in target:
            continue
        file = (ROOT / page).parent / target if target else ROOT / page
        assert file.exists(), f"{page} leads to {target}"
        # A code host lists a folder's files; the site has a page for it only where one is written.
        assert file.is_file() or (file / "README.md").is_file(), f"{page} leads to the folder {target}"
        if part:
            headings = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
            assert part in map(anchor, headings), f"{page} leads to {target}#{part}"


@needs_tools
def test_links_are_seen_from_where_a_page_is_on_the_site(site_module):
    pages = site_module("pages")
    relinked = pages.relinked
    assert doctest.testmod(pages).failed == 0
    readme = "[a](docs/tickets.md#x) ![b](docs/images/demo.png) [c](https://x.org/y) [d](docs/reproduction)"
    assert relinked(readme, "README.md", "index.md") == (
        "[a](tickets.md#x) ![b](images/demo.png) [c](https://x.org/y) [d](reproduction/README.md)"
    )
    below = "[up](../../README.md) [script](../notebooks/symmetry.py) [own](freedom.md)"
    assert relinked(below, "docs/reproduction/tickets.md", "reproduction/tickets.md") == (
        "[up](../index.md) [script](../notebooks/symmetry.md) [own](freedom.md)"
    )
    code = "```python\nx[0](docs/tickets.md)\n```\n"
    assert relinked(code, "README.md", "index.md") == code


@needs_tools
def test_the_reference_knows_the_fields_of_specs(site_module):
    """Signatures with defaults, those of `static` among them, and what bases say of their fields."""
    import griffe

    specs = griffe.load_extensions(site_module("specs").Specs)
    package = griffe.load("weightspace", search_paths=[ROOT / "src"], extensions=specs)
    for name in ("Bezier", "Adam", "Prune", "SwagSample", "Data", "Run", "Seeds"):
        made, shown = getattr(ws, name), package[name].final_target
        given = {each.name: each.default is not dataclasses.MISSING for each in dataclasses.fields(made)}
        read = {each.name: each.default is not None for each in shown.parameters if each.name != "self"}
        assert read == given, name
        for field in read:
            assert re.search(rf"^ +{field}: ", shown.docstring.value, re.MULTILINE), (name, field)
    said = package["Seeds"].final_target.docstring.value
    assert "```pycon\n>>> Seeds(3, order=7).order, Seeds(3, order=7).init\n(7, 3)\n```\n" in said
    assert str(package["Row"].final_target.parameters["labels"].annotation) == "Mapping[str, Any]"


@needs_tools
def test_the_site_builds(tmp_path, monkeypatch):
    """Strictly, with no more than a title of notebooks, which are not run here."""
    monkeypatch.setenv("NO_MKDOCS_2_WARNING", "1")
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    made = tmp_path / "notebooks"
    made.mkdir()
    for script in (ROOT / "docs/notebooks").glob("*.py"):
        (made / f"{script.stem}.md").write_text(f"# {script.stem}\n")
    settings = load_config(str(ROOT / "mkdocs.yml"), site_dir=str(tmp_path / "site"))
    (pages,) = settings.hooks.values()
    monkeypatch.setattr(pages, "MADE", made)
    build(settings)
    home = (tmp_path / "site" / "index.html").read_text()
    assert 'href="reproduction/"' in home
    assert 'src="images/demo.png"' in home
    spaces = (tmp_path / "site" / "reference" / "spaces" / "index.html").read_text()
    assert 'id="weightspace.Affine"' in spaces
    assert "The linear map B." in spaces
    for page in (tmp_path / "site" / "reference").glob("*/index.html"):
        assert "<blockquote>" not in page.read_text(), page
