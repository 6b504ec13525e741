"""Task: what a run learns, the data and the loss, and which metrics are recorded of it."""

import dataclasses
import functools
from collections.abc import Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from weightspace.code import Code
from weightspace.data.examples import Examples
from weightspace.data.forms import described
from weightspace.errors import InputError, unknown
from weightspace.named import resolve
from weightspace.recipes.custom import CustomLoss, check_per_example, example_shapes
from weightspace.recipes.losses import Loss
from weightspace.recipes.metrics import Metric
from weightspace.spec import Spec, spec, static


@dataclasses.dataclass(frozen=True)
class OneMetric:
    """One of the values that a loss measures, as a function."""

    loss: Loss
    name: str

    def __call__(self, outputs: Array, y: Array) -> Array:
        """Of each example."""
        return self.loss.metrics(outputs, y)[self.name]


@spec
class Task(Spec):
    """Data and loss.

    Attributes:
      data: The examples.
      loss: What is minimised.
      metrics: What is recorded: names of the loss's metrics, functions `(outputs, y) -> one number an
        example` or their `package.module:name`, and metrics of whole sets such as `CalibrationError()`. Empty
        for all of the loss's; `loss` is always among them. No part of the identity, as it changes no number
        of the training.
    """

    data: Examples
    loss: Loss
    metrics: Any = static(default=())

    def __post_init__(self) -> None:
        given: Any = self.metrics
        given = (given,) if isinstance(given, str | Code | Metric) else given
        object.__setattr__(self, "metrics", tuple(_metric(each) for each in given))
        super().__post_init__()

    def validate(self) -> None:
        """Data and a loss, of the right kinds; each metric once."""
        if not isinstance(self.data, Examples):
            raise InputError(f"a task needs Data, not {described(self.data)}; {_data_advice(self.data)}")
        if not isinstance(self.loss, Loss):
            raise InputError(f"a task needs a Loss, not {described(self.loss)}; {_loss_advice(self.loss)}")
        columns = [metric_name(each) for each in self.metrics]
        if any(isinstance(each, Code) and metric_name(each) == "loss" for each in self.metrics):
            raise InputError(
                "a metric of yours is called loss, as is the column of what is minimised; rename the "
                "function, or give it as the loss if it is to be minimised: Task(data, custom_loss(function))"
            )
        if len(set(columns)) < len(columns):
            raise InputError(f"metrics are {', '.join(columns)}, but each name may occur once")

    @functools.cached_property
    def canonical(self) -> dict[str, Any]:
        """All but the metrics."""
        return {name: value for name, value in super().canonical.items() if name != "metrics"}

    @property
    def outputs(self) -> int:
        """How many outputs a model needs."""
        return self.loss.width(self.data)

    def measure(self, outputs: Array, y: Array) -> dict[str, Float[Array, " batch"]]:
        """A value an example for each metric; their weighted means are the metrics. In compiled code.

        They are NaN for an example whose outputs are no numbers (`defined`): its class is not the first.
        """
        own = self.loss.metrics(outputs, y)
        chosen = {"loss": own["loss"]}
        for metric in self.metrics:
            if not isinstance(metric, Metric):
                value = metric(outputs, y) if isinstance(metric, Code) else own[metric]
                chosen[metric_name(metric)] = value
        return defined(outputs, chosen if self.metrics else own)

    def sums(self, outputs: Array, y: Array, share: Float[Array, " batch"]) -> dict[str, Any]:
        """What each metric adds up over examples; `share` is 1 for an example that counts, else 0."""
        values = self.measure(outputs, y)
        found: dict[str, Any] = {
            name: jnp.sum(value.astype(share.dtype) * share) for name, value in values.items()
        }
        summed = [metric for metric in self.metrics if isinstance(metric, Metric)]
        if summed:
            broken = _broken(outputs, values["loss"]).reshape(-1, *[1] * (outputs.ndim - 1))
            outputs = jnp.where(broken, jnp.asarray(jnp.nan, outputs.dtype), outputs)
        return found | {metric.name: metric.sums(outputs, y, share) for metric in summed}

    def values(self, sums: Mapping[str, Any], count: Float[Array, ""]) -> dict[str, Float[Array, ""]]:
        """The metrics of `count` examples, from what `sums` added up."""
        summed = {metric.name: metric for metric in self.metrics if isinstance(metric, Metric)}
        found: dict[str, Float[Array, ""]] = {}
        for name, total in sums.items():
            found |= summed[name].values(total, count) if name in summed else {name: total / count}
        return found

    def check(self, outputs_shape: tuple[int, ...], sizes: Iterable[int] = ()) -> None:
        """Refuse, before anything is traced, what does not fit together.

        Args:
          outputs_shape: The shape of a model's outputs for one example, without the batch.
          sizes: Of the batches on which loss and metrics are computed; the user's are tried on such.

        Raises:
          DataError: If the data cannot be trained on.
          InputError: If data, loss, outputs and metrics do not fit.
        """
        self.data.check()
        self.loss.check(self.data, outputs_shape)
        known, sizes = self.known_metrics(outputs_shape), tuple(sizes)
        for what, function in self._of_users(known).items():
            check_per_example(function, what, self.data, outputs_shape, sizes)
        for metric in self.metrics:
            if isinstance(metric, Metric):
                metric.check(self.data, outputs_shape)
            elif not isinstance(metric, Code) and metric not in known:
                raise unknown(f"metric of {self.loss.name}", metric, known)

    def _of_users(self, known: Iterable[str]) -> dict[str, Any]:
        """The functions that are not ours, by what they are called."""
        found: dict[str, Any] = {}
        if isinstance(self.loss, CustomLoss):
            found[f"loss {self.loss.name}"] = self.loss.code
        elif not type(self.loss).__module__.startswith("weightspace."):
            found |= {f"{self.loss.name}: {name}": OneMetric(self.loss, name) for name in known}
        codes = [metric for metric in self.metrics if isinstance(metric, Code)]
        return found | {f"metric {metric_name(metric)}": metric for metric in codes}

    def recorded(self, outputs_shape: tuple[int, ...]) -> tuple[str, ...]:
        """The names of all metrics."""
        if not self.metrics:
            return self.known_metrics(outputs_shape)
        outputs, y = example_shapes(self.data, outputs_shape)
        share = jax.ShapeDtypeStruct(outputs.shape[:1], outputs.dtype)
        total = jax.ShapeDtypeStruct((), outputs.dtype)
        found = jax.eval_shape(
            lambda *given: self.values(self.sums(*given[:3]), given[3]), outputs, y, share, total
        )
        return ("loss", *(name for name in found if name != "loss"))

    def known_metrics(self, outputs_shape: tuple[int, ...]) -> tuple[str, ...]:
        """The names of the loss's own metrics on this data."""
        return _metrics_of(self.loss, *example_shapes(self.data, outputs_shape))


@functools.lru_cache(maxsize=256)
def _metrics_of(loss: Loss, outputs: Any, y: Any) -> tuple[str, ...]:
    """Asked of every run of a sweep; the loss itself is asked once."""
    return tuple(jax.eval_shape(loss.metrics, outputs, y))


def _data_advice(given: Any) -> str:
    if isinstance(given, str):
        return f"make it with make_data({given!r})"
    return (
        "make it of a source, Data(source)" if hasattr(given, "loaded") else "Data(from_arrays(x, y)) is one"
    )


def _loss_advice(given: Any) -> str:
    if isinstance(given, str):
        return f"make it with make_loss({given!r})"
    if isinstance(given, type) and issubclass(given, Loss):
        return f"make one, {given.__name__}()"
    return "make it of your function with custom_loss" if callable(given) else "CrossEntropy() is one"


def defined(outputs: Array, values: Mapping[str, Array]) -> dict[str, Float[Array, " batch"]]:
    """Values an example: NaN where its outputs hold NaN, or infinity of which the loss is not finite either.

    That loss itself stays, as infinity where it is.
    """
    undefined = jnp.any(jnp.isnan(outputs.reshape(outputs.shape[0], -1)), axis=1)
    broken = _broken(outputs, values["loss"]) if "loss" in values else undefined
    return {
        name: jnp.where(undefined if name == "loss" else broken, jnp.asarray(jnp.nan, value.dtype), value)
        for name, value in values.items()
    }


def _broken(outputs: Array, loss: Array) -> Bool[Array, " batch"]:
    """Examples whose outputs hold NaN, or infinity of which the loss is not finite either."""
    flat = outputs.reshape(outputs.shape[0], -1)
    infinite = ~jnp.isfinite(loss) & ~jnp.all(jnp.isfinite(flat), axis=1)
    return jnp.any(jnp.isnan(flat), axis=1) | infinite


def _metric(given: Any) -> str | Code | Metric:
    if isinstance(given, Metric):
        return given
    if isinstance(given, str | Code):
        return Code(resolve(given)) if isinstance(given, str) and ":" in given else given
    return Code(given)


def metric_name(metric: str | Code | Metric) -> str:
    """A metric's column name: its own, or its function's."""
    if isinstance(metric, str | Metric):
        return metric if isinstance(metric, str) else metric.name
    return metric.identity["code"].rpartition(":")[2].rpartition(".")[2]
