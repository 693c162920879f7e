"""System calls as journal text: ``KEY=value`` lines that Wireshark's own dissector shows and filters.

``MESSAGE`` is what the packet list shows, ``comm(pid) call(arguments) = result``; keys with a leading underscore are
those the dissector has typed fields for. A call is one packet, at the time it returned; one that did not is there at
the time it was made, with ``= ?`` for its result. What is no system call is a packet of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from scap_formats.pcapng import UpperPduTag, tag
from scaptools import digits
from scaptools.columns import Coded, Texts, concatenated
from scaptools.export.calls import NONE, CallPairs, CallTexts, call_texts, joined_arguments, pair_calls
from scaptools.export.pcapng import encoded_tags, end_tags, number_tags
from scaptools.fields.paramtext.arrays import enclosed
from scaptools.fields.paramtext.style import DEFAULT_STYLE
from scaptools.fields.paramtext.weave import Choice, Piece, Weave
from scaptools.output.lines import field_text
from scaptools.state.attached import state_of

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.export.processes import ProcessTable
    from scaptools.fields.catalog import Catalog
    from scaptools.fields.model import BoundField
    from scaptools.fields.paramtext.context import TextColumn

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
_EVENT_KEYS = (
    ("CODE_FUNC", "evt.type"),
    ("SCAP_FD", "fd.num"),
    ("SCAP_FD_NAME", "fd.name"),
)
_DIRECTIONS = (b"SCAP_DIR=>\n", b"SCAP_DIR=<\n")
_UNKNOWN = b"<NA>"
_NEWLINE = 10
#: Tables of up to so many entries find distinct pairs faster than sorting does.
_MOST_KEYS = 1 << 22


@dataclass(frozen=True, slots=True)
class JournalPackets:
    """``n`` packets: times (ns), event numbers, CPUs, process indices, and data, a binary array without nulls."""

    times: NDArray[np.uint64]
    numbers: NDArray[np.uint64]
    cpus: NDArray[np.uint16]
    processes: NDArray[np.int64]
    data: pa.Array


class _Waiting(NamedTuple):
    """An enter event whose exit has not come: what its packet would be, and what that of the exit needs."""

    type: int
    time: int
    number: int
    cpu: int
    process: int
    wanted: bool
    arguments: bytes
    data: bytes


class Journal:
    """Renders the events of a capture in order; ``fields`` are those it reads."""

    def __init__(self, catalog: Catalog, processes: ProcessTable) -> None:
        self._processes = processes
        self._thread_keys = [(key, catalog.parse(name)) for key, name in _THREAD_KEYS]
        self._event_keys = [(key, catalog.parse(name)) for key, name in _EVENT_KEYS]
        self._result = catalog.parse("evt.rawres")
        self._result_name = catalog.parse("evt.res")
        self._waiting: dict[int, _Waiting] = {}
        keys = (*self._thread_keys, *self._event_keys)
        self.fields: list[BoundField] = [*(bound for _, bound in keys), self._result, self._result_name]

    def packets(
        self, batch: EventBatch, rows: NDArray[np.intp], times: NDArray[np.uint64], wanted: NDArray[np.bool_] | None
    ) -> JournalPackets:
        """The packets of the given events, and of enters that turn out to have no exit.

        ``times`` are all events'; with ``wanted``, also of all events, only calls with a wanted event have packets.
        """
        types, tids = batch.header("type", rows), batch.header("tid", rows)
        pairs = pair_calls(types, tids)
        chosen = np.ones(len(rows), bool) if wanted is None else wanted[rows]
        carried, dropped = self._continued(pairs, types, tids)
        pairs = pairs.restricted(chosen, [place for place, waiting in carried.items() if waiting.wanted])
        texts = call_texts(batch, rows, pairs.needed(len(rows)))
        data, processes = self._render(batch, rows, pairs.shown, pairs, texts, carried, times)
        taken = rows[pairs.shown]
        packets = _with(
            JournalPackets(times[taken], batch.numbers(taken), batch.header("cpu", taken), processes, data), dropped
        )
        self._keep(batch, rows, pairs, texts, chosen, times)
        return packets

    def finish(self) -> JournalPackets:
        """The packets of enters that are still waiting."""
        import pyarrow as pa

        none = np.empty(0, np.int64)
        waiting, self._waiting = list(self._waiting.values()), {}
        empty = JournalPackets(
            none.astype(np.uint64), none.astype(np.uint64), none.astype(np.uint16), none, pa.array([], pa.binary())
        )
        return _with(empty, waiting)

    def _continued(
        self, pairs: CallPairs, types: NDArray[np.uint16], tids: NDArray[np.int64]
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
    ) -> None:
        """Let enters wait that the next batch may finish."""
        places = pairs.waiting
        data, processes = self._render(batch, rows, places, None, texts, {}, times)
        taken = rows[places]
        columns = (
            batch.header("type", taken).tolist(),
            times[taken].tolist(),
            batch.numbers(taken).tolist(),
            batch.header("cpu", taken).tolist(),
            processes.tolist(),
            chosen[places].tolist(),
            texts.arguments.take(places).to_pylist(),
            data.to_pylist(),
        )
        for tid, *values in zip(batch.header("tid", taken).tolist(), *columns, strict=True):
            self._waiting[tid] = _Waiting(*values)

    def _render(
        self,
        batch: EventBatch,
        rows: NDArray[np.intp],
        places: NDArray[np.int64],
        pairs: CallPairs | None,
        texts: CallTexts,
        carried: dict[int, _Waiting],
        times: NDArray[np.uint64],
    ) -> tuple[pa.Array, NDArray[np.int64]]:
        """Packet data of the events at some places, and their process indices; without pairs none is finished."""
        taken = rows[places]
        who, lines, processes = self._threads(batch, taken)
        fields = {
            key: _one_line(field_text(bound.column(batch, taken), bound, DEFAULT_STYLE))
            for key, bound in self._event_keys
        }
        before, latencies = _enters(places, pairs, texts, carried, times, rows)
        after = Texts(texts.arguments.take(places))
        unfinished = np.ones(len(places), bool) if pairs is None else pairs.unfinished
        errors, results = self._results(batch, taken, texts.results.take(places), unfinished)
        pieces: list[Piece] = [
            *_tags(batch.numbers(taken)),
            b"MESSAGE=",
            who,
            fields["CODE_FUNC"],
            b"(",
            *map(_one_line, joined_arguments(before, after)),
            b")",
            *results,
            b"\n",
            lines,
            *(_line(key, text) for key, text in fields.items()),
            Choice((batch.header("type", taken) & 1).astype(np.int8), _DIRECTIONS),
            errors,
            _line("SCAP_LATENCY_NS", latencies),
        ]
        weave = Weave(len(taken))
        weave.add(np.arange(len(taken)), pieces)
        return weave.text(), processes

    def _threads(self, batch: EventBatch, taken: NDArray[np.intp]) -> tuple[Coded, Coded, NDArray[np.int64]]:
        """What is the same for all events of a thread: ``comm(pid) ``, the lines, and the process index."""
        state = state_of(batch)
        codes, rows = _distinct_pairs(state.threads(taken), state.mains(taken))
        rows = taken[rows]
        columns = {key: bound.column(batch, rows) for key, bound in self._thread_keys}
        texts = {
            key: _one_line(field_text(columns[key], bound, DEFAULT_STYLE)).to_arrow()
            for key, bound in self._thread_keys
        }
        lines = [b"".join(parts) for parts in zip(*map(_lines, texts, texts.values()), strict=True)]
        names, pids = (texts[key].to_pylist() for key in ("_COMM", "_PID"))
        who = [b"%b(%b) " % (name or _UNKNOWN, pid or _UNKNOWN) for name, pid in zip(names, pids, strict=True)]
        index = self._processes.indices(columns["_PID"], columns["_COMM"])
        return Coded(codes, Texts.of(who)), Coded(codes, Texts.of(lines)), index[codes]

    def _results(
        self, batch: EventBatch, taken: NDArray[np.intp], plain: pa.Array, unfinished: NDArray[np.bool_]
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
        given = np.diff(np.frombuffer(plain.buffers()[1], np.int32)[: len(plain) + 1]) > 0 if len(plain) else has_result
        shown = np.where(unfinished, 0, np.where(codes > 0, codes + 1, np.where(given, 1, -1)))
        texts = [b" = ?", b" = ", *(b" = -1 %b" % (name or b"") for name in names)]
        values_ = Texts(plain.take(_places(shown == 1)))
        return Choice(codes, [b"SCAP_RES=SUCCESS\n", *errors]), [Choice(shown, texts), values_]


def _places(mask: NDArray[np.bool_]) -> pa.Array:
    """The places of a mask's true values, nulls for all others."""
    import pyarrow as pa

    return pa.array(np.arange(len(mask)), mask=~mask)


def _distinct_pairs(first: NDArray[np.int64], second: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A code for each pair of small numbers from -1 on, and for each code a place that has the pair."""
    if not len(first):
        return first, first
    width = int(second.max()) + 2
    keys = (first + 1) * width + second + 1
    size = int(keys.max()) + 1
    if size > _MOST_KEYS:
        _, places, codes = np.unique(keys, return_index=True, return_inverse=True)
        return codes, places
    place = np.full(size, -1)
    place[keys] = np.arange(len(keys))
    used = np.flatnonzero(place >= 0)
    code = np.empty(size, np.int64)
    code[used] = np.arange(len(used))
    return code[keys], place[used]


def _lines(key: str, texts: pa.Array) -> list[bytes]:
    before = f"{key}=".encode()
    return [b"" if text is None else before + text + b"\n" for text in texts.to_pylist()]


def _enters(
    places: NDArray[np.int64],
    pairs: CallPairs | None,
    texts: CallTexts,
    carried: dict[int, _Waiting],
    times: NDArray[np.uint64],
    rows: NDArray[np.intp],
) -> tuple[Texts, Texts]:
    """The arguments of the enter event of each place, and how long the call took; empty and missing without one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    count = len(places)
    enters = np.full(count, NONE) if pairs is None else pairs.enters
    paired = enters >= 0
    arguments = texts.arguments.take(pa.array(enters, mask=~paired)).fill_null(b"")
    began = np.where(paired, times[rows[enters]], np.uint64(0)) if count else np.empty(0, np.uint64)
    if carried:
        at = np.searchsorted(places, np.array(sorted(carried)))
        waiting = [carried[place] for place in sorted(carried)]
        mask = np.zeros(count, bool)
        mask[at] = True
        kinds = pa.array([each.arguments for each in waiting], arguments.type)
        arguments = pc.replace_with_mask(arguments, pa.array(mask), kinds)
        began[at] = [each.time for each in waiting]
        paired = paired | mask
    ended = times[rows[places]]
    elapsed = np.where(ended > began, ended - began, 0)[paired]
    lengths = pa.array(digits.decimal(elapsed))
    spread = np.cumsum(paired) - 1
    return Texts(arguments), Texts(lengths.take(pa.array(spread, mask=~paired)))


def _tags(numbers: NDArray[np.uint64]) -> list[Piece]:
    head = encoded_tags([tag(UpperPduTag.DISSECTOR, b"systemd_journal")])
    number = number_tags(UpperPduTag.ORIGINAL_FRAME, numbers.astype(np.uint32))
    end = bytes(concatenated(end_tags(1)))
    return [head, Texts(number), end]


def _with(packets: JournalPackets, more: list[_Waiting]) -> JournalPackets:
    """The packets and behind them those of enters without an exit."""
    import pyarrow as pa

    more = [each for each in more if each.wanted]
    if not more:
        return packets
    type_ = packets.data.type
    return JournalPackets(
        np.concatenate((packets.times, np.array([each.time for each in more], np.uint64))),
        np.concatenate((packets.numbers, np.array([each.number for each in more], np.uint64))),
        np.concatenate((packets.cpus, np.array([each.cpu for each in more], np.uint16))),
        np.concatenate((packets.processes, np.array([each.process for each in more], np.int64))),
        pa.concat_arrays([packets.data, pa.array([each.data for each in more], type_)]),
    )


def _one_line(text: TextColumn) -> TextColumn:
    """A text that has no line ends of its own."""
    import pyarrow.compute as pc

    values = Texts(text.values.to_arrow()) if isinstance(text, Coded) else text
    if not (np.frombuffer(concatenated(values.array), np.uint8) == _NEWLINE).any():
        return text
    values = Texts(pc.replace_substring(values.array, b"\n", b"\\n"))
    return Coded(text.codes, values) if isinstance(text, Coded) else values


def _line(key: str, text: TextColumn) -> Piece:
    """``KEY=value`` and a line end where there is a value, nothing elsewhere."""
    before = f"{key}=".encode()
    if isinstance(text, Coded):
        return Coded(text.codes, Texts(enclosed(before, text.values.to_arrow(), b"\n")))
    return Texts(enclosed(before, text.array, b"\n"))
