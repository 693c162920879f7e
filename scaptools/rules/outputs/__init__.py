"""Outputs: where alerts go, each in a thread of its own, with a count of what became of every alert."""

from __future__ import annotations
