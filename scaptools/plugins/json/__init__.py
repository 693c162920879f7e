"""JSON payloads of any source: a built-in plugin that reads values by JSON pointer."""

from __future__ import annotations

from scaptools.plugins.json.plugin import JsonPlugin

__all__ = ["JsonPlugin"]
