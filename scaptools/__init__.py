"""Falco/sysdig capture files (``.scap``): read, filter, record plugin streams, export.

Everything public comes from here; names are imported when they are first used, so that ``import scaptools`` is cheap.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from scaptools._version import __version__

if TYPE_CHECKING:
    from scaptools.api import Capture, Event, open_capture
    from scaptools.capture.merge import merge_captures
    from scaptools.capture.writer import CaptureWriter
    from scaptools.errors import ScapError
    from scaptools.record import record

_HOMES = {
    "Capture": "scaptools.api",
    "CaptureWriter": "scaptools.capture.writer",
    "Event": "scaptools.api",
    "ScapError": "scaptools.errors",
    "merge_captures": "scaptools.capture.merge",
    "open_capture": "scaptools.api",
    "record": "scaptools.record",
}

__all__ = [
    "Capture",
    "CaptureWriter",
    "Event",
    "ScapError",
    "__version__",
    "merge_captures",
    "open_capture",
    "record",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
