"""What a file is that was given as data, and how to bring it in."""

from pathlib import Path

from weightspace.errors import DataError

_FACTORY = (
    "write a function that reads it and returns (x, y, x_test, y_test), and give package.module:function"
)
_TABLES = (".csv", ".tsv", ".txt", ".xlsx", ".xls", ".feather", ".arrow", ".orc", ".json", ".jsonl")
_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")
_KINDS = (
    (".parquet",), "is a Parquet file; give the folder that holds train*.parquet and test*.parquet",
    (".npy",), "is one array; save inputs and targets together, np.savez('d.npz', x_train=…, y_train=…)",
    (".pkl", ".pickle", ".joblib"), f"is a pickle, which could run code when read; {_FACTORY}",
    (".pt", ".pth", ".ckpt", ".safetensors"), f"holds tensors of a network library; {_FACTORY}",
    (".mat", ".h5", ".hdf5", ".nc", ".zarr"), f"holds arrays in a format that is not read here; {_FACTORY}",
    _ARCHIVES, "is an archive; unpack it and give the folder",
    (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".tif", ".tiff"),
    "is one image; give the folder with train/<class>/ and test/<class>/",
    (".py",), "is code; name a function in it, package.module:function, that returns (x, y)",
)  # fmt: skip


def check_readable(path: Path) -> None:
    """Refuse a file that is no `.npz`.

    Raises:
      DataError: Says what it is and what to do.
    """
    if path.is_file() and path.suffix.lower() != ".npz":
        raise DataError(f"{path} {advice(path)}")


def advice(path: Path) -> str:
    """`is …; do …` for a file that cannot be read as data.

    >>> print(advice(Path("d.npy")))
    is one array; save inputs and targets together, np.savez('d.npz', x_train=…, y_train=…)
    """
    kind = path.suffix.lower()
    if kind in _TABLES:
        return (
            f"is a table ({kind}), which is not read here; read it with pandas and save "
            f"np.savez('{path.stem}.npz', x_train=…, y_train=…), or {_FACTORY}"
        )
    for endings, what in zip(_KINDS[::2], _KINDS[1::2], strict=True):
        if kind in endings:
            return str(what)
    return f"is of no known kind ({kind or 'no ending'}); allowed are folders and .npz; {_FACTORY}"
