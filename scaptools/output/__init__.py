"""Output: events as lines of text, JSON and tables, whole columns at a time."""

from __future__ import annotations
