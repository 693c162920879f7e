"""Looking ahead: the first event that matches, searched by several processes at once, each in a part of the capture.

For filters that need no state and ask for nothing that counts from the beginning.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scaptools.capture.reader import Part
from scaptools.shares import in_order, useful_shares

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    import numpy as np
    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.capture.reader import CaptureReader
    from scaptools.shares import Share

    #: The rows of a batch that match.
    Select = Callable[[EventBatch], NDArray[np.intp]]

#: Blocks begin at multiples of this, as long as nobody wrote an odd one.
_ALIGNMENT = 4
#: Bytes looked at together: what a processor has at hand, as all that is found is read once more or not at all.
_WINDOW_BYTES = 4 << 20
#: Smaller captures are searched before another process is at work.
_WORTH_SHARING = 96 << 20


@dataclass(frozen=True, slots=True)
class Searched:
    """What a process found in its part, whose blocks were those from ``begin`` to ``end``.

    ``match`` is the number of the first event that matches, from 1 for the first event of the part; 0 where none does.
    What the part says counts only if it is ``sound``: nothing in it is damaged, unknown or of another section.
    """

    begin: int
    end: int
    events: int
    match: int
    sound: bool


def worth_sharing(reader: CaptureReader) -> bool:
    """Whether a capture is large enough for several processes to search it."""
    return (reader.size or 0) >= _WORTH_SHARING


def first_in_parts(reader: CaptureReader, select: Select) -> int | None:
    """The number of the first event that matches, 0 where none does; None where only a whole pass can tell.

    ``select`` must depend neither on the numbers of events nor on which batches it saw before.
    """
    size = reader.size or 0
    count = useful_shares() if worth_sharing(reader) else 1
    if count == 1:
        return None
    bounds = [index * size // count // _ALIGNMENT * _ALIGNMENT for index in range(count)]

    def work(share: Share) -> Generator[Iterable[bytes], None, None]:
        begin = reader.boundary(bounds[share.index]) if share.index else 0
        stop = bounds[share.index + 1] if share.index + 1 < count else None
        if begin is not None:
            yield [pickle.dumps(_search(reader, select, Part(begin, stop)))]

    end = events = 0
    answers = in_order(work, count)
    try:
        for answer in answers:
            searched: Searched = pickle.loads(answer)  # noqa: S301 - from a fork of this process
            if not searched.sound or (end and searched.begin != end):
                return None
            if searched.match:
                return events + searched.match
            end, events = searched.end, events + searched.events
    finally:
        answers.close()
    return 0 if end == size else None


def _search(reader: CaptureReader, select: Select, part: Part) -> Searched:
    """Search one part, up to the first match."""
    events = match = 0
    for batch in reader.batches_of_part(part, _WINDOW_BYTES):
        rows = select(batch)
        if len(rows):
            match = batch.first_number + int(rows[0])
            break
        events += len(batch)
    sound = not reader.damage and len(reader.sections) == 1 and not reader.unknown_events
    return Searched(part.start, reader.decompressed_bytes, events, match, sound)
