"""Falco rules: read, checked, compiled, evaluated over captures, and turned into alerts."""

from __future__ import annotations
