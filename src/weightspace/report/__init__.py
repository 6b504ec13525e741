"""The page of a store, and the comparison with published numbers."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weightspace.report.compare import compare as compare
    from weightspace.report.page import write_report as write_report

__all__ = ["write_report"]


def __getattr__(name: str) -> Any:
    """Loaded on use: a plotting library is no matter of training."""
    if name not in __all__:
        raise AttributeError(f"module 'weightspace.report' has no attribute '{name}'")
    from weightspace.report import page

    return getattr(page, name)
