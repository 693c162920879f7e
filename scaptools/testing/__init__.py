"""Help for tests of code that reads captures: small captures built from values, and rules under test.

Names are imported when they are first used, so that the pytest plugin costs nothing where it is not asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scaptools.testing.builders import CaptureBuilder

__all__ = ["CaptureBuilder"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from scaptools.testing import builders

    return getattr(builders, name)
