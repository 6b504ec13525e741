"""Imports point down: one ordered list of floors, for every import wherever in a file it stands."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import weightspace

SOURCE = Path(__file__).parent.parent / "src" / "weightspace"
FLOORS = (
    *(
        "errors",
        "digests",
        "bits",
        "remembered",
        "fields",
        "tree",
        "frames",
        "compiler",
        "native",
        "platform",
        "options",
        "json_text",
        "identity",
        "code",
        "named",
    ),
    *("spec", "flat", "streams", "node", "precision"),  # the ground
    *(
        "models",
        "recipes",
        "data",
        "measure",
        "theory",
        "spaces",
        "masks",
        "probes",
        "edits",
        "symmetry",
        "derived",
    ),  # contracts and plug-ins
    *("arguments", "run", "tickets", "training", "store"),
    *("sweeps", "loaded", "loaded_file"),  # what carries runs out, and keeps them
    *("tables", "figures", "experiments", "report", "first_look", "bench", "doctor", "cli", "__main__"),
)
"""Lowest first: a floor imports from those before it, also inside functions and for type checkers alone."""
ANYWHERE = ("__version__",)
MEMBERS = ("models.zoo", "models.adapters", "spaces.full", "spaces.affine", "spaces.compose", "spaces.bases")
MAY_NOT = {
    **dict.fromkeys(("masks", "spaces", "probes", "symmetry", "derived"), MEMBERS[:2]),
    "spaces": (*MEMBERS[:2], "masks"),
    "training": (*MEMBERS, "recipes.optimisers", "derived", "masks"),
    "store": ("models", "recipes", "data", "masks", "spaces", "edits", "probes", "derived", "training"),
    "sweeps": MEMBERS,
    "figures": ("training", "sweeps"),
    "report": ("training", "sweeps"),
}
"""What a floor does not import although it lies below: contracts are known, their members are not."""


def imported(text):
    """Modules of ours that a file imports, with the line, wherever the import stands."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "weightspace":
            inner = node.module.removeprefix("weightspace").lstrip(".")
            yield from ((inner or alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.Import):
            ours = [alias.name for alias in node.names if alias.name.startswith("weightspace.")]
            yield from ((name.removeprefix("weightspace."), node.lineno) for name in ours)


def floor_of(module):
    """Its place in the list."""
    return FLOORS.index(module.split(".")[0])


def files():
    for file in sorted(SOURCE.rglob("*.py")):
        if file != SOURCE / "__init__.py":
            yield file, ".".join(file.relative_to(SOURCE).with_suffix("").parts)


def test_every_module_has_a_floor():
    assert {name.split(".")[0] for _, name in files()} == set(FLOORS)
    assert len(set(FLOORS)) == len(FLOORS)


def wrong(name, text):
    for module, line in imported(text):
        if module in ANYWHERE:
            continue
        banned = [b for b in MAY_NOT.get(name.split(".")[0], ()) if module == b or module.startswith(b + ".")]
        if floor_of(module) > floor_of(name) or banned:
            yield f"{name}:{line} imports {module}"


def test_imports_point_down():
    assert not [each for file, name in files() for each in wrong(name, file.read_text())]


@pytest.mark.parametrize(
    "text",
    [
        "from weightspace.sweeps.ask import sweep",
        "from weightspace import sweeps",
        "import weightspace.sweeps.ask as ask",
        "def f():\n    from weightspace.run import Run",
        "if TYPE_CHECKING:\n    from weightspace.run import Run",
        "from weightspace.models.zoo import make",
    ],
)
def test_an_import_that_points_up_is_seen(text):
    assert list(wrong("probes.base", text))


def test_type_checkers_see_every_public_name():
    """What is loaded on use is declared for them too, from the same home."""
    tree = ast.parse((SOURCE / "__init__.py").read_text())
    declared = {
        (alias.asname, node.module)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module != "typing"
        for alias in node.names
    }
    assert declared == set(weightspace._HOME_OF.items())


def test_the_core_imports_no_network_library_and_no_plotting():
    code = (
        "import sys, weightspace.training.block, weightspace.spaces.affine, weightspace.store.base\n"
        "heavy = ('flax', 'equinox', 'matplotlib', 'altair', 'torch', 'datasets', 'sklearn')\n"
        "found = [m for m in heavy if m in sys.modules]\n"
        "assert not found, found"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["run", "freedom.random", "--help"]])
def test_help_needs_no_network_library(arguments):
    code = (
        "import sys\nfrom weightspace.cli import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit:\n    pass\n"
        "heavy = ('flax', 'matplotlib', 'altair', 'sklearn', 'datasets', 'duckdb')\n"
        "found = [m for m in heavy if m in sys.modules]\n"
        "assert not found, found"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


LONG = ("experiments/answered.py", "training/block.py")
"""Files that are longer for now: no others may be, and these are taken off the list when they are short."""


def test_files_and_functions_stay_short():
    lines = {str(f.relative_to(SOURCE)): f.read_text().count("\n") for f in SOURCE.rglob("*.py")}
    assert not {name: count for name, count in lines.items() if count > 300 and name not in LONG}
    assert max(lines[name] for name in LONG if name in lines) <= 330
    trees = {name: ast.walk(ast.parse((SOURCE / name).read_text())) for name in lines}
    functions = [
        (name, each)
        for name, tree in trees.items()
        for each in tree
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert not [f"{name}:{each.name}" for name, each in functions if each.end_lineno - each.lineno >= 60]
