"""Log files that are JSON to the letter and laid out as AWS writes them: their records, by a parser that is exact.

Every function here gives up rather than differ from the lenient way, which reads everything: `split_records` and
`Documents`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from scaptools.plugins.cloudtrail.timestamps import parse_time
from scaptools.plugins.jsontext import grammar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: What AWS writes in front of the records, and behind them; one byte is between two records.
_HEAD: Final = b'{"Records":['
_TAIL: Final = b"]}"
_OBJECT: Final = 0x7B
#: Longest text that is split here: the shortest records a text can have take twenty times its room.
MAX_TEXT: Final = 1 << 26
#: What both names the time and the kind of an event begin with, quote included.
_NAMES: Final = b'"eventT'
#: An escape that a letter of those names could be written as.
_ESCAPED_LETTER: Final = re.compile(rb"\\u00[4-7]")
_ERRORS: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
#: Bytes in which brackets are counted together.
_BRACKETS_WINDOW: Final = 1 << 15


class _Log(msgspec.Struct, rename="pascal", forbid_unknown_fields=True):
    records: list[msgspec.Raw]


class _Event(msgspec.Struct, rename="camel", gc=False):
    event_time: str
    event_type: str


_LOG: Final = msgspec.json.Decoder(_Log)
_EVENT: Final = msgspec.json.Decoder(_Event)


class StrictRecords:
    """The records of one text: where they begin and end, each ``(n,)``, and what the parser has of them."""

    def __init__(self, text: bytes, raws: list[msgspec.Raw], starts: NDArray[np.int64], ends: NDArray[np.int64]):
        self._text = text
        self._bytes = np.frombuffer(text, np.uint8)
        self._raws = raws
        self.starts = starts
        self.ends = ends

    def joined(self, first: int, last: int, kept: NDArray[np.bool_]) -> bytes:
        """Those of the records ``first`` to ``last`` that are ``kept``, put together."""
        raws: Sequence[msgspec.Raw] = self._raws[first:last]
        if not kept.all():
            raws = [raws[row] for row in np.flatnonzero(kept).tolist()]
        return b"".join(raws)

    def times(self, first: int, last: int, *, passed_over: str) -> tuple[NDArray[np.uint64], NDArray[np.bool_]] | None:
        """The times of the records ``first`` to ``last``, and which of them are events of another kind.

        None where there are records that have no time or kind, or might have several, or that may nest too deep.
        """
        start, end = int(self.starts[first]), int(self.ends[last - 1])
        if self._text.count(_NAMES, start, end) != 2 * (last - first):
            return None
        if self._text.find(b"\\", start, end) >= 0 and _ESCAPED_LETTER.search(self._text, start, end):
            return None
        if self._may_be_deep(first, last):
            return None
        try:
            events = list(map(_EVENT.decode, self._raws[first:last]))
        except _ERRORS:
            return None
        texts = [event.event_time for event in events]
        # records of one file share few times
        known = {text: parse_time(text.encode()) for text in set(texts)}
        parsed = list(map(known.__getitem__, texts))
        kept = np.ones(len(events), np.bool_)
        if None in known.values():
            kept &= np.array([time is not None for time in parsed])
            parsed = [time or 0 for time in parsed]
        kinds = [event.event_type for event in events]
        if passed_over in kinds:
            kept &= np.array([kind != passed_over for kind in kinds])
        return np.array(parsed, np.uint64), kept

    def _may_be_deep(self, first: int, last: int) -> bool:
        """Whether one of the records has as many brackets as it takes to nest deeper than the lenient way follows."""
        while first < last:
            reach = int(self.starts[first]) + _BRACKETS_WINDOW
            behind = min(max(int(np.searchsorted(self.ends, reach, "right")), first + 1), last)
            # the bit that differs between [ and { is taken out
            window = self._bytes[self.starts[first] : self.ends[behind - 1]] | np.uint8(0x20)
            brackets = window == _OBJECT
            if np.count_nonzero(brackets) >= grammar.MAX_DEPTH:
                edges = self.starts[first:behind] - self.starts[first]
                if np.add.reduceat(brackets, edges, dtype=np.int64).max() >= grammar.MAX_DEPTH:
                    return True
            first = behind
        return False


def strict_records(text: bytes) -> StrictRecords | None:
    """The records of a text if it is nothing but a list of objects without white space between them, else None."""
    if not text.startswith(_HEAD) or not text.endswith(_TAIL) or len(text) > MAX_TEXT:
        return None
    try:
        raws = _LOG.decode(text).records
    except _ERRORS:
        return None
    sizes = np.fromiter(map(len, raws), np.int64, len(raws))
    ends = len(_HEAD) + np.cumsum(sizes + 1) - 1
    starts = ends - sizes
    # The list may be one of several of that name: only if nothing is left over, they lie where they have to.
    if not len(ends) or ends[-1] + len(_TAIL) != len(text):
        return None
    if not (np.frombuffer(text, np.uint8)[starts] == _OBJECT).all():
        return None
    return StrictRecords(text, raws, starts, ends)
