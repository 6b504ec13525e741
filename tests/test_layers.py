"""Imports point down: training knows no plug-in, plug-ins no training, the store no experiment."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "weightspace"
GROUND = (
    *(
        "identity",
        "arguments",
        "named",
        "spec",
        "code",
        "node",
        "streams",
        "tree",
        "errors",
        "fields",
        "platform",
        "compiler",
    ),
)
PLUGINS = ("spaces", "masks", "recipes", "probes", "edits", "derived", "models", "data")
ABOVE = ("training", "sweeps", "store", "experiments", "figures", "report", "cli", "bench", "doctor")
MAY_NOT = {
    **dict.fromkeys(GROUND, (*PLUGINS, *ABOVE)),
    "models": ("spaces", "masks", "recipes", "probes", "edits", "data", "derived", *ABOVE),
    "masks": (
        *("spaces", "recipes", "probes", "edits", "data", "derived", "models.zoo", "models.adapters"),
        *ABOVE,
    ),
    "spaces": ("recipes", "probes", "edits", "data", "derived", "models.zoo", "models.adapters", *ABOVE),
    "recipes": ("spaces", "masks", "probes", "edits", "derived", *ABOVE),
    "probes": ("masks", "recipes.optimisers", "edits", "derived", "models.zoo", "models.adapters", *ABOVE),
    "edits": ("recipes", "probes", "data", "derived", *ABOVE),
    "derived": ("recipes", "probes", "edits", "models.zoo", "models.adapters", *ABOVE),
    "data": ("spaces", "masks", "probes", "edits", "models", "derived", *ABOVE),
    "training": (
        *("spaces.full", "spaces.affine", "spaces.compose", "spaces.bases", "models.zoo", "models.adapters"),
        *("recipes.optimisers", "sweeps", "store", "experiments", "figures", "report", "cli"),
    ),
    "store": ("training", "sweeps", "experiments", "figures", "report", "cli", *PLUGINS),
    "sweeps": ("experiments", "figures", "report", "cli"),
    "doctor": ("experiments", "figures", "report", "cli"),
    "figures": ("training", "sweeps", "cli"),
    "report": ("training", "sweeps", "cli"),
    "experiments": ("cli", "report", "sweeps"),
}  # fmt: skip


def imported(file):
    """Modules of ours that a file imports at its top; what is imported inside functions is loaded on use."""
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("weightspace"):
            yield node.module.removeprefix("weightspace").lstrip(".")
        elif isinstance(node, ast.Import):
            yield from (
                a.name.removeprefix("weightspace.") for a in node.names if a.name.startswith("weightspace")
            )


@pytest.mark.parametrize("part", MAY_NOT)
def test_imports_point_down(part):
    files = (
        [SOURCE / f"{part}.py"] if (SOURCE / f"{part}.py").exists() else sorted((SOURCE / part).rglob("*.py"))
    )
    assert files
    wrong = [
        f"{file.relative_to(SOURCE)} imports {module}"
        for file in files
        for module in imported(file)
        for banned in MAY_NOT[part]
        if module == banned or module.startswith(banned + ".")
    ]
    assert not wrong


def test_the_core_imports_no_network_library_and_no_plotting():
    code = (
        "import sys, weightspace.training.block, weightspace.spaces.affine, weightspace.store.base\n"
        "heavy = ('flax', 'equinox', 'matplotlib', 'torch', 'datasets', 'sklearn')\n"
        "found = [m for m in heavy if m in sys.modules]\n"
        "assert not found, found"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["run", "freedom.random", "--help"]])
def test_help_needs_no_network_library(arguments):
    code = (
        "import sys\nfrom weightspace.cli import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit:\n    pass\n"
        "found = [m for m in ('flax', 'matplotlib', 'sklearn', 'datasets', 'duckdb') if m in sys.modules]\n"
        "assert not found, found"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_files_and_functions_stay_short():
    long = []
    for file in SOURCE.rglob("*.py"):
        text = file.read_text()
        if text.count("\n") > 330:
            long.append(f"{file.relative_to(SOURCE)}: {text.count(chr(10))} lines")
        functions = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef)]
        long += [
            f"{file.relative_to(SOURCE)}:{f.name}" for f in functions if f.end_lineno - f.lineno + 1 > 60
        ]
    assert not long
