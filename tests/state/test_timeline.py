"""Timelines against the last write one finds by looking through all of them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scaptools.state.timeline import ABSENT, BEFORE, KeyCodes, Timeline

KEYS = st.one_of(st.integers(-3, 6), st.integers(-(1 << 62), 1 << 62))
WRITES = st.lists(st.tuples(KEYS, st.integers(BEFORE, 9), st.integers(0, 99)), max_size=30)
QUERIES = st.lists(st.tuples(KEYS, st.integers(BEFORE, 12)), max_size=20)


@given(WRITES, QUERIES)
def test_finds_the_last_write_at_or_before_a_position(
    writes: list[tuple[int, int, int]], queries: list[tuple[int, int]]
) -> None:
    queries = [*queries, *((key, position) for key, position, _ in writes)]
    columns = np.array(writes, np.int64).reshape(-1, 3).T
    asked = np.array(queries, np.int64).reshape(-1, 2).T
    timeline = Timeline(*columns)
    found = timeline.find(*asked).tolist()
    written = timeline.values_at(timeline.find_writes(*asked)).tolist()
    for (key, position), value, by_write in zip(queries, found, written, strict=True):
        earlier = [(at, order, each) for order, (k, at, each) in enumerate(writes) if k == key and at <= position]
        assert value == by_write == (max(earlier)[2] if earlier else ABSENT)


@given(st.lists(KEYS), st.lists(KEYS))
def test_codes_are_ranks(keys: list[int], asked: list[int]) -> None:
    codes = KeyCodes(np.array(keys, np.int64))
    ranks = {key: rank for rank, key in enumerate(sorted(set(keys)))}
    assert codes.find(np.array(asked, np.int64)).tolist() == [ranks.get(key, ABSENT) for key in asked]
    assert len(codes) == len(ranks)
