"""Fields: what filters and formats can ask of an event, each one declaration."""

from __future__ import annotations
