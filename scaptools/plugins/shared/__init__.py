"""Plugins in shared libraries: every API generation, each in a process of its own unless asked otherwise."""

from __future__ import annotations
