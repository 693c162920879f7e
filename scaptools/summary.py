"""The summary of a capture: what ``scap info`` tells."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from scap_formats.blocks import BLOCKS, BlockKind, BlockType
from scap_formats.section import OPTION_APPLICATION, OPTION_COMMENT
from scap_formats.table import event_table
from scaptools.errors import CorruptedError
from scaptools.plugins.events import plugin_events

if TYPE_CHECKING:
    from scaptools.capture.batch import EventBatch
    from scaptools.capture.reader import CaptureReader
    from scaptools.capture.scan import Damage
    from scaptools.capture.section import Section
    from scaptools.plugins.host import PluginHost

#: The event source of everything that comes from no plugin.
SYSCALL_SOURCE = "syscall"


@dataclass(frozen=True, slots=True)
class Machine:
    """The host a section was captured on, as far as it says."""

    hostname: str
    cpus: int
    memory_bytes: int
    boot_ts: int


@dataclass(frozen=True, slots=True)
class SectionSummary:
    """One section: its version, machine, and how many processes, threads, fds, users and interfaces it lists."""

    index: int
    version: str
    machine: Machine | None
    application: str | None
    comments: tuple[str, ...]
    processes: int
    threads: int
    descriptors: int
    users: int
    groups: int
    interfaces: int
    unknown_events: int


@dataclass(slots=True)
class CaptureSummary:
    """What is in a capture. Times are ns since the epoch; ``first_ts`` is None where there is no event."""

    name: str
    compression: str | None
    byteorder: str
    decompressed_bytes: int = 0
    events: int = 0
    first_ts: int | None = None
    last_ts: int | None = None
    backward_steps: int = 0
    cpus: int = 0
    threads: int = 0
    blocks: dict[str, int] = field(default_factory=dict)
    event_types: dict[str, int] = field(default_factory=dict)
    sources: dict[str, int] = field(default_factory=dict)
    plugins: dict[int, tuple[str, str | None, int]] = field(default_factory=dict)
    sections: list[SectionSummary] = field(default_factory=list)
    damage: list[Damage] = field(default_factory=list)


def summarize(capture: CaptureReader, host: PluginHost) -> CaptureSummary:
    """Read a whole capture and say what is in it; damage is part of the answer, not an error."""
    summary = CaptureSummary(capture.name, capture.compression, capture.byteorder)
    blocks: Counter[int] = Counter()
    types = np.zeros(len(event_table().events), np.int64)
    plugin_ids: Counter[int] = Counter()
    threads: set[int] = set()
    cpus: set[int] = set()
    for batch in capture.batches():
        _count(batch, summary, types, plugin_ids)
        threads.update(tid for tid in np.unique(batch.header("tid")).tolist() if tid >= 0)
        cpus.update(np.unique(batch.header("cpu")).tolist())
        kinds, counts = np.unique(batch.block_types, return_counts=True)
        blocks.update(dict(zip(kinds.tolist(), counts.tolist(), strict=True)))
    for section in capture.sections:
        blocks.update([section.header.type, *(block.type for block in section.blocks)])
        summary.sections.append(_summarize_section(section))
    summary.decompressed_bytes = capture.decompressed_bytes
    summary.damage = list(capture.damage)
    summary.threads, summary.cpus = len(threads), len(cpus)
    summary.blocks = {_block_name(kind): blocks[kind] for kind in sorted(blocks)}
    summary.event_types = _by_name(types)
    plugin_total = sum(plugin_ids.values())
    if summary.events > plugin_total:
        summary.sources[SYSCALL_SOURCE] = summary.events - plugin_total
    for number, count in sorted(plugin_ids.items()):
        name = host.source_name(number)
        summary.sources[name] = summary.sources.get(name, 0) + count
        summary.plugins[number] = (name, host.plugin_name(number), count)
    return summary


def _count(
    batch: EventBatch, summary: CaptureSummary, types: np.ndarray[Any, np.dtype[np.int64]], plugin_ids: Counter[int]
) -> None:
    summary.events += len(batch)
    types += np.bincount(batch.header("type"), minlength=len(types))
    times = batch.header("ts")
    first, last = int(times.min()), int(times.max())
    summary.first_ts = first if summary.first_ts is None else min(first, summary.first_ts)
    summary.backward_steps += int(np.count_nonzero(times[1:] < times[:-1]))
    summary.last_ts = last if summary.last_ts is None else max(last, summary.last_ts)
    ids, counts = np.unique(plugin_events(batch).ids, return_counts=True)
    plugin_ids.update(dict(zip(ids.tolist(), counts.tolist(), strict=True)))


def _by_name(types: np.ndarray[Any, np.dtype[np.int64]]) -> dict[str, int]:
    """Event counts by name, enter and exit apart, most frequent first."""
    events = event_table().events
    counts: Counter[str] = Counter()
    for number in np.flatnonzero(types).tolist():
        event = events[number]
        counts[f"{event.direction.symbol} {event.name}"] += int(types[number])
    return dict(counts.most_common())


def _block_name(kind: int) -> str:
    layout = BLOCKS.get(kind)
    if layout is None:
        return f"unknown {kind:#x}"
    return f"{layout.kind.value} {BlockType(kind).name}"


def _summarize_section(section: Section) -> SectionSummary:
    options = _options(section)
    machine = None
    for block in section.of_kind(BlockKind.MACHINE):
        parsed = _parsed(block)
        if parsed is not None:
            hostname = bytes(parsed.hostname).split(b"\0")[0].decode("utf-8", "replace")
            machine = Machine(hostname, parsed.num_cpus, parsed.memory_bytes, parsed.boot_ts_epoch)
    entries = [entry for block in section.of_kind(BlockKind.PROCESSES) for entry in _entries(block)]
    users = [entry for block in section.of_kind(BlockKind.USERS) for entry in _entries(block)]
    groups = sum(1 for entry in users if entry.kind)
    return SectionSummary(
        index=section.index,
        version=".".join(map(str, section.version)),
        machine=machine,
        application=next((text for code, text in options if code == OPTION_APPLICATION), None),
        comments=tuple(text for code, text in options if code == OPTION_COMMENT),
        processes=len({entry.pid for entry in entries}),
        threads=len(entries),
        descriptors=sum(len(_entries(block)) for block in section.of_kind(BlockKind.DESCRIPTORS)),
        users=len(users) - groups,
        groups=groups,
        interfaces=sum(len(_entries(block)) for block in section.of_kind(BlockKind.INTERFACES)),
        unknown_events=section.unknown_events,
    )


def _parsed(block: Any) -> Any:
    try:
        return block.parse()
    except CorruptedError:
        return None


def _entries(block: Any) -> Any:
    parsed = _parsed(block)
    return () if parsed is None else parsed.entries


def _options(section: Section) -> list[tuple[int, str]]:
    parsed = _parsed(section.header)
    if parsed is None:
        return []
    return [(option.code, bytes(option.value).decode("utf-8", "replace")) for option in parsed.options or ()]
