"""Fault 31: a wrong kind of data is answered in one sentence that says what it is and what to do."""

from pathlib import Path

import numpy as np
import pytest

import weightspace as ws
from weightspace.cli import main
from weightspace.data import Data, Digits, Folder, from_arrays, make_data
from weightspace.errors import DataError, InputError

KINDS = {
    "d.csv": r"is a table \(.csv\), .* np.savez\('d.npz', x_train",
    "d.tsv": r"is a table \(.tsv\)",
    "d.xlsx": r"is a table \(.xlsx\)",
    "d.json": r"is a table \(.json\)",
    "d.pkl": "is a pickle, which could run code when read",
    "d.npy": "is one array; save inputs and targets together",
    "d.pt": "tensors of a network library; write a function",
    "d.h5": "format that is not read here",
    "d.tar.gz": "is an archive; unpack it",
    "d.parquet": r"is a Parquet file; give the folder",
    "d.png": "is one image; give the folder",
    "d.py": "is code; name a function in it",
    "d.xyz": r"of no known kind \(.xyz\)",
    "d": r"of no known kind \(no ending\)",
}


@pytest.mark.parametrize("name", KINDS)
def test_files_of_other_kinds(tmp_path, name):
    (tmp_path / name).write_text("1,2,3\n")
    for refused in (lambda: make_data(tmp_path / name), Folder(str(tmp_path / name)).load):
        with pytest.raises(DataError, match=KINDS[name]):
            refused()
    if name not in ("d.parquet", "d.png"):
        folder = tmp_path / "folder"
        folder.mkdir()
        (folder / name).write_text("1,2,3\n")
        if name != "d.py":
            with pytest.raises(DataError, match=r"no data set of a known layout.*it holds .*: the first"):
                Folder(str(folder)).load()


def test_on_the_command_line(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("d.csv").write_text("1,2,3\n")
    for data, message in (
        ("./d.csv", "is a table (.csv)"),
        ("./e.csv", "there is no folder or file ./e.csv; did you mean d.csv?"),
        ("./folder", "there is no folder or file ./folder;"),
        ("minst", "did you mean 'mnist'?"),
        ("", "unknown data set ''"),
    ):
        assert (
            main(["run", "freedom.random", "--data", data, "--dims", "4", "--seeds", "1", "--epochs", "1"])
            == 2
        )
        error = capsys.readouterr().err
        assert message in error
        assert len(error.strip().splitlines()) == 1


X = np.zeros((20, 2), np.float32)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "make_data is given None; give a name, a folder or a factory"),
        (3, "make_data is given 3; give a name"),
        (X, r"given ndarray of shape \[20, 2\]; make a source of arrays, Data\(from_arrays\(x, y\)\)"),
        ((X, X), "given tuple of 2; make a source of arrays"),
    ],
)
def test_objects_instead_of_a_name(given, message):
    with pytest.raises(InputError, match=message):
        make_data(given)


def test_sets_and_sources_are_taken_as_they_are():
    assert make_data(Digits()) == Data(Digits())
    assert make_data(Data(Digits(), normalise="unit"), subset=9) == Data(Digits(), normalise="unit", subset=9)


@pytest.mark.parametrize(
    ("data", "loss", "message"),
    [
        (
            X,
            ws.CrossEntropy(),
            r"needs Data, not ndarray of shape \[20, 2\]; Data\(from_arrays\(x, y\)\) is one",
        ),
        ("digits", ws.CrossEntropy(), r"not 'digits'; make it with make_data\('digits'\)"),
        (Digits(), ws.CrossEntropy(), r"not Digits; make it of a source, Data\(source\)"),
        (Data(Digits()), "mse", r"needs a Loss, not 'mse'; make it with make_loss\('mse'\)"),
        (Data(Digits()), ws.CrossEntropy, r"make one, CrossEntropy\(\)"),
        (Data(Digits()), lambda o, _: o, "of your function with custom_loss"),
    ],
)
def test_parts_of_a_task(data, loss, message):
    task = object.__new__(ws.Task)
    for name, value in (("data", data), ("loss", loss), ("metrics", ())):
        object.__setattr__(task, name, value)
    with pytest.raises(InputError, match=message):
        task.validate()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (X, r"not ndarray of shape \[20, 2\]; from_arrays\(x, y\) makes one"),
        ("mnist", r"not 'mnist'; make_data\('mnist'\) makes one"),
        (Data(Digits()), "not Data; it is a data set already"),
    ],
)
def test_parts_of_data(source, message):
    data = object.__new__(Data)
    object.__setattr__(data, "source", source)
    with pytest.raises(InputError, match=message):
        data.validate()


def test_no_arrays():
    with pytest.raises(DataError, match=r"must be class numbers or floats, but are objects \(NoneType\)"):
        from_arrays(X, None)
    with pytest.raises(DataError, match=r"must be real numbers, but are text \(mnist\)"):
        from_arrays("mnist", X)
