"""Benchmarks: big captures made from small ones, and the same question put to us and to a peer in turn."""

from __future__ import annotations
