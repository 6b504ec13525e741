"""Task: what a run learns, the data and the loss, and which metrics are recorded of it."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from weightspace.code import Code
from weightspace.data.examples import Examples
from weightspace.data.forms import described
from weightspace.errors import InputError, unknown
from weightspace.named import resolve
from weightspace.recipes.custom import check_per_example, example_shapes
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

        All of them are NaN for an example whose outputs hold NaN: its class is not the first of them.
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
        found: dict[str, Any] = {
            name: jnp.sum(value.astype(share.dtype) * share)
            for name, value in self.measure(outputs, y).items()
        }
        summed = [metric for metric in self.metrics if isinstance(metric, Metric)]
        return found | {metric.name: metric.sums(outputs, y, share) for metric in summed}

    def values(self, sums: Mapping[str, Any], count: Float[Array, ""]) -> dict[str, Float[Array, ""]]:
        """The metrics of `count` examples, from what `sums` added up."""
        summed = {metric.name: metric for metric in self.metrics if isinstance(metric, Metric)}
        found: dict[str, Float[Array, ""]] = {}
        for name, total in sums.items():
            found |= summed[name].values(total, count) if name in summed else {name: total / count}
        return found

    def check(self, outputs_shape: tuple[int, ...]) -> None:
        """Refuse, before anything is traced, what does not fit together.

        Args:
          outputs_shape: The shape of a model's outputs for one example, without the batch.

        Raises:
          DataError: If the data cannot be trained on.
          InputError: If data, loss, outputs and metrics do not fit.
        """
        self.data.check()
        self.loss.check(self.data, outputs_shape)
        known = self.known_metrics(outputs_shape)
        if not type(self.loss).__module__.startswith("weightspace."):
            for name in known:
                check_per_example(
                    OneMetric(self.loss, name), f"{self.loss.name}: {name}", self.data, outputs_shape
                )
        for metric in self.metrics:
            if isinstance(metric, Code):
                check_per_example(metric, f"metric {metric_name(metric)}", self.data, outputs_shape)
            elif isinstance(metric, Metric):
                metric.check(self.data, outputs_shape)
            elif metric not in known:
                raise unknown(f"metric of {self.loss.name}", metric, known)

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
        return tuple(jax.eval_shape(self.loss.metrics, *example_shapes(self.data, outputs_shape)))


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
    """Values an example, NaN where its outputs hold NaN."""
    undefined = jnp.any(jnp.isnan(outputs.reshape(outputs.shape[0], -1)), axis=1)
    return {
        name: jnp.where(undefined, jnp.asarray(jnp.nan, value.dtype), value) for name, value in values.items()
    }


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
