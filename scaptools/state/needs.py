"""Needs: the names of what can be asked of state beyond threads."""

from __future__ import annotations

#: Descriptors and paths, counters of memory and page faults, latencies.
FDS, COUNTERS, PAIRING = "fds", "counters", "pairing"
ALL_NEEDS = frozenset({FDS, COUNTERS, PAIRING})
