"""Pickled checkpoints: told by their name and first bytes, and refused: to read one is to run its code."""

from pathlib import Path

from weightspace.errors import DataError

PICKLED = (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle", ".tar")
"""How files are called that PyTorch pickles."""
_BEGINS = (b"PK\x03\x04", b"\x80\x02", b"\x80\x04", b"\x80\x05")


def check_not_pickled(path: str | Path) -> None:
    """Raise for a file that PyTorch pickled: to read one is to run the code in it.

    Args:
      path: Of a checkpoint; by its name and its first bytes.

    Raises:
      DataError: If it is one; the sentence has the two lines that convert it.
    """
    path = Path(path)
    begins = b""
    if path.is_file():
        with path.open("rb") as opened:
            begins = opened.read(4)
    if path.suffix.lower() not in PICKLED and not begins.startswith(_BEGINS):
        return
    # A pickled file of this name is not to be written over.
    pickled = path.suffix.lower() in ("", *PICKLED)
    to = f"{path.stem if pickled else path.name}.safetensors"
    raise DataError(
        f"{path} is a pickled checkpoint, which may run any code when it is read; convert it where you trust "
        "it, with these two lines: `import torch; from safetensors.torch import save_model` and "
        f"`net.load_state_dict(torch.load({path.name!r}, weights_only=True)); save_model(net, {to!r})`"
    )
