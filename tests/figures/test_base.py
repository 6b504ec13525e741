import xml.etree.ElementTree as ET

import matplotlib as mpl
import pandas as pd
import pytest

from tests.figures.builders import fill, line, plain_lines, random_experiment
from weightspace.errors import InputError
from weightspace.experiments.draw import draw
from weightspace.figures.arms import arms_of
from weightspace.figures.axes import edges, thinned
from weightspace.store.base import Store

SIGNATURES = {"png": b"\x89PNG\r\n", "svg": b"<?xml", "pdf": b"%PDF-"}


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "out")
    fill(made, random_experiment(), plain_lines())
    return made


def test_files_of_each_format_and_their_numbers(store):
    files = draw(store, "freedom.random", ("png", "svg", "pdf"))
    folder = store.root / "figures" / "freedom.random" / "conv2-digits"
    assert {file.parent for file in files} == {folder}
    for file in files:
        content = file.read_bytes()
        assert content.startswith(SIGNATURES[file.suffix[1:]])
        assert len(content) > 4000
    numbers = pd.read_csv(folder / "accuracy.csv")
    means = numbers[(numbers["statistic"] == "mean") & (numbers["metric"] == "test_accuracy")]
    assert means.set_index("dim")["value"].to_dict() == pytest.approx({4: 0.2, 16: 0.8, 2048: 0.9})
    assert {file.stem for file in files} == {file.stem for file in folder.glob("*.csv")}


def test_equal_results_give_equal_bytes(store, tmp_path):
    other = Store(tmp_path / "other")
    fill(other, random_experiment(), plain_lines(), cohort="another")
    one, two = (draw(each, None, ("svg",)) for each in (store, other))
    assert [file.name for file in one] == [file.name for file in two]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(one, two, strict=True))


def test_text_stays_text_in_svg(store):
    (file,) = [file for file in draw(store, None, ("svg",)) if file.stem == "accuracy"]
    texts = {
        "".join(node.itertext()).strip() for node in ET.parse(file).iter("{http://www.w3.org/2000/svg}text")
    }
    assert {"dimension d", "test accuracy", "random subspace", "512×"} <= texts


def test_the_settings_of_matplotlib_stay_as_they_were(store):
    before = dict(mpl.rcParams)
    draw(store, None, ("svg",))
    assert dict(mpl.rcParams) == before


def test_an_unknown_format_is_refused_before_anything_is_drawn(store):
    with pytest.raises(InputError, match="unknown figure format 'svgg'; did you mean 'svg'"):
        draw(store, None, ("png", "svgg"))
    assert not (store.root / "figures").exists()


def test_an_unknown_experiment_is_refused(store):
    with pytest.raises(InputError, match=r"did you mean 'freedom\.random'"):
        draw(store, "freedom.randon")


def test_questions_that_differ_in_what_they_sweep_share_a_figure(store):
    fill(store, random_experiment(dims=(64,), seeds=(5,)), [line(64, 5, 0.85)], cohort="more")
    draw(store, None, ("svg",))
    folder = store.root / "figures" / "freedom.random"
    numbers = pd.read_csv(folder / "conv2-digits" / "accuracy.csv")
    runs = numbers[(numbers["statistic"] == "run") & (numbers["metric"] == "test_accuracy")]
    assert set(zip(runs["dim"], runs["seed"], strict=True)) >= {(4, 0), (16, 1), (64, 5)}
    assert [path.name for path in folder.iterdir()] == ["conv2-digits"]


def test_a_question_with_another_setting_has_a_folder_of_its_own(store):
    fill(store, random_experiment(epochs=9.0), plain_lines(top=0.6), cohort="more", salt=9)
    draw(store, None, ("svg",))
    folder = store.root / "figures" / "freedom.random"
    found = {path.parent.relative_to(folder).as_posix() for path in folder.rglob("accuracy.csv")}
    assert found == {"conv2-digits", "conv2-digits/epochs=9"}
    later = pd.read_csv(folder / "conv2-digits" / "epochs=9" / "accuracy.csv")
    at_16 = later.query("statistic == 'mean' and dim == 16 and metric == 'test_accuracy'")
    assert at_16["value"].item() == 0.6


def test_runs_without_an_experiment_are_drawn_in_time(tmp_path):
    store = Store(tmp_path / "out")
    fill(store, random_experiment(), plain_lines())
    store.ask("runs", [({"seed": 0}, next(iter(store.records())))], {})
    (file,) = draw(store, "runs", ("svg",))
    assert file.name == "time-accuracy.svg"
    numbers = pd.read_csv(file.with_suffix(".csv"))
    test = numbers[numbers["metric"] == "test_accuracy"].set_index("step")["value"]
    assert test.to_dict() == pytest.approx({0: 0.45, 10: 1.125, 20: 0.9})


def test_arms_are_named_by_what_differs():
    frame = pd.DataFrame(
        {"method": ["random"] * 4, "optimiser": ["adam", "sgd"] * 2, "lr": [0.1, 0.1, 0.2, 0.2]}
    )
    arms = arms_of(frame, ("method", "optimiser", "lr", "noise"))
    assert [arm.name for arm in arms] == [
        "adam, rate 0.1",
        "adam, rate 0.2",
        "sgd, rate 0.1",
        "sgd, rate 0.2",
    ]
    assert len({(arm.colour, arm.marker, arm.dash) for arm in arms}) == 4
    assert arms[2].of(frame).index.tolist() == [1]
    (alone,) = arms_of(frame.iloc[:1], ("method", "optimiser"))
    assert alone.name == "random subspace"


def test_many_arms_look_different():
    frame = pd.DataFrame(
        [{"burn_in": t, "optimiser": o, "lr": r} for t in (0, 4, 16) for o in "ab" for r in (1, 2)]
    )
    arms = arms_of(frame, ("burn_in", "optimiser", "lr"))
    assert len({(arm.colour, arm.dash) for arm in arms}) == 12
    assert len({arm.colour for arm in arms}) == 3


def test_an_arm_without_a_label_is_an_arm_of_its_own():
    frame = pd.DataFrame({"method": ["random", "random"], "noise": [None, 0.2]})
    arms = arms_of(frame, ("method", "noise"))
    assert sorted(arm.of(frame).index.tolist() for arm in arms) == [[0], [1]]


@pytest.mark.parametrize("dims", [[7], [1, 2], [1, 2, 4, 8, 1024], [3, 4, 5, 6, 100]])
def test_cells_touch_and_hold_their_points(dims):
    borders = edges(dims, logarithmic=True)
    assert len(borders) == len(dims) + 1
    assert all(low < dim < high for low, dim, high in zip(borders[:-1], dims, borders[1:], strict=True))


def test_labels_are_thinned_to_what_fits():
    kept = thinned([2**k for k in range(13)], 5)
    assert kept == [1, 8, 64, 512, 4096]
    crowded = thinned([*range(1, 100), 1024], 6)
    assert len(crowded) <= 6
