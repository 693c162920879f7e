"""System calls as journal text: ``KEY=value`` lines that Wireshark's own dissector shows and filters.

``MESSAGE`` is what the packet list shows, ``comm(pid) call(arguments) = result``; keys with a leading underscore are
those the dissector has typed fields for. A call is one packet, at the time it returned; one that did not is there at
the time it was made, with ``= ?`` for its result. What is no system call is a packet of its own.

What is the same in many packets is put together once: the lines about a thread with those about a call, those about a
descriptor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from scap_formats.pcapng import MAX_PACKET
from scaptools import digits
from scaptools.columns import Coded, Texts, concatenated
from scaptools.export.calls import NONE, CallPairs, CallTexts, call_texts, exits_tell, may_be_told, pair_calls
from scaptools.export.woven import PacketHeads, woven_packets
from scaptools.fields.paramtext.arrays import enclosed, extents
from scaptools.fields.paramtext.style import DEFAULT_STYLE
from scaptools.fields.paramtext.weave import Choice, Piece
from scaptools.output.lines import field_text
from scaptools.state.attached import state_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa
    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.export.processes import ProcessTable
    from scaptools.fields.catalog import Catalog
    from scaptools.fields.model import BoundField
    from scaptools.fields.paramtext.context import TextColumn

    Ints = NDArray[np.int64]

#: Journal keys and the fields they hold; an event without a value has no such line. These are the same for all events
#: of a thread as long as it stays what it is.
_THREAD_KEYS = (
    ("_PID", "proc.pid"),
    ("_COMM", "proc.name"),
    ("_EXE", "proc.exepath"),
    ("_CMDLINE", "proc.cmdline"),
    ("_UID", "user.uid"),
    ("_GID", "group.gid"),
    ("SCAP_TID", "thread.tid"),
    ("SCAP_CONTAINER", "container.id"),
)
#: And these are each event's own.
_DESCRIPTOR_KEYS = (
    ("SCAP_FD", "fd.num"),
    ("SCAP_FD_NAME", "fd.name"),
)
_DISSECTOR = b"systemd_journal"
_DIRECTIONS = (b"SCAP_DIR=>\n", b"SCAP_DIR=<\n")
_UNKNOWN = b"<NA>"
_NEWLINE = 10
#: Tables of up to so many entries find distinct pairs faster than sorting does.
_MOST_KEYS = 1 << 22
#: A pair of texts has to stand for so many rows to be worth joining.
_ROWS_PER_PAIR = 4


@dataclass(frozen=True, slots=True)
class JournalPackets:
    """``n`` packets: times (ns), event numbers, bytes, their blocks, and whether their text was too long for a packet.

    The blocks are a binary array without nulls.
    """

    times: NDArray[np.uint64]
    numbers: NDArray[np.uint64]
    lengths: Ints
    blocks: pa.Array
    cut: NDArray[np.bool_]

    def part(self, rows: slice) -> JournalPackets:
        """Some of the packets."""
        blocks = self.blocks[rows]
        return JournalPackets(self.times[rows], self.numbers[rows], self.lengths[rows], blocks, self.cut[rows])


class _Waiting(NamedTuple):
    """An enter event whose exit has not come.

    ``arguments`` are its parameters, ``fewer`` without those an exit has too; ``block`` is the packet it is without an
    exit, None where another process makes that.
    """

    type: int
    time: int
    number: int
    wanted: bool
    arguments: bytes
    fewer: bytes
    block: bytes | None
    cut: bool


class Journal:
    """Renders the events of a capture in order; ``fields`` are those it reads."""

    def __init__(self, catalog: Catalog, processes: ProcessTable) -> None:
        self._processes = processes
        self._thread_keys = [(key, catalog.parse(name)) for key, name in _THREAD_KEYS]
        self._call = catalog.parse("evt.type")
        self._descriptor_keys = [(key, catalog.parse(name)) for key, name in _DESCRIPTOR_KEYS]
        self._result = catalog.parse("evt.rawres")
        self._result_name = catalog.parse("evt.res")
        self._waiting: dict[int, _Waiting] = {}
        keys = (*self._thread_keys, *self._descriptor_keys)
        self.fields: list[BoundField] = [*(bound for _, bound in keys), self._call, self._result, self._result_name]

    def packets(
        self,
        interface: int,
        batch: EventBatch,
        rows: NDArray[np.intp],
        times: NDArray[np.uint64],
        wanted: NDArray[np.bool_] | None,
        *,
        owned: bool = True,
    ) -> list[JournalPackets]:
        """The packets of the given events, and of enters that turn out to have no exit.

        ``times`` are all events'; with ``wanted``, also of all events, only calls with a wanted event have packets. Of
        a batch that is not ``owned`` only what later ones need is worked out.
        """
        types, tids = batch.header("type", rows), batch.header("tid", rows)
        pairs = pair_calls(types, tids)
        chosen = np.ones(len(rows), bool) if wanted is None else wanted[rows]
        carried, dropped = self._continued(pairs, types, tids)
        pairs = pairs.restricted(chosen, [place for place, waiting in carried.items() if waiting.wanted])
        places = np.concatenate((pairs.shown, pairs.waiting))
        self._number_processes(batch, rows if wanted is None else rows[np.sort(places)])
        made = [packets for packets in (_packets_of(dropped),) if packets is not None]
        if not owned:
            self._keep(batch, rows, pairs, call_texts(batch, rows, pairs.waiting, _whole), chosen, times, None)
            return made
        texts = call_texts(batch, rows, pairs.needed(len(rows)), _reduced(batch, pairs, len(rows)))
        rendered = self._render(interface, batch, rows, places, pairs, texts, carried, times)
        count = len(pairs.shown)
        if count:
            made.append(rendered.part(slice(0, count)))
        self._keep(batch, rows, pairs, texts, chosen, times, rendered.part(slice(count, None)))
        return made

    def finish(self) -> JournalPackets | None:
        """The packets of enters that are still waiting, where there are some."""
        waiting, self._waiting = list(self._waiting.values()), {}
        return _packets_of(waiting)

    def _continued(
        self, pairs: CallPairs, types: NDArray[np.uint16], tids: Ints
    ) -> tuple[dict[int, _Waiting], list[_Waiting]]:
        """Waiting enters by the place of their exit, and those that have none."""
        carried, dropped = {}, []
        if self._waiting:
            for place in pairs.firsts.tolist():
                waiting = self._waiting.pop(int(tids[place]), None)
                if waiting is not None and waiting.type + 1 == int(types[place]):
                    carried[place] = waiting
                elif waiting is not None:
                    dropped.append(waiting)
        return carried, dropped

    def _keep(
        self,
        batch: EventBatch,
        rows: NDArray[np.intp],
        pairs: CallPairs,
        texts: CallTexts,
        chosen: NDArray[np.bool_],
        times: NDArray[np.uint64],
        rendered: JournalPackets | None,
    ) -> None:
        """Let enters wait that the next batch may finish; ``rendered`` are the packets they are until then."""
        import pyarrow as pa

        places = pairs.waiting
        if not len(places):
            return
        taken = rows[places]
        types = batch.header("type", taken)
        fewer = call_texts(batch, rows, places, _all_told(len(rows))) if may_be_told(types) else texts
        columns = (
            types.tolist(),
            times[taken].tolist(),
            batch.numbers(taken).tolist(),
            chosen[places].tolist(),
            texts.arguments.take(pa.array(places)).to_pylist(),
            fewer.arguments.take(pa.array(places)).to_pylist(),
            [None] * len(places) if rendered is None else rendered.blocks.to_pylist(),
            [False] * len(places) if rendered is None else rendered.cut.tolist(),
        )
        for tid, *values in zip(batch.header("tid", taken).tolist(), *columns, strict=True):
            self._waiting[tid] = _Waiting(*values)

    def _number_processes(self, batch: EventBatch, rows: NDArray[np.intp]) -> None:
        """Give the processes of some events their numbers, in the order in which they come."""
        state = state_of(batch)
        _, places = _distinct_pairs(state.threads(rows), state.mains(rows))
        first = rows[np.sort(places)]
        fields = dict(self._thread_keys)
        self._processes.indices(fields["_PID"].column(batch, first), fields["_COMM"].column(batch, first))

    def _render(
        self,
        interface: int,
        batch: EventBatch,
        rows: NDArray[np.intp],
        places: Ints,
        pairs: CallPairs,
        texts: CallTexts,
        carried: dict[int, _Waiting],
        times: NDArray[np.uint64],
    ) -> JournalPackets:
        """The packets of the events at some places: those that are shown, then those that wait."""
        taken = rows[places]
        missing = len(places) - len(pairs.shown)
        enters = np.concatenate((pairs.enters, np.full(missing, NONE)))
        unfinished = np.concatenate((pairs.unfinished, np.ones(missing, bool)))
        begun = _begun(batch, pairs, carried)
        heads, lines, processes = self._threads(batch, taken)
        errors, results = self._results(batch, taken, places, texts.results, unfinished)
        pieces: list[Piece] = [
            heads,
            *_joined_arguments(enters, places, _one_line(Texts(texts.arguments)), begun),
            b")",
            *results,
            *_latencies(times, rows, enters, taken, begun),
            lines,
            *self._descriptors(batch, taken),
            errors,
        ]
        packets = PacketHeads(interface, times[taken], batch.numbers(taken), batch.header("cpu", taken), processes)
        blocks, lengths, cut = woven_packets(packets, _DISSECTOR, pieces, MAX_PACKET)
        return JournalPackets(packets.times, packets.numbers, lengths, blocks, cut)

    def _threads(self, batch: EventBatch, taken: NDArray[np.intp]) -> tuple[Coded, Coded, Ints]:
        """What is the same for all calls of a kind of a thread, and the process index.

        ``MESSAGE=comm(pid) call(`` and the lines about the thread and the call, with the end of the line before.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        state = state_of(batch)
        threads, places = _distinct_pairs(state.threads(taken), state.mains(taken))
        rows = taken[places]
        columns = {key: bound.column(batch, rows) for key, bound in self._thread_keys}
        texts = {
            key: _one_line(field_text(columns[key], bound, DEFAULT_STYLE)).to_arrow()
            for key, bound in self._thread_keys
        }
        about = [b"".join(parts) for parts in zip(*map(_lines, texts, texts.values()), strict=True)]
        names, pids = (texts[key].to_pylist() for key in ("_COMM", "_PID"))
        who = [b"MESSAGE=%b(%b) " % (name or _UNKNOWN, pid or _UNKNOWN) for name, pid in zip(names, pids, strict=True)]
        calls = _coded(_one_line(field_text(self._call.column(batch, taken), self._call, DEFAULT_STYLE)))
        kinds = 2 * calls.codes.astype(np.int64) + (batch.header("type", taken) & 1)
        codes, places = _distinct_pairs(threads, np.where(calls.codes < 0, -1, kinds))
        called = (
            calls.values.to_arrow().cast(pa.binary()).take(pa.array(calls.codes[places], mask=calls.codes[places] < 0))
        )
        called = called.fill_null(b"")
        direction = pa.array(_DIRECTIONS, pa.binary()).take(pa.array(batch.header("type", taken[places]) & 1))
        of_thread = pa.array(threads[places])
        joined = pc.binary_join_element_wise
        heads = joined(pa.array(who, pa.binary()).take(of_thread), called, b"(", b"")
        lines = joined(
            b"\n", pa.array(about, pa.binary()).take(of_thread), b"CODE_FUNC=", called, b"\n", direction, b""
        )
        index = self._processes.indices(columns["_PID"], columns["_COMM"])
        return Coded(codes, Texts(heads)), Coded(codes, Texts(lines)), index[threads]

    def _descriptors(self, batch: EventBatch, taken: NDArray[np.intp]) -> list[Piece]:
        """The lines about the descriptor of each event."""
        number, name = (
            _line(key, _one_line(field_text(bound.column(batch, taken), bound, DEFAULT_STYLE)))
            for key, bound in self._descriptor_keys
        )
        if not isinstance(number, Coded) or not isinstance(name, Coded):
            return [number, name]
        codes, places = _distinct_pairs(number.codes.astype(np.int64), name.codes.astype(np.int64))
        if len(places) * _ROWS_PER_PAIR > len(codes):
            return [number, name]
        import pyarrow.compute as pc

        both = (column.take(places).to_arrow().fill_null(b"") for column in (number, name))
        return [Coded(codes, Texts(pc.binary_join_element_wise(*both, b"")))]

    def _results(
        self,
        batch: EventBatch,
        taken: NDArray[np.intp],
        places: Ints,
        plain: pa.Array,
        unfinished: NDArray[np.bool_],
    ) -> tuple[Choice, list[Piece]]:
        """The lines about a failure, and `` = result`` for what has one, `` = ?`` for what has not returned."""
        values = self._result.column(batch, taken)
        has_result = values.validity() & ~unfinished
        numbers = np.where(has_result, values.to_arrow().fill_null(0).to_numpy(), 0)
        failed = np.flatnonzero(numbers < 0)
        found, first, which = np.unique(numbers[failed], return_index=True, return_inverse=True)
        names = self._result_name.column(batch, taken[failed[first]]).to_arrow().to_pylist()
        codes = np.where(has_result, 0, -1)
        codes[failed] = which + 1
        errors = [
            b"SCAP_RES=%b\nERRNO=%d\n" % (name or b"", -number)
            for name, number in zip(names, found.tolist(), strict=True)
        ]
        given = extents(plain)[1][places] > 0
        shown = np.where(unfinished, 0, np.where(codes > 0, codes + 1, np.where(given, 1, -1)))
        texts = [b" = ?", b" = ", *(b" = -1 %b" % (name or b"") for name in names)]
        told = Coded(np.where(shown == 1, places, -1), Texts(plain))
        return Choice(codes, [b"SCAP_RES=SUCCESS\n", *errors]), [Choice(shown, texts), told]


class _Begun(NamedTuple):
    """Shown calls that began in an earlier batch: where they are among the packets, when they began, and arguments."""

    at: Ints
    times: NDArray[np.uint64]
    arguments: list[bytes]


def _begun(batch: EventBatch, pairs: CallPairs, carried: dict[int, _Waiting]) -> _Begun:
    found = np.array(sorted(carried), np.int64)
    found = found[np.isin(found, pairs.shown)] if len(found) else found
    waiting = [carried[place] for place in found.tolist()]
    return _Begun(
        np.searchsorted(pairs.shown, found),
        np.array([each.time for each in waiting], np.uint64),
        [each.fewer if exits_tell(batch, each.type) else each.arguments for each in waiting],
    )


def _whole(_type: int) -> None:
    """No enter event leaves anything out."""


def _all_told(count: int) -> Callable[[int], NDArray[np.bool_]]:
    everything = np.ones(count, bool)
    return lambda _type: everything


def _reduced(batch: EventBatch, pairs: CallPairs, count: int) -> Callable[[int], NDArray[np.bool_] | None]:
    """Which enter events leave parameters out: those with an exit that tells."""
    finished = np.zeros(count, bool)
    finished[pairs.enters[pairs.enters >= 0]] = True
    return lambda type_: finished if exits_tell(batch, type_) else None


def _packets_of(waiting: list[_Waiting]) -> JournalPackets | None:
    """The packets of enters without an exit, as far as this process has them; None where there are none."""
    import pyarrow as pa

    blocks = [(each, each.block) for each in waiting if each.wanted and each.block is not None]
    if not blocks:
        return None
    return JournalPackets(
        np.array([each.time for each, _ in blocks], np.uint64),
        np.array([each.number for each, _ in blocks], np.uint64),
        np.array([len(block) for _, block in blocks], np.int64),
        pa.array([block for _, block in blocks], pa.binary()),
        np.array([each.cut for each, _ in blocks], bool),
    )


def _distinct_pairs(first: NDArray[np.int64], second: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A code for each pair of small numbers from -1 on, and for each code the first place that has the pair."""
    if not len(first):
        return first, first
    width = int(second.max()) + 2
    keys = (first + 1) * width + second + 1
    size = int(keys.max()) + 1
    if size > _MOST_KEYS:
        _, places, codes = np.unique(keys, return_index=True, return_inverse=True)
        return codes, places
    place = np.full(size, -1)
    place[keys[::-1]] = np.arange(len(keys))[::-1]
    used = np.flatnonzero(place >= 0)
    code = np.empty(size, np.int64)
    code[used] = np.arange(len(used))
    return code[keys], place[used]


def _lines(key: str, texts: pa.Array) -> list[bytes]:
    before = f"{key}=".encode()
    return [b"" if text is None else before + text + b"\n" for text in texts.to_pylist()]


def _joined_arguments(enters: Ints, places: Ints, arguments: TextColumn, begun: _Begun) -> list[Piece]:
    """The parameters of the enter and of the event itself, with a comma between them where both say something."""
    if isinstance(arguments, Coded):
        raise TypeError("arguments are plain text")
    lengths = extents(arguments.array)[1]
    before = np.where(enters >= 0, lengths[enters], 0) if len(lengths) else np.zeros(len(places), np.int64)
    earlier: list[Piece] = []
    if len(begun.at):
        before[begun.at] = [len(text) for text in begun.arguments]
        codes = np.full(len(places), -1)
        codes[begun.at] = np.arange(len(begun.at))
        earlier = [Choice(codes, [text.replace(b"\n", b"\\n") for text in begun.arguments])]
    both = (before > 0) & (lengths[places] > 0)
    comma = Choice(np.where(both, 0, -1), [b", "])
    return [*earlier, Coded(enters, arguments), comma, Coded(places, arguments)]


def _latencies(
    times: NDArray[np.uint64], rows: NDArray[np.intp], enters: Ints, taken: NDArray[np.intp], begun: _Begun
) -> list[Piece]:
    """The line that tells how long a call took, without its end, after the end of the line before."""
    paired = enters >= 0
    began = np.where(paired, times[rows[enters]], np.uint64(0))
    began[begun.at] = begun.times
    paired[begun.at] = True
    ended = times[taken]
    elapsed = np.where(ended > began, ended - began, 0)[paired]
    codes = np.where(paired, np.cumsum(paired) - 1, -1)
    return [Choice(np.where(paired, 0, -1), [b"\nSCAP_LATENCY_NS="]), Coded(codes, Texts(digits.decimal(elapsed)))]


def _coded(text: TextColumn) -> Coded:
    """A text column as one of codes."""
    if isinstance(text, Coded):
        return text
    encoded = text.array.dictionary_encode()
    return Coded(np.asarray(encoded.indices.fill_null(-1)), Texts(encoded.dictionary))


def _one_line(text: TextColumn) -> TextColumn:
    """A text that has no line ends of its own."""
    import pyarrow.compute as pc

    values = Texts(text.values.to_arrow()) if isinstance(text, Coded) else text
    if not (np.frombuffer(concatenated(values.array), np.uint8) == _NEWLINE).any():
        return text
    values = Texts(pc.replace_substring(values.array, b"\n", b"\\n"))
    return Coded(text.codes, values) if isinstance(text, Coded) else values


def _line(key: str, text: TextColumn) -> TextColumn:
    """``KEY=value`` and a line end where there is a value, nothing elsewhere."""
    before = f"{key}=".encode()
    if isinstance(text, Coded):
        return Coded(text.codes, Texts(enclosed(before, text.values.to_arrow(), b"\n")))
    return Texts(enclosed(before, text.array, b"\n"))
