"""The block scan: every block boundary of a window, found with array operations.

Walking block by block is a chain of dependent loads that Python cannot run fast. Instead every 4-byte word that looks
like a known block type is a *candidate*; a candidate stays if its length is sane and stands again in the trailer that
ends the block; and a candidate counts if a block before it ends where it begins. The last rule throws out what merely
looks like a block inside a payload. Only where the chain does not close (unknown block types, odd sizes, damage) one
block is looked at by itself, and after damage the next trustworthy chain is picked up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from scap_formats.blocks import BLOCKS, FRAME_SIZE, HEAD_SIZE, BlockType
from scap_formats.dtypes import event_block_dtype
from scap_formats.section import MAGIC

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Bytes: TypeAlias = NDArray[np.uint8]
    Offsets: TypeAlias = NDArray[np.int64]

ByteOrder: TypeAlias = Literal["little", "big"]

#: Words scanned at a time: with its temporaries a piece stays in the processor's cache.
_PIECE_WORDS = 1 << 16
#: Closed links that make a chain trustworthy after damage.
_TRUSTED_LINKS = 3
#: Bytes of a window without any chain that are kept for the next one, in case a chain starts there.
_DAMAGE_OVERLAP = 1 << 18

#: Bytes of an incomplete block from which on its length is doubted.
_PATIENCE = 1 << 20

#: Bytes from a block's start to its event's type, which takes the second half of a word.
_EVENT_TYPE_AT = event_block_dtype(has_nparams=False, has_flags=False).fields["type"][1]  # type: ignore[index]
_WORD_BYTES = 4

# The released block types lie close together, so one subtraction and one comparison find them all. The section
# header and the pre-release numbers are rare and come in by the way of single blocks.
_DENSE = [kind for kind in BLOCKS if kind < 0x1000]
_DENSE_FIRST = np.uint32(min(_DENSE))
_DENSE_SPAN = np.uint32(max(_DENSE) - min(_DENSE) + 1)
_WORD_SHIFT = np.uint32(2)
_WORD_REST = np.uint32(3)
_SHORTEST = np.uint32(FRAME_SIZE)
#: A section header's type reads the same in both byte orders; its magic does not.
_HEADER_TYPE = BlockType.SHB.to_bytes(4, "little")
_MAGIC_AT = HEAD_SIZE


@dataclass(frozen=True, slots=True)
class Damage:
    """A stretch of a capture that is not as it should be.

    ``offset`` counts from the start of the decompressed stream; ``length`` is how many bytes were lost, 0 where
    nothing was.
    """

    offset: int
    length: int
    reason: str
    truncated: bool = False


@dataclass(slots=True)
class BlockScan:
    """The blocks of a window: offsets into it and lengths in bytes, types; all of shape ``(n,)``.

    ``consumed`` bytes are settled; what follows belongs to the next window. ``turns`` says that a section of the other
    byte order begins there.
    """

    offsets: Offsets
    lengths: Offsets
    types: NDArray[np.uint32]
    #: What event blocks without dump flags say their event's type is; anything in other blocks.
    event_types: NDArray[np.uint16]
    consumed: int
    damage: list[Damage] = field(default_factory=list)
    turns: bool = False


class _Candidates:
    """What looks like blocks at one alignment, in order, and which links between neighbours close.

    ``breaks`` holds the ``i`` where candidate ``i`` does not end where candidate ``i + 1`` begins.
    """

    def __init__(
        self,
        offsets: Offsets,
        lengths: Offsets,
        types: NDArray[np.uint32],
        event_types: NDArray[np.uint16],
        breaks: NDArray[np.intp],
    ) -> None:
        self.offsets = offsets
        self.lengths = lengths
        self.types = types
        self.event_types = event_types
        self.breaks = breaks
        self._trusted: Offsets | None = None

    def end(self, index: int) -> int:
        """Where a candidate ends."""
        return int(self.offsets[index] + self.lengths[index])

    def run(self, position: int) -> slice | None:
        """The candidates of the closed chain that starts at ``position``."""
        first = int(np.searchsorted(self.offsets, position))
        if first == len(self.offsets) or self.offsets[first] != position:
            return None
        at = int(np.searchsorted(self.breaks, first))
        last = int(self.breaks[at]) if at < len(self.breaks) else len(self.offsets) - 1
        return slice(first, last + 1)

    def trusted(self, size: int) -> Offsets:
        """Where chains begin that have enough links or reach the end of the window."""
        if self._trusted is None:
            index = np.arange(len(self.offsets))
            bounds = np.append(self.breaks, len(index) - 1)
            last = bounds[np.searchsorted(bounds, index)]
            ends = self.offsets + self.lengths
            enough = (last - index + 1 >= _TRUSTED_LINKS) | (ends[last] == size)
            self._trusted = self.offsets[enough]
        return self._trusted


class _Window:
    """One window under scan; candidates are found once per alignment that occurs."""

    def __init__(self, data: Bytes, byteorder: ByteOrder) -> None:
        self.data = data
        self.size = len(data)
        self.byteorder = byteorder
        self._by_phase: dict[int, _Candidates] = {}

    def u16(self, offset: int) -> int:
        """The two-byte integer at a byte offset, as far as the window goes."""
        return int.from_bytes(self.data[offset : offset + 2].tobytes(), self.byteorder)

    def u32(self, offset: int) -> int:
        """The integer at a byte offset."""
        return int.from_bytes(self.data[offset : offset + 4].tobytes(), self.byteorder)

    def candidates(self, phase: int) -> _Candidates:
        """Candidates at offsets that leave ``phase`` when divided by 4."""
        if phase not in self._by_phase:
            self._by_phase[phase] = _find_candidates(self.data, phase, self.byteorder)
        return self._by_phase[phase]

    def closed(self, offset: int) -> int | None:
        """The length of the block at ``offset`` if its header and trailer agree."""
        if offset + FRAME_SIZE > self.size:
            return None
        length = self.u32(offset + 4)
        if length < FRAME_SIZE or offset + length > self.size:
            return None
        return length if self.u32(offset + length - 4) == length else None

    def resume(self, position: int) -> int | None:
        """The nearest trustworthy chain after ``position``, whatever its alignment, or section of the other order."""
        chains = [self.candidates(phase).trusted(self.size) for phase in range(4)]
        found = [
            int(chain[np.searchsorted(chain, position)]) for chain in chains if len(chain) and chain[-1] >= position
        ]
        turn = self._find_turn(position, min(found, default=self.size))
        return min(found if turn is None else [*found, turn], default=None)

    def turns_at(self, offset: int) -> bool:
        """Whether a section of the other byte order begins at an offset."""
        return bytes(self.data[offset : offset + len(_HEADER_TYPE)]) == _HEADER_TYPE and (
            bytes(self.data[offset + _MAGIC_AT : offset + _MAGIC_AT + 4]) == self._other_magic
        )

    @property
    def _other_magic(self) -> bytes:
        return MAGIC.to_bytes(4, "big" if self.byteorder == "little" else "little")

    def _find_turn(self, start: int, end: int) -> int | None:
        data, at = self.data[start:end].tobytes(), 0
        while (at := data.find(self._other_magic, at)) >= 0:
            if at >= _MAGIC_AT and self.turns_at(start + at - _MAGIC_AT):
                return start + at - _MAGIC_AT
            at += 1
        return None


def scan_blocks(data: Bytes, *, byteorder: ByteOrder, final: bool, base: int = 0) -> BlockScan:
    """Find the blocks of a window that starts at a block boundary.

    ``final`` says that the stream ends with the window: then an incomplete block is damage, otherwise it is left for
    the next window. ``base`` is the window's offset in the stream, for damage reports.
    """
    window = _Window(data, byteorder)
    parts: list[tuple[Offsets, Offsets, NDArray[np.uint32], NDArray[np.uint16]]] = []
    damage: list[Damage] = []
    position, turns = 0, False
    while position < window.size:
        candidates = window.candidates(position % 4)
        run = candidates.run(position)
        if run is not None:
            found = candidates.offsets[run], candidates.lengths[run], candidates.types[run], candidates.event_types[run]
            parts.append(found)
            position = candidates.end(run.stop - 1)
            continue
        if window.turns_at(position):
            turns = True
            break
        step = _single_block(window, position, final=final)
        if isinstance(step, _Wait):
            break
        if step.block_length:
            kind = np.array([window.u32(position)], np.uint32)
            event_type = np.array([window.u16(position + _EVENT_TYPE_AT)], np.uint16)
            parts.append((np.array([position]), np.array([step.block_length]), kind, event_type))
        if step.reason:
            damage.append(Damage(base + position, step.lost, step.reason, step.truncated))
        position += step.block_length + step.lost
    return BlockScan(
        _joined([part[0] for part in parts], np.int64),
        _joined([part[1] for part in parts], np.int64),
        _joined_types([part[2] for part in parts]),
        _joined([part[3] for part in parts], np.uint16),
        position,
        damage,
        turns,
    )


def likely_byte_order(data: Bytes) -> ByteOrder | None:
    """The byte order in which most of the data is blocks, None where neither finds a trustworthy chain."""
    orders: tuple[ByteOrder, ...] = ("little", "big")
    blocks: dict[ByteOrder, int] = {}
    for order in orders:
        window = _Window(data, order)
        blocks[order] = sum(len(window.candidates(phase).trusted(window.size)) for phase in range(4))
    best = max(orders, key=lambda order: blocks[order])
    return best if blocks[best] else None


def _joined(parts: Sequence[NDArray[np.generic]], dtype: type[np.generic]) -> NDArray:  # type: ignore[type-arg]
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts) if parts else np.empty(0, dtype)


def _joined_types(parts: Sequence[NDArray[np.uint32]]) -> NDArray[np.uint32]:
    """Types of several stretches; where all are of one type it is stored once, and the array has a stride of 0."""
    if parts and all(is_uniform(part) and part[0] == parts[0][0] for part in parts):
        return np.broadcast_to(parts[0][0], sum(map(len, parts)))
    return _joined(parts, np.uint32)


def is_uniform(types: NDArray[np.uint32]) -> bool:
    """Whether there are types and all are the same, seen from how they are stored."""
    return bool(len(types)) and (types.strides[0] == 0 or len(types) == 1)


@dataclass(frozen=True, slots=True)
class _Step:
    """How to go on at a place where no chain starts: over a block, over lost bytes, or both in turn."""

    block_length: int = 0
    lost: int = 0
    reason: str = ""
    truncated: bool = False


class _Wait:
    """The block goes on behind the window's end."""


def _single_block(window: _Window, position: int, *, final: bool) -> _Step | _Wait:
    remaining = window.size - position
    if remaining < FRAME_SIZE:
        return _Step(lost=remaining, reason="the file ends inside a block header", truncated=True) if final else _Wait()
    closed = window.closed(position)
    if closed is not None:
        return _Step(closed)
    kind = BLOCKS.get(window.u32(position))
    length = window.u32(position + 4)
    goes_on = length > remaining and not final
    if kind is not None and not (goes_on and remaining < _PATIENCE):
        mended = _mended(window, position, length)
        if mended is not None:
            return mended
    if goes_on and length >= FRAME_SIZE and (kind is not None or length <= window.size):
        return _Wait()
    return _lost(window, position, final=final, cut=kind is not None and length > remaining)


def _mended(window: _Window, position: int, length: int) -> _Step | None:
    """A block of a known type whose lengths disagree, if it is clear where it ends."""
    real = _declared_short(window, position) if length >= FRAME_SIZE else None
    if real is not None:
        return _Step(real, reason=f"the interface list is {real - length} bytes longer than it says")
    resumed = window.resume(position + 1)
    if resumed is not None and window.u32(resumed - 4) == resumed - position >= FRAME_SIZE:
        return _Step(resumed - position, reason="the block's leading length is wrong")
    end = position + length
    if length >= FRAME_SIZE and window.closed(end) is not None and window.u32(end) in BLOCKS:
        return _Step(length, reason="the block's trailing length is wrong")
    return None


def _declared_short(window: _Window, position: int) -> int | None:
    """The real length of an interface list that an old library wrote with a total too small."""
    if window.u32(position) != BlockType.IL_V2:
        return None
    from scap_formats.interfaces import real_size

    return real_size(window.data[position : position + (1 << 20)].tobytes(), window.byteorder)


def _lost(window: _Window, position: int, *, final: bool, cut: bool) -> _Step | _Wait:
    resumed = window.resume(position + 1)
    if resumed is not None:
        return _Step(lost=resumed - position, reason="not a valid block")
    if not final:
        lost = window.size - position - _DAMAGE_OVERLAP
        return _Step(lost=lost, reason="not a valid block") if lost > 0 else _Wait()
    reason = "the file ends inside a block" if cut else "not a valid block"
    return _Step(lost=window.size - position, reason=reason, truncated=cut)


def _find_candidates(data: Bytes, phase: int, byteorder: ByteOrder) -> _Candidates:
    count = max((len(data) - phase) // 4, 0)
    words = data[phase : phase + 4 * count].view("<u4" if byteorder == "little" else ">u4")
    if not words.flags.aligned:
        words = words.copy()  # which numpy would otherwise do for every piece
    # The last two words cannot begin a block.
    starts = range(0, max(count - 2, 0), _PIECE_WORDS)
    # Scratch space made once: fresh memory for every piece costs as much as the work on it.
    scratch = np.empty(min(_PIECE_WORDS, count), np.uint32), np.empty(min(_PIECE_WORDS, count), bool)
    pieces = [_scan_piece(words, start, min(start + _PIECE_WORDS, count - 2), phase, scratch) for start in starts]
    pieces = [piece for piece in pieces if len(piece.offsets)]
    breaks: list[NDArray[np.intp]] = []
    first = 0
    for place, piece in enumerate(pieces):
        if place and _ending(pieces[place - 1]) != piece.offsets[0]:
            breaks.append(np.array([first - 1]))
        if len(piece.breaks):
            breaks.append(piece.breaks + first)
        first += len(piece.offsets)
    return _Candidates(
        _joined([piece.offsets for piece in pieces], np.int64),
        _joined([piece.lengths for piece in pieces], np.int64),
        _joined_types([piece.types for piece in pieces]),
        _joined([piece.event_types for piece in pieces], np.uint16),
        _joined(breaks, np.intp),
    )


@dataclass(frozen=True, slots=True)
class _Piece:
    """The candidates among some of a window's words, worked out while those are in the processor's cache."""

    offsets: Offsets
    lengths: Offsets
    types: NDArray[np.uint32]
    event_types: NDArray[np.uint16]
    breaks: NDArray[np.intp]


def _ending(piece: _Piece) -> int:
    return int(piece.offsets[-1] + piece.lengths[-1])


def _scan_piece(
    words: NDArray[np.uint32],
    start: int,
    stop: int,
    phase: int,
    scratch: tuple[NDArray[np.uint32], NDArray[np.bool_]],
) -> _Piece:
    above, dense = scratch[0][: stop - start], scratch[1][: stop - start]
    np.subtract(words[start:stop], _DENSE_FIRST, out=above)
    np.less(above, _DENSE_SPAN, out=dense)
    at = dense.nonzero()[0]
    at += start
    lengths = words.take(at + 1)
    # Out of range is clipped here and found out by the comparison of lengths below.
    trailers = at + (lengths >> _WORD_SHIFT)
    trailers -= 1
    sane = words.take(trailers, mode="clip") == lengths
    sane &= lengths & _WORD_REST == 0
    sane &= lengths >= _SHORTEST
    if not sane.all():
        at, lengths, trailers = at[sane], lengths[sane], trailers[sane]
    if len(at) and trailers.max() >= len(words):
        inside = trailers < len(words)
        at, lengths = at[inside], lengths[inside]
    types = words.take(at).astype(np.uint32, copy=False)
    if len(types) and (types == types[0]).all():
        types = np.broadcast_to(types[0], len(types))
    # Here the event's header is at hand; fetched later it would have to come from memory once more.
    event_types = words.take(at + _EVENT_TYPE_AT // _WORD_BYTES, mode="clip")
    if words.dtype.byteorder != ">":
        event_types >>= np.uint32(16)
    offsets = at * 4
    offsets += phase
    sizes = lengths.astype(np.int64)
    breaks = (offsets[:-1] + sizes[:-1] != offsets[1:]).nonzero()[0]
    return _Piece(offsets, sizes, types, event_types.astype(np.uint16), breaks)
