"""Strictness for every test: no silent promotion, types checked at run time, real data only if present.

Compiling is most of the time of small runs. Programs are compiled without most optimisations, by the emitters
that take least time, and kept in a folder of the session's, so that what one test or worker has compiled is
compiled once; modules marked `optimised` see the programs of users.
"""

import gc
import itertools
import os
import shutil
import tempfile
from collections import Counter
from importlib.metadata import version

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
os.environ["XLA_FLAGS"] = " ".join(
    dict.fromkeys(
        [
            *os.environ.get("XLA_FLAGS", "").split(),
            "--xla_cpu_parallel_codegen_split_count=1",
            # Newer compilers end the process at a flag that they do not know.
            *(["--xla_cpu_use_fusion_emitters=false"] if version("jaxlib").startswith("0.10.") else ()),
        ]
    )
)

import jax
import pytest

from weightspace import compiler, platform
from weightspace.training.block import block_for

USERS = {"xla_cpu_use_fusion_emitters": True} if version("jaxlib").startswith("0.10.") else {}
"""What undoes it in programs of the package."""

compiler.avoid_known_faults()
platform.use_cpu_devices(2)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

HERE = "PYTEST_XDIST_WORKER" not in os.environ
PROGRAMS = tempfile.mkdtemp(prefix="programs-") if HERE else os.environ["WEIGHTSPACE_TEST_PROGRAMS"]
os.environ["WEIGHTSPACE_TEST_PROGRAMS"] = PROGRAMS
jax.config.update("jax_compilation_cache_dir", PROGRAMS)
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def pytest_unconfigure():
    if HERE:
        shutil.rmtree(PROGRAMS, ignore_errors=True)


def pytest_collection_modifyitems(items):
    # Between programs compiled in one way and in the other everything is compiled anew, so they change once.
    items.sort(key=lambda item: item.get_closest_marker("optimised") is not None)
    real = os.environ.get("WEIGHTSPACE_DATA")
    for item in items:
        if "real_data" in item.keywords and not real:
            item.add_marker(pytest.mark.skip(reason="needs WEIGHTSPACE_DATA"))
        if "gpu" in item.keywords and jax.default_backend() == "cpu":
            item.add_marker(pytest.mark.skip(reason="needs an accelerator"))


def pytest_collection_finish(session):
    """Look for dead objects seldom: libraries and tests stay, and tracing makes millions of small ones.

    With Python's own thresholds that takes one part in sixteen of all time, more as programs gather.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def pytest_terminal_summary(terminalreporter):
    """How long the tests of each folder took together, on whatever workers."""
    seconds, count = Counter(), Counter()
    for report in itertools.chain.from_iterable(terminalreporter.stats.values()):
        if isinstance(report, pytest.TestReport):
            folder = "/".join(report.nodeid.partition("::")[0].split("/")[:-1][:2])
            seconds[folder] += report.duration
            count[folder] += report.when == "call"
    terminalreporter.section("seconds by folder")
    for folder, spent in seconds.most_common():
        terminalreporter.write_line(f"{spent:8.1f} {count[folder]:5d} tests  {folder}")


@pytest.fixture(scope="module")
def cache_apart(tmp_path_factory):
    """Decoded data go to a folder of this module's, not to the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WEIGHTSPACE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module", autouse=True)
def compilation(request):
    """Programs compiled one way must not be met by tests that ask for the other."""
    before = jax.config.read("jax_disable_most_optimizations")
    wanted = before and request.node.get_closest_marker("optimised") is None
    _compile_quickly(wanted)
    with pytest.MonkeyPatch.context() as patch:
        if not wanted and jax.default_backend() == "cpu":
            options = compiler.options
            patch.setattr(compiler, "options", lambda: options() | USERS)
        yield
    _compile_quickly(before)


def _compile_quickly(wanted):
    if wanted != jax.config.read("jax_disable_most_optimizations"):
        jax.config.update("jax_disable_most_optimizations", wanted)
        block_for.cache_clear()
        jax.clear_caches()
