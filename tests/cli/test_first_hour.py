"""What a newcomer stumbles over in the first hour: each is answered by one sentence, or does not happen."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest
from rich.console import Console

import weightspace as ws
from tests.figures.builders import fill, line, plain_lines, random_experiment
from tests.models.nets import INPUTS, OUTPUTS, NnxNet
from weightspace import platform
from weightspace.cli import main
from weightspace.cli.hints import after, of_statistics
from weightspace.cli.output import print_frame
from weightspace.cli.questions import with_errors
from weightspace.cli.run import Options, home_of, read
from weightspace.cli.synonyms import meant
from weightspace.data import Data, from_arrays
from weightspace.errors import InputError
from weightspace.experiments import experiment_class, names
from weightspace.experiments.answered import Answered
from weightspace.experiments.aside import fitted
from weightspace.report.references import references
from weightspace.report.wanted import commands
from weightspace.store.base import Store
from weightspace.store.read import history
from weightspace.tables.paired import between, caution

RANDOM = [
    "run", "freedom.random", "--preset", "smoke", "--model", "fc:widths=8", "--dims", "4", "--seeds", "1",
    "--epochs", "1", "--no-reference", "--format", "svg", "--yes",
]  # fmt: skip


@pytest.fixture(autouse=True)
def light(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("WEIGHTSPACE_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.setattr(Answered, "panels", [])


def ended(capsys, *arguments):
    capsys.readouterr()
    status = main(list(arguments))
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.mark.parametrize(
    ("flag", "answer"),
    [
        ("--learning-rate", "here it is --lr"),
        ("--learning_rate=0.1", "here it is --lr"),
        ("--batch", "here it is --batch-size"),
        ("--output", "here it is --out"),
        ("--optimizer", "here it is --optimiser"),
        ("--seed", "did you mean --seeds?"),
        ("--num-seeds", "here it is --seeds"),
        ("--num-workers", "here it is --lanes"),
        ("--device", "JAX chooses the device: set JAX_PLATFORMS=cpu or JAX_PLATFORMS=cuda"),
        ("--gpu", "JAX chooses the device"),
        ("--resume", "the same command with the same --out resumes by itself"),
        ("--dimz", "did you mean --dims?"),
    ],
)
def test_flags_of_other_tools(capsys, flag, answer):
    status, _, err = ended(capsys, "run", "freedom.random", flag, "3")
    assert status == 2
    assert err.startswith(f"weightspace: unknown flag {flag.partition('=')[0]}; {answer}")
    assert err.count("\n") == 1


def test_a_synonym_is_named_only_where_there_is_the_flag():
    assert meant("--batch", ("--to", "--format")) is None
    assert meant("--output", ("--to",)) == "here it is --to"
    assert meant("--lr", ("--training.lr", "--lrs")) == "here it is --lrs"
    assert (
        meant("--learning-rate", ("--masks.lr", "--training.lr")) == "here it is --masks.lr or --training.lr"
    )


@pytest.mark.parametrize(
    ("wanted", "error", "sentence"),
    [
        (
            "cuda",
            AssertionError(),
            r"JAX finds no CUDA device here; install .* pip install 'weightspace\[cuda\]'",
        ),
        (
            "gpu,cpu",
            RuntimeError("no GPU\nmore"),
            r"is gpu,cpu, but JAX finds no CUDA device here \(no GPU\);",
        ),
        ("tpu", RuntimeError("x"), r"JAX finds no tpu device here \(x\); leave JAX_PLATFORMS unset"),
        ("cudo", RuntimeError("x"), r"JAX does not know; did you mean cuda\?"),
        ("", RuntimeError("x"), r"JAX finds no device to compute on \(x\); JAX_PLATFORMS=cpu"),
    ],
)
def test_no_device_is_one_sentence(capsys, monkeypatch, wanted, error, sentence):
    def devices():
        raise error

    monkeypatch.setattr(jax, "devices", devices)
    monkeypatch.setattr(platform, "_wanted", lambda: wanted)
    status, _, err = ended(capsys, *RANDOM)
    assert status == 2
    assert re.search(sentence, err)
    assert err.count("\n") == 1


def test_without_a_card_the_command_says_so():
    asked = {**os.environ, "JAX_PLATFORMS": "cuda", "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": "src"}
    made = [sys.executable, "-m", "weightspace", "bench"]
    found = subprocess.run(made, env=asked, capture_output=True, text=True, check=False)
    assert found.returncode == 2
    assert "weightspace: JAX_PLATFORMS is cuda, but JAX finds no CUDA device here" in found.stderr
    assert "Traceback" not in found.stderr


def test_other_errors_stay_what_they_are(monkeypatch):
    def broken(arguments):
        raise RuntimeError("of ours")

    monkeypatch.setattr("weightspace.cli.show.status", broken)
    with pytest.raises(RuntimeError, match="of ours"):
        main(["status", "x"])


@pytest.fixture
def small_data(tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (240, 4, 4, 1)).astype(np.uint8)
    np.savez(
        tmp_path / "mine.npz", x_train=x, y_train=np.arange(240) % 3, x_test=x[:9], y_test=np.arange(9) % 3
    )
    return str(tmp_path / "mine.npz")


def test_the_sum_of_examples_is_in_the_refusal(capsys, small_data, tmp_path):
    own = ["--data", small_data, "--model", "fc:widths=4", "--out", str(tmp_path / "o"), "--dry-run"]
    for name in ("freedom.random", "tickets.iterative"):
        asked = ["run", name, "--preset", "smoke", *own, "--validation", "200", "--batch-size", "60"]
        status, _, err = ended(capsys, *asked)
        assert status == 2
        assert "batch size 60 exceeds the 40 training examples (240 given - 200 for validation = 40)" in err
    status, _, err = ended(capsys, "run", "freedom.random", *own, "--batch-size", "300")
    assert (status, "exceeds the 240 training examples; choose at most 240" in err) == (2, True)


def test_presets_set_aside_what_small_data_can_spare(capsys, small_data, tmp_path):
    own = ["--data", small_data, "--model", "fc:widths=4", "--out", str(tmp_path / "o"), "--dry-run"]
    status, _, err = ended(capsys, "run", "tickets.iterative", "--preset", "smoke", *own)
    assert status == 0
    assert "48 of 240 training examples, a fifth, are set aside for validation, as the preset's 200" in err


def test_only_what_a_preset_says_of_its_own_data_is_cut(small_data):
    cls = experiment_class("tickets.iterative")
    preset = cls.preset("smoke")
    (other,) = {cls(**{**cls.presets["smoke"], "data": small_data})}
    changed, told = fitted(other, preset, ())
    assert (changed.validation, len(told)) == (48, 1)
    assert {**changed.fields(), "validation": 200} == other.fields()
    assert fitted(other, preset, ("validation",)) == (other, [])
    assert fitted(preset, preset, ()) == (preset, [])
    enough = cls(**{**cls.presets["smoke"], "data": small_data, "validation": 100})
    assert fitted(enough, preset, ()) == (enough, [])


def test_each_experiment_has_its_folder(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert {home_of(experiment_class(name)) for name in names()} == {Path("out") / name for name in names()}
    _, options = read(experiment_class("tickets.dense"), [])
    assert options.out == Path("out/tickets.dense")
    Store(tmp_path / "out")
    status, out, err = ended(capsys, *RANDOM)
    assert status == 0
    assert "those in out itself are read and resumed with --out out" in err
    assert (tmp_path / "out" / "freedom.random" / "weightspace.json").is_file()
    *_, larger, table = out.strip().splitlines()
    assert larger.split() == ["next", "weightspace", *[a for a in RANDOM if a not in ("--preset", "smoke")],
                              "--preset", "quick"]  # fmt: skip
    assert table.split()[1:4] == ["weightspace", "results", "out/freedom.random"]
    status, out, _ = ended(capsys, *table.split()[2:])
    assert status == 0
    assert len(pd.read_csv(table.split()[-1]))


def test_the_last_preset_is_followed_by_the_published_numbers():
    experiment = random_experiment()
    last = list(experiment.presets)[-1]
    command = ["weightspace", "run", "freedom.random", f"--preset={last}"]
    first, _ = after(experiment, Options(preset=last, out=Path("a b")), command, ())
    assert first == "next    weightspace compare 'a b'"
    (table,) = after(experiment, Options(), ["weightspace", "demo"], ["thresholds"])
    assert table == "next    weightspace results out --table thresholds --format csv --to thresholds.csv"


@pytest.fixture
def two(tmp_path):
    """Two questions of one experiment and one of plain runs, asked in turn."""
    store = Store(tmp_path / "all" / "one")
    fill(store, random_experiment(), [line(4, seed, 0.25 + seed / 4) for seed in range(3)])
    fill(store, random_experiment(model="fc"), plain_lines(seeds=(0,)), "other", salt=1)
    return store


def test_results_are_a_table_for_each_question(two, capsys):
    status, out, _ = ended(capsys, "results", str(two.root))
    assert status == 0
    titles = re.findall(r"one: runs, freedom\.random, (\S+) on", " ".join(out.split()))
    assert len(titles) == len(set(titles)) == 2
    _, whole, _ = ended(capsys, "results", str(two.root), "--format", "csv")
    assert len(whole.splitlines()) == 1 + len(two.asked(None))


def test_a_folder_of_folders_names_them(two, capsys):
    status, _, err = ended(capsys, "results", str(two.root.parent))
    assert (status, err.count("\n")) == (2, 1)
    assert f"holds 1 results folders; name one: {two.root}" in err


def test_a_history_has_its_labels(tmp_path):
    store = Store(tmp_path)
    experiment = random_experiment()
    fill(store, experiment, [line(4, seed, 0.5) for seed in range(2)])
    found = history(store)
    assert {"run", "experiment", "dim", "step", "metric", "value"} <= set(found)
    assert list(history(store, experiment.name)) == [name for name in found if name != "experiment"]
    assert found["run"].is_monotonic_increasing


def test_standard_errors_are_offered(two, capsys):
    columns = ["n", "a", "a_sd", "b", "b_sd", "b_n"]
    given = pd.DataFrame([[4, 1.0, 0.5, 1.0, 1.0, 4], [9, 2.0, 0.6, 1.0, 1.0, 4]], columns=columns)
    ((_, found),) = with_errors([("", given)], "summary")
    status, _, err = ended(capsys, "results", str(two.root), "--spread", "se")
    assert (status, err.count("\n")) == (2, 1)
    assert "the table 'runs' has none; take --table summary" in err
    assert list(found) == ["n", "a", "a_se", "b", "b_se", "b_n"]
    np.testing.assert_allclose(found[["a_se", "b_se"]], [[0.25, 0.5], [0.2, 0.5]])
    tables = {}
    for spread in ("sd", "se"):
        asked = ["results", str(two.root), "--table", "summary", "--format", "csv", "--spread", spread]
        (two.root / spread).write_text(ended(capsys, *asked)[1])
        tables[spread] = pd.read_csv(two.root / spread)
    line_ = tables["sd"].index[tables["sd"]["n"] == 3]
    sd, se = (tables[s].loc[line_, f"test_accuracy_{s}"] for s in ("sd", "se"))
    np.testing.assert_allclose(se * np.sqrt(3), sd)


def test_every_command_for_published_numbers_is_one(tmp_path):
    lines = commands(tmp_path / "x").splitlines()
    assert {text.split()[2] for text in lines} == {each["experiment"] for each in references()}
    each = {text.split()[2]: text for text in lines}
    for text in each.values():
        words = shlex.split(text, comments=True)
        experiment, options = read(experiment_class(words[2]), words[3:])
        assert options.out == tmp_path / "x"
        assert experiment.name == words[2]


def test_what_is_compared_with_a_file_of_ones_own(two, capsys, tmp_path):
    status, out, _ = ended(capsys, "compare", str(two.root))
    assert status == 0
    assert re.search(r"weightspace run freedom\.random --preset \S+ .*--out ", out)
    assert "tickets." not in out
    own = tmp_path / "own.csv"
    own.write_text("experiment,metric,dim,value,n,source\nfreedom.random,test_accuracy,4,0.5,2,ours\n")
    status, out, _ = ended(capsys, "compare", str(two.root), "--reference", str(own), "--format", "csv")
    found = pd.read_csv(pd.io.common.StringIO(out))
    assert (status, list(found["reference"]), list(found["source"])) == (
        0,
        [0.5] * len(found),
        ["ours"] * len(found),
    )
    assert 0.5 in list(found["ours"])


def test_lines_that_nothing_answers_to_are_not_dropped_silently(two, capsys, tmp_path):
    own = tmp_path / "own.csv"
    lines = ("freedom.random,test_accuracy,4,0.5,2,ours", "freedom.random,test_accuracy,77,0.9,2,ours")
    own.write_text("\n".join(("experiment,metric,dim,value,n,source", *lines, "")))
    status, out, err = ended(capsys, "compare", str(two.root), "--reference", str(own), "--format", "csv")
    assert status == 0
    assert set(pd.read_csv(pd.io.common.StringIO(out))["dim"]) == {4}
    assert "1 of the given reference lines have no finished run" in err
    assert re.search(r"weightspace run freedom\.random .*--dims 77", err)
    own.write_text("\n".join(("experiment,metric,dim,value,n,source", lines[0], "")))
    _, _, err = ended(capsys, "compare", str(two.root), "--reference", str(own), "--format", "csv")
    assert "reference lines" not in err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("experiment,metric,value,n,source\n", "holds no line"),
        ("experiment,metric,value,n\nfreedom.random,a,1,1\n", "line 2 of .* has no source; each line needs"),
        ("experiment,metric,value,n,source\nfreedom.randon,a,1,1,s\n", "did you mean 'freedom.random'"),
        (
            "experiment,metric,value,n,source\nfreedom.random,a,much,1,s\n",
            "has value much, which must be a number",
        ),
        (
            "experiment,metric,value,n,source\nfreedom.random,a,1,0,s\n",
            "has n 0, which must be a whole number",
        ),
        (
            "experiment,metric,value,n,source,statistic\nfreedom.random,a,1,1,s,mode\n",
            "statistic mode; it is mean or",
        ),
        (None, "which cannot be read: No such file"),
    ],
)
def test_wrong_reference_files(two, capsys, tmp_path, text, message):
    own = tmp_path / "own.csv"
    if text is not None:
        own.write_text(text)
    status, _, err = ended(capsys, "compare", str(two.root), "--reference", str(own))
    assert (status, err.count("\n")) == (2, 1)
    assert re.search(message, err)


def test_lists_are_a_row_a_line_where_they_are_piped(capsys):
    status, out, _ = ended(capsys, "list")
    assert status == 0
    lines = out.splitlines()
    assert [text.split()[0] for text in lines] == list(names())
    assert max(map(len, lines)) < 240
    assert "not measured" not in out
    _, out, _ = ended(capsys, "list", "optimisers")
    assert not any(text.endswith(" ") for text in out.splitlines())


def test_settings_without_effect_are_refused(capsys):
    status, _, err = ended(capsys, *RANDOM, "--target", "0.8")
    assert status == 2
    assert (
        "target is 0.8, but no runs are spent, so that it would change nothing; give spend=<runs> too" in err
    )
    experiment_class("freedom.random")(spend=3, target=0.8)
    with pytest.raises(InputError, match="target is 0"):
        experiment_class("freedom.random")(target=0.95)


def test_the_papers_of_all_experiments_can_be_cited():
    text = (Path(__file__).parents[2] / "CITATION.cff").read_text()
    papers = {experiment_class(name).paper.title for name in names()} - {""}
    assert len(papers) >= 7
    assert all(f'title: "{title}"' in text for title in papers)


def test_young_statistics_are_told_of():
    """After t steps a share m^t of the statistics is what it was before training."""

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, INPUTS)).astype(np.float32), rng.integers(0, OUTPUTS, 60)
    task = ws.Task(Data(from_arrays(x, y, classes=OUTPUTS)), ws.CrossEntropy())
    model = ws.from_nnx(NnxNet, width=4)
    run = ws.Run(model, task, ws.Full(), ws.Recipe(ws.Sgd(0.1), "1it", batch=16), ws.Seeds(0))
    guess = pd.DataFrame({"run": [run.digest], "test_accuracy": [0.5]})
    (hint,) = of_statistics([run, run], guess)
    assert "after 1 steps 50% of the running statistics" in hint
    assert "momentum 0.5" in hint
    assert of_statistics([run], guess.assign(test_accuracy=0.9)) == []
    longer = ws.Run(model, task, ws.Full(), ws.Recipe(ws.Sgd(0.1), "3it", batch=16), ws.Seeds(0))
    assert of_statistics([longer], guess.assign(run=longer.digest)) == []


def test_p_of_two_pairs_carries_a_caution(capsys):
    def compared(seeds):
        arms = [
            {"arm": a, "seed": s, "status": "ok", "m": a + s * (a + 1) / 7} for a in (0, 1) for s in seeds
        ]
        return between(pd.DataFrame(arms), "arm", ("m",))

    for seeds, count in ((range(2), 1), (range(3), 0), (range(1), 0)):
        frame = compared(seeds)
        print_frame(Console(), frame, "pairs")
        assert capsys.readouterr().out.count("p-values rest on n = 2 pairs") == count
        assert bool(caution(frame)) == bool(count)
    assert caution(pd.DataFrame({"n": [2]})) == ""
    # Of two pairs Student's interval reaches t(0.975; 1) = 12.706 standard errors.
    (line_,) = compared(range(2)).to_dict("records")
    apart = np.array([1.0, 1 + 1 / 7])
    error = apart.std(ddof=1) / np.sqrt(2)
    np.testing.assert_allclose((line_["difference_high"] - line_["difference"]) / error, 12.706, rtol=1e-4)
