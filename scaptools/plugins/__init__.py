"""Plugins: the contract, the host, and the ones that come built in."""

from __future__ import annotations
