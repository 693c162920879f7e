"""Captures as bytes: sources, the block scan, event batches, parameters, the writer and the merge."""

from __future__ import annotations
