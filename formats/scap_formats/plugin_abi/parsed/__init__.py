"""The headers as cffi reads them, written by `scap_formats.plugin_abi.parse`."""

from __future__ import annotations
