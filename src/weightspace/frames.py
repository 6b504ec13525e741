"""The type of a table, for annotations alone: help must not wait for pandas to be imported."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pandas import DataFrame as Frame
else:
    Frame = Any

__all__ = ["Frame"]
