"""Subsets: captures of some of another's events, with what is needed to understand them."""

from __future__ import annotations
