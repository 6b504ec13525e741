"""Load: a stored run's network back in the hands that made it, with its weights and statistics.

A folder names code and never runs it: a network of one's own is given here, as the run of one's script or as
the model; networks of the zoo are made again from what the folder says of them.
"""

import contextlib
import dataclasses
import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from weightspace import platform
from weightspace.derived.region import Points
from weightspace.errors import InputError, NoResultWarning, StoreError
from weightspace.measure.host import keeps_statistics, measure, renewed, stacked, with_state
from weightspace.measure.network import FLOAT32, Network, Subject, forward
from weightspace.models.base import Model, example, input_dtype_of
from weightspace.models.zoo import class_of_kind
from weightspace.node import Output, fill, outputs_in
from weightspace.precision import Precision
from weightspace.probes.snapshot import Snapshot
from weightspace.run import Run
from weightspace.spec import canonical_json
from weightspace.store.base import Store
from weightspace.store.chosen import chosen_output, run_named
from weightspace.store.read import opened
from weightspace.store.rows import NETWORK
from weightspace.tree import flat_dict

if TYPE_CHECKING:
    Folder = str | Path | Store
    Asked = Run | str
    Given = Model | None
else:
    # What is not of these types is answered in a sentence, also where types are checked at run time.
    Folder = Asked = Given = Any


@dataclasses.dataclass(frozen=True)
class Loaded:
    """A network as a run left it.

    Attributes:
      run: The run's digest.
      model: The network.
      weights: Its weights.
      state: Its state: normalisation statistics and the like.
      shape: Of one example.
      precision: The arithmetic that it was trained in.
      status: `ok`; of a run that diverged the weights are those where it came to rest.
      shift: With `scale`, how inputs are decoded: (x − shift) · scale, from raw ones; None for 0.
      scale: None for 1.
      asked: The run, where it was given.
    """

    run: str
    model: Model
    weights: Any
    state: Any
    shape: tuple[int, ...]
    precision: Precision = FLOAT32
    status: str = "ok"
    shift: Any = None
    scale: Any = None
    asked: Run | None = None

    @property
    def module(self) -> Any:
        """The network as its own library knows it, in evaluation mode.

        An `nnx.Module`; an `nn.Module` of PyTorch, which takes images channels first; an `eqx.Module`, with
        its state where it has one; a Linen module and its variables; the weights of functions, with their
        state where they take one. It takes decoded inputs.
        """
        with self._arithmetic():
            blank = jnp.zeros((1, *self.shape), self.precision.storage)
            return self.model.assembled(self.weights, self.state, blank)

    def decoded(self, x: Any) -> Any:
        """Raw inputs as the network takes them: (x − shift) · scale."""
        x = np.asarray(x)
        if self.shift is None and self.scale is None:
            return jnp.asarray(x)
        shift, scale = (plain if value is None else np.asarray(value) for value, plain in
                        ((self.shift, 0.0), (self.scale, 1.0)))  # fmt: skip
        with self._arithmetic():
            return jnp.asarray((x.astype(np.float64) - shift) * scale, self.precision.storage)

    def __call__(self, x: Any) -> Any:
        """Outputs [n, …] of raw inputs [n, …] at test time.

        Raises:
          InputError: If inputs are of another shape.
        """
        if tuple(np.shape(x)[1:]) != self.shape:
            raise InputError(
                f"inputs are of shape {tuple(np.shape(x))}, but this network takes (n, "
                f"{', '.join(map(str, self.shape))})"
            )
        key = jax.random.key(0, impl="threefry2x32")
        with self._arithmetic():
            network = Network(self.weights, self.state)
            return forward(cast(Any, self), network, self.decoded(x), train=False, key=key)[0]

    def measure(self, split: str = "test", statistics: str = "running") -> dict[str, float]:
        """`<split>_<metric>` of the run's own data, as they are recorded.

        Raises:
          InputError: If the run itself was not given, whose data they are; or there is no such split.
        """
        if self.asked is None:
            raise InputError(
                "metrics need the run's data: load the run itself, ws.load(OUT, run), and not its digest"
            )
        run = self.asked
        subject = Subject(run.model, run.task, run.seeds, run.precision)
        networks = stacked([Network(self.weights, self.state)])
        found = measure(subject, networks, {split: None}, statistics)
        return {name: float(values[0]) for name, values in found.items()}

    def _arithmetic(self) -> contextlib.AbstractContextManager[None]:
        return platform.arithmetic(self.precision.storage, self.precision.matmul)


def load(
    out: Folder, run: Asked, model: Given = None, *, output: str | None = None, at: str | None = None
) -> Loaded:
    """A stored run's network.

    >>> ws.load("out", run).module  # doctest: +SKIP

    Args:
      out: The folder of results.
      run: The run, as your script makes it; or its digest in the table, or the beginning of it.
      model: For a digest, the network, if it is one of your own.
      output: Which of the networks kept, by its key; None takes the only one, or that at the end.
      at: Point of a region, such as `"0.25"` of a line; its statistics are estimated anew on training
        examples. None takes the weights that were kept.

    Returns:
      The network.

    Raises:
      StoreError: If there is no such run, or none of its networks was kept.
      InputError: If it is not clear which is meant, the model is another one than the run's, or its space has
        no such point.
    """
    store = opened(out)
    asked = run if isinstance(run, Run) else None
    digest = asked.digest if asked else run_named(store, _text(run))
    if digest not in store.records():
        raise StoreError(
            f"{store.root} has no result of this run ({digest[:12]}); ws.sweep([run], OUT) trains it, and "
            "one setting that differs makes it another run"
        )
    spec = json.loads(store.spec(digest))
    if spec.get("kind") != "run.Run":
        raise InputError(f"{digest[:12]} is a {spec.get('kind')} and no training; give the digest of a run")
    told = store.output(digest, NETWORK) if NETWORK in store.record(digest).outputs else {}
    found = asked.model if asked else model_of(spec["model"], model)
    shape = tuple(asked.task.data.shape) if asked else shape_of(found, told)
    precision = Precision(spec["precision"]["dtype"], spec["precision"]["matmul"])
    with platform.arithmetic(precision.storage, precision.matmul):
        network = _point(store, asked, at) if at is not None else _kept(store, digest, output, found, shape)
    status = store.record(digest).status
    if status != "ok":
        warnings.warn(
            NoResultWarning(f"{digest[:12]} is {status}; its weights are those where it came to rest"),
            stacklevel=2,
        )
    return Loaded(
        digest, found, *network, shape=shape, precision=precision, status=status,
        shift=told.get("shift"), scale=told.get("scale"), asked=asked,
    )  # fmt: skip


def _kept(store: Store, digest: str, output: str | None, model: Model, shape: tuple[int, ...]) -> Network:
    """Weights and state as they were stored."""
    outputs = store.record(digest).outputs
    key = chosen_output(digest, frozenset(k for k in outputs if k.endswith("weights")), output)
    weights, beside = store.output(digest, key), key.removesuffix("weights") + "state"
    if beside in outputs:
        return Network(*jax.tree.map(jnp.asarray, (weights, store.output(digest, beside))))
    blank = example(shape, input_dtype_of(model, shape))
    state = jax.eval_shape(model.init, jax.eval_shape(lambda: jax.random.key(0)), blank)[1]
    if jax.tree.leaves(state):
        raise StoreError(
            f"'{key}' of {digest[:12]} was kept without the network's state ({', '.join(flat_dict(state))}); "
            "train it again with --keep final"
        )
    return Network(jax.tree.map(jnp.asarray, weights), state)


def _point(store: Store, run: Run | None, name: str) -> Network:
    """Weights at a point of a region, and statistics of their own."""
    if run is None:
        raise InputError("points of a region need its space and data: give the run itself, not its digest")
    points = Points.of(run, (name,))  # refuses spaces without points, and runs whose masks change
    outputs, key = store.record(run.digest).outputs, Snapshot("end", coordinates=True).key
    if f"{key}.coordinates" not in outputs:
        raise StoreError(
            f"the coordinates of {run.digest[:12]}, from which its points are had, were not kept; train it "
            "again with keep='final'"
        )
    state = store.output(run.digest, f"{key}.state") if f"{key}.state" in outputs else None
    coordinates = store.output(run.digest, f"{key}.coordinates")
    space = fill(points.space, {each: _taken(store, each) for each in outputs_in(points.space)})
    points = dataclasses.replace(points, space=space, coordinates=coordinates, state=None)
    weights, subject = points.weights(), Subject(run.model, run.task, run.seeds, run.precision)
    if state is not None:
        state = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], state)
    networks = with_state(subject, Network(weights, state))
    if keeps_statistics(run.model, tuple(run.task.data.shape)):
        networks = renewed(subject, networks)
    return Network(*jax.tree.map(lambda leaf: leaf[0], tuple(networks)))


def _taken(store: Store, output: Output) -> Any:
    """What a space takes of another node: a mask, weights from which a vertex began."""
    record = store.records().get(output.of.digest)
    if record is None or output.key not in record.outputs:
        raise StoreError(
            f"'{output.key}' of {output.of.digest[:12]}, which the run's space is made of, is not in the "
            "store any more; the same sweep again makes it"
        )
    return store.output(output.of.digest, output.key)


def model_of(told: dict[str, Any], given: Any) -> Model:
    """The network that a spec tells of: given, or of the zoo."""
    if given is not None:
        if not isinstance(given, Model):
            raise InputError(
                f"model is {given!r:.60} of type {type(given).__name__}; wrap it as for training, as in "
                "model=ws.from_nnx(Net)"
            )
        if json.loads(canonical_json(given)) != told:
            raise InputError(
                f"the model given ({given.name}) is not the one that was trained: its code or a setting "
                f"differs ({_differs(told, json.loads(canonical_json(given)))})"
            )
        return given
    kind = str(told.get("kind"))
    if not kind.startswith("models.") or "code" in told:
        raise InputError(
            "this run's network is one of your own, and a folder's code is never run: give the run itself, "
            "or model=ws.from_nnx(Net) as it was trained"
        )
    fields = {name: tuple(value) if isinstance(value, list) else value for name, value in told.items()}
    made = class_of_kind(kind)(**{name: fields[name] for name in fields if name not in ("kind", "version")})
    if json.loads(canonical_json(made)) != told:
        raise StoreError(f"this version of weightspace makes another {kind} than the one that was trained")
    return made


def _differs(one: dict[str, Any], other: dict[str, Any]) -> str:
    names = sorted(name for name in {*one, *other} if one.get(name) != other.get(name))
    return ", ".join(names)


def shape_of(model: Any, told: dict[str, Any]) -> tuple[int, ...]:
    """Of one example."""
    if "shape" in told:
        return tuple(map(int, told["shape"]))
    if hasattr(model, "shape"):
        return tuple(model.shape)
    raise StoreError("this folder does not say of which shape the inputs were; give the run itself")


def _text(run: Any) -> str:
    if isinstance(run, str):
        return run
    raise InputError(
        f"load was given {run!r:.60} of type {type(run).__name__}; give the run, or its digest, the column "
        "`run` of the table"
    )
