"""State: which thread, file descriptor, user and container each event is about, as arrays over time."""

from __future__ import annotations
