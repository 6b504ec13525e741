"""The compiler's known fault: switched off where the process is ours, kept from trainings, told elsewhere."""

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import jax
import numpy as np
import pytest

from weightspace import compiler, platform

KEPT_OPTION = {compiler.OPTION: "LIBRARY_FUSION_TYPE_INDIVIDUAL_CONVOLUTION"}
FORCED = {"XLA_FLAGS": f"{compiler.FLAG}=dot"}
faulty = pytest.mark.skipif(not compiler.known_wrong(), reason="this jaxlib is right")


def python(code, *arguments, **environment):
    """What a fresh Python prints as JSON, and what it says on the error stream."""
    clean = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    clean["PYTHONPATH"] = str(Path(compiler.__file__).parent.parent)  # this very package
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=clean | environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


def test_this_process_is_right():
    assert compiler.avoid_known_faults()
    assert compiler.wrong_rows() == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rows", [16_385, 32_769, 40_000])
def test_rows_of_short_products_are_those_of_numpy(dtype, rows):
    """The fault as it was met: in float64 from row 16,384 on, in float32 from 32,768."""
    x = np.random.default_rng(0).normal(size=(rows, 3)).astype(dtype)
    matrix = np.random.default_rng(1).normal(size=(2, 3)).astype(dtype)
    with jax.enable_x64(True):
        found = jax.jit(jax.vmap(lambda row: jax.numpy.max(matrix @ row)))(x)
    np.testing.assert_allclose(found, (x.astype(float) @ matrix.T).max(1), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("flags", "known", "chosen", "after"),
    [
        (None, True, None, compiler.SETTING),
        ("--a=1", True, None, f"--a=1 {compiler.SETTING}"),
        (f"{compiler.FLAG}=dot --a=1", True, "dot", f"{compiler.FLAG}=dot --a=1"),
        (f"{compiler.FLAG}=", True, "", f"{compiler.FLAG}="),
        (f"{compiler.FLAG}=dot {compiler.FLAG}=", True, "", f"{compiler.FLAG}=dot {compiler.FLAG}="),
        (f"{compiler.FLAG}_other=dot", True, None, f"{compiler.FLAG}_other=dot {compiler.SETTING}"),
        ("--a=1", False, None, "--a=1"),
        (None, False, None, None),
    ],
)
def test_the_flag_is_added_where_it_is_known_and_not_chosen(monkeypatch, flags, known, chosen, after):
    """A compiler that does not know a flag ends the process: it is given to known versions alone."""
    monkeypatch.setattr(compiler, "known_wrong", lambda: known)
    monkeypatch.setattr(compiler, "started", lambda: False)
    monkeypatch.setattr(compiler, "_ADDED", [])
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    if flags is not None:
        monkeypatch.setenv("XLA_FLAGS", flags)
    assert compiler.chosen() == chosen
    right = compiler.avoid_known_faults()
    assert os.environ.get("XLA_FLAGS") == after
    assert right == (not known or chosen in (None, *compiler.HARMLESS))
    assert " ".join(compiler.users_flags()) == (flags or "")


def test_flags_that_come_too_late_are_not_added(monkeypatch):
    monkeypatch.setattr(compiler, "known_wrong", lambda: True)
    monkeypatch.setattr(compiler, "_ADDED", [])
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    jax.numpy.ones(1)
    assert compiler.started()
    assert not compiler.avoid_known_faults()
    assert "XLA_FLAGS" not in os.environ


STARTED = """
import json, jax
from weightspace import compiler
before, count = compiler.started(), jax.config.jax_num_cpu_devices
jax.numpy.ones(1)
print(json.dumps([before, count == jax.config.jax_num_cpu_devices, compiler.started(), jax.device_count()]))
"""


def test_asking_whether_jax_has_started_does_not_start_it():
    assert python(STARTED)[0] == [False, True, True, 1]


GUARDED = """
import json, sys, warnings, jax, numpy as np
from weightspace import compiler
square = lambda w, row: jax.numpy.sum(jax.numpy.square(w @ row))
x = np.random.default_rng(0).normal(size=(40_000, 3)).astype(np.float32)
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    work()
    work()
said = [str(w.message) for w in said if w.category is compiler.CompilerWarning]
mine = compiler.jit(jax.vmap(square, (None, 0)))(np.eye(3, dtype=np.float32), x)
right = np.allclose(mine, (x.astype(float) ** 2).sum(1), rtol=1e-4)
print(json.dumps([said, compiler.wrong_rows(), bool(right), kept()]))
"""
PLAIN = """
def work():
    compiler.guard()
def kept():
    import os
    return [compiler.chosen(), compiler.options(), os.environ.get("XLA_FLAGS")]
"""
SWEEP = """
import jax
jax.numpy.ones(1)
import weightspace as ws
from weightspace.models.zoo import make
from weightspace.store.base import Store
digits = ws.Task(ws.make_data("digits"), ws.CrossEntropy())
recipe = ws.Recipe(ws.Sgd(0.1), "1it", batch=8)
run = ws.Run(make("fc:widths=2", (8, 8, 1), 10), digits, ws.Full(), recipe, ws.Seeds(0))
def work():
    assert ws.sweep([run], sys.argv[1]).status[0] == "ok"
def kept():
    store = Store(sys.argv[1])
    record = store.provenance(store.record(run.digest).provenance)
    return [record["xla_flags"], record["compiler_options"]]
"""


@faulty
class TestSessions:
    """Sessions of Python with the jaxlib that has the fault."""

    def test_jax_started_late_is_right_without_a_word(self):
        (said, wrong, right, kept), _ = python(PLAIN + GUARDED)
        assert (said, wrong, right) == ([], 0, True)
        # Other libraries of the session, which may not know the flag, do not meet it.
        assert kept == [compiler.KEPT, KEPT_OPTION, None]

    def test_jax_started_first_is_told_once_and_trainings_are_right(self, tmp_path):
        (said, wrong, right, kept), _ = python(SWEEP + GUARDED, str(tmp_path))
        assert wrong > 7_000
        assert right  # what is compiled as trainings are
        assert len(said) == 1
        assert "39103" in said[0]
        assert f"XLA_FLAGS={compiler.SETTING}" in said[0]
        assert kept == [[], KEPT_OPTION]

    def test_the_users_flag_wins_and_is_told(self):
        (said, wrong, right, kept), _ = python(PLAIN + GUARDED, **FORCED)
        assert wrong > 7_000
        assert not right
        assert len(said) == 1
        assert f"{compiler.FLAG}=dot" in said[0]
        assert kept == ["dot", {}, FORCED["XLA_FLAGS"]]


def test_right_versions_are_left_alone(monkeypatch):
    monkeypatch.setattr(compiler, "known_wrong", lambda: False)
    monkeypatch.setattr(compiler, "wrong_rows", lambda: pytest.fail("nothing is to be tried"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compiler.guard()
    assert compiler.options() == {}


def test_settings_of_a_process():
    with jax.enable_x64(True), jax.default_matmul_precision("highest"):
        wide = platform.settings()
    assert wide["double_precision"]
    assert wide["matmul_precision"] == "highest"
    plain = platform.settings()
    assert plain == wide | {"double_precision": False, "matmul_precision": None}
    assert plain["devices"] == jax.local_device_count() == 2
    assert plain["optimised"] != jax.config.read("jax_disable_most_optimizations")
    assert json.loads(json.dumps(plain)) == plain


def test_every_command_switches_it_off(monkeypatch, capsys):
    from weightspace import cli

    done = []
    monkeypatch.setattr(compiler, "avoid_known_faults", lambda: done.append(True))
    assert cli.main(["no-such-command"]) == 2
    assert done
    assert "unknown command" in capsys.readouterr().err


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("rows", "taken", "made"),
    [(40_000, 3, 2), (40_003, 2, 3), (33_000, 1, 1), (16_500, 3, 3), (100_003, 3, 2)],
)
def test_single_convolutions_that_stay_on_are_right(rows, taken, made, dtype):
    """Whole numbers, so exact; followed by the reductions that products were wrong before."""
    with jax.enable_x64(dtype == "float64"):
        draw = np.random.default_rng(rows)
        x = draw.integers(-3, 4, (rows, 1, 2, taken)).astype(dtype)
        kernel = draw.integers(-2, 3, (1, 2, taken, made)).astype(dtype)

        def reduced(x, kernel):
            layout = ("NHWC", "HWIO", "NHWC")
            y = jax.lax.conv_general_dilated(x, kernel, (1, 1), "VALID", dimension_numbers=layout)
            return y, (y * y).sum(-1), y.max(-1)

        found = compiler.jit(reduced)(x, kernel)
    wide = np.einsum("nhwc,hwco->no", x.astype(np.int64), kernel.astype(np.int64))[:, None, None]
    for one, other in zip(found, (wide, (wide**2).sum(-1), wide.max(-1)), strict=True):
        np.testing.assert_array_equal(np.asarray(one), other)
