"""What other tools call a flag: answered with the flag of this one, or with what stands in its place.

Only flags that the command has are named, so that `--batch` is no advice where there are no batches.
"""

from collections.abc import Iterable

_CALLED = {
    "batch-size": "batch bs batchsize minibatch mini-batch minibatch-size train-batch-size",
    "data": "dataset data-set data-dir data-path task",
    "dims": "dim d dimension dimensions intrinsic-dim rank",
    "dry-run": "plan estimate dryrun no-run",
    "dtype": "precision float-type data-type",
    "epochs": "epoch num-epochs n-epochs max-epochs num-train-epochs train-epochs",
    "eval-every": "eval-interval eval-steps evaluate-every eval-freq log-every log-interval",
    "experiments": "plugin plugins module modules",
    "format": "fmt output-format figure-format",
    "lanes": "workers num-workers n-jobs jobs parallel threads",
    "mask_layers": "layers masked-layers masked-layer-indices layer",
    "lr": "learning-rate learningrate lrate eta step-size base-lr",
    "lrs": "learning-rates learning-rate lr",
    "model": "arch architecture net network model-name backbone",
    "optimiser": "optimizer opt optim",
    "out": "output output-dir out-dir outdir save-dir log-dir logdir results folder dir",
    "seeds": "seed num-seeds n-seeds random-seed random-state repeats runs",
    "to": "output out file save save-to",
    "validation": "val val-size val-split valid validation-size validation-split n-val",
    "weight-decay": "wd decay l2 weightdecay",
    "widths": "width hidden hidden-size units",
    "yes": "y force no-confirm no-input",
}
"""The last part of a flag of ours, and its names elsewhere."""

_INSTEAD = {
    "device devices gpu gpus cuda cpu no-cuda use-gpu accelerator": (
        "JAX chooses the device: set JAX_PLATFORMS=cpu or JAX_PLATFORMS=cuda before the command"
    ),
    "resume continue restart": "the same command with the same --out resumes by itself",
    "verbose quiet log-level": "the table is printed, and weightspace status OUT tells of the runs",
    "overwrite clobber": "nothing stored is overwritten; give another --out, or remove the folder",
    "tensorboard tb tensorboardx": "weightspace export OUT --to tensorboard writes its files afterwards",
    "wandb": "histories are in the folder; weightspace results OUT --format csv has the table",
}
"""Flags of other tools that have none here, and what there is instead."""


def meant(flag: str, known: Iterable[str]) -> str | None:
    """What a flag of another tool is here: the end of a sentence; None where nobody calls it so.

    >>> meant("--learning-rate", ("--lr", "--lanes"))
    'here it is --lr'

    Args:
      flag: As it was given, with its dashes.
      known: The flags of the command, with theirs; those of settings may be paths.
    """
    called = flag.strip("-").replace("_", "-").lower()
    names = [name.removeprefix("--") for name in known]
    for ours, others in _CALLED.items():
        there = [name for name in names if name.rpartition(".")[2] == ours]
        if there and called in others.split():
            return "here it is " + " or ".join(f"--{name}" for name in sorted(there))
    return next((instead for others, instead in _INSTEAD.items() if called in others.split()), None)
