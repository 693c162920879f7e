"""Payloads of plugin events in part: those of a few events, parsed by themselves, and a search in bytes not parsed.

What is kept with a batch does not refer to it: what refers to itself is freed late.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from scaptools.plugins.events import plugin_events

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.columns import Mask, Rows
    from scaptools.plugins.contract import Payloads

#: What a batch keeps the parsed payloads of all its events under, together with a plugin's name.
PREPARED = "prepared payloads"
#: A selection of at most this share of the payloads is extracted by itself, a larger one from all of them.
SMALL_SHARE = 4
_SELECTED = "selected payloads"
#: Payloads that are searched before all are, to see whether that leaves many out.
_SAMPLE = 256


@dataclass(frozen=True, slots=True)
class SelectedPayloads:
    """Some payloads of a batch: their rows, ascending, and what plugins, by name, made of them."""

    rows: NDArray[np.intp]
    payloads: Payloads
    prepared: dict[str, Any] = field(default_factory=dict)

    def covers(self, rows: NDArray[np.intp]) -> bool:
        """Whether some rows are all among those selected."""
        return bool(np.isin(rows, self.rows, assume_unique=True).all())


def selected_payloads(batch: EventBatch, rows: NDArray[np.intp], readable: NDArray[np.intp]) -> SelectedPayloads:
    """Payloads of at least the rows given, of none but those in ``readable``; all ascending.

    The widest selection asked for so far is kept, as those that follow mostly lie within it.
    """
    known: SelectedPayloads | None = batch.cache.get(_SELECTED)
    if known is not None and known.covers(rows) and np.isin(known.rows, readable, assume_unique=True).all():
        return known
    selected = SelectedPayloads(rows, plugin_events(batch).payloads(batch, rows))
    if known is None or len(known.rows) < len(rows):
        batch.cache[_SELECTED] = selected
    return selected


def payloads_holding(batch: EventBatch, rows: Rows, marks: frozenset[bytes]) -> Mask:
    """Which rows may have payloads that hold one of some byte strings, which are not empty.

    All rows with payloads, where these are parsed already or a sample shows that too few can be left out.
    """
    wanted = np.arange(len(batch))[rows]
    events = plugin_events(batch)
    found = np.isin(wanted, events.rows, assume_unique=True)
    places = np.flatnonzero(found)
    if any(isinstance(key, tuple) and key[0] == PREPARED for key in batch.cache):
        return found
    sample = places[:: max(len(places) // _SAMPLE, 1)]
    if np.count_nonzero(_holding(events.payloads(batch, wanted[sample]), marks)) * SMALL_SHARE > len(sample):
        return found
    found[places] = _holding(events.payloads(batch, wanted[places]), marks)
    return found


def _holding(payloads: Payloads, marks: frozenset[bytes]) -> Mask:
    import pyarrow.compute as pc

    found = np.zeros(len(payloads), bool)
    for pattern in _patterns(marks):
        found |= pc.match_substring_regex(payloads.data, pattern).to_numpy(zero_copy_only=False)
    return found


@lru_cache(maxsize=256)
def _patterns(marks: frozenset[bytes]) -> tuple[str, ...]:
    """Regular expressions, one for backslashes and what follows them, one for everything else.

    RE2 looks for the first byte of an expression where there is only one, which makes a search for what is rare cheap.
    """
    escapes = sorted(mark for mark in marks if mark.startswith(b"\\"))
    others = sorted(marks.difference(escapes))
    # RE2 takes the pattern as Latin-1 for binary data: bytes by their numbers
    return tuple(
        "|".join("".join(f"\\x{byte:02x}" for byte in mark) for mark in some) for some in (others, escapes) if some
    )
