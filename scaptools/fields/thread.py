"""The thread.* fields, and how fields that read threads are declared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scap_formats.types import ParamType, PrintFormat
from scaptools.columns import Column, Numbers, Rows
from scaptools.errors import FormatError
from scaptools.fields.model import Cost, Field, FieldArgument
from scaptools.state.containers import cgroup_paths
from scaptools.state.engine import state_of
from scaptools.state.timeline import ABSENT

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.fields.model import Extract
    from scaptools.state.batchstate import BatchState
    from scaptools.state.thread import Thread

    #: From the state and rows to the versions of threads a field reads.
    Which = Callable[[BatchState, Rows], NDArray[np.int64]]

_DTYPES: dict[ParamType, Any] = {
    ParamType.INT64: np.int64,
    ParamType.INT32: np.int32,
    ParamType.UINT64: np.uint64,
    ParamType.UINT32: np.uint32,
    ParamType.RELTIME: np.uint64,
    ParamType.ABSTIME: np.uint64,
    ParamType.BOOL: np.bool_,
}


def own(state: BatchState, rows: Rows) -> NDArray[np.int64]:
    """The event's thread."""
    return state.threads(rows)


def main(state: BatchState, rows: Rows) -> NDArray[np.int64]:
    """The main thread of the event's process."""
    return state.mains(rows)


def parent(state: BatchState, rows: Rows) -> NDArray[np.int64]:
    """The thread at the event's thread's parent id."""
    return state.parents(rows)


def text_field(
    name: str, description: str, of: Callable[[Thread], bytes | None], which: Which = own, **more: Any
) -> Field:
    """A field that reads a text of a thread."""

    def extract(batch: EventBatch, rows: Rows, argument: None) -> Column:  # noqa: ARG001 - it takes none
        state = state_of(batch)
        return state.text_column(which(state, rows), of)

    return Field(name, ParamType.CHARBUF, description, extract, cost=Cost.STATE, **more)


def number_field(
    name: str,
    description: str,
    of: Callable[[Thread], int],
    which: Which = own,
    *,
    type_: ParamType = ParamType.INT64,
    missing: int | None = None,
    **more: Any,
) -> Field:
    """A field that reads a number of a thread; ``missing`` stands for none."""

    def extract(batch: EventBatch, rows: Rows, argument: None) -> Column:  # noqa: ARG001 - it takes none
        state = state_of(batch)
        return state.number_column(which(state, rows), of, missing, _DTYPES[type_])

    more.setdefault("format", PrintFormat.NA if type_ is ParamType.BOOL else PrintFormat.ID)
    return Field(name, type_, description, extract, cost=Cost.STATE, **more)


def flag_field(name: str, description: str, of: Callable[[Thread], bool], which: Which = own) -> Field:
    """A field that reads a truth of a thread."""
    return number_field(name, description, of, which, type_=ParamType.BOOL)


def _tid(batch: EventBatch, rows: Rows, argument: None) -> Column:  # noqa: ARG001
    return Numbers(batch.header("tid", rows))


def _cgroups(thread: Thread) -> bytes | None:
    return b" ".join(b"%s=%s" % pair for pair in cgroup_paths(thread.cgroups)) or None


def _cgroup(batch: EventBatch, rows: Rows, subsystem: bytes) -> Column:
    state = state_of(batch)
    threads = state.threads(rows)

    def path(thread: Thread) -> bytes | None:
        return next((path for name, path in cgroup_paths(thread.cgroups) if name == subsystem), None)

    of = state.memo(("cgroup", subsystem), lambda: path)
    return state.text_column(threads, of)


def _parse_subsystem(text: str) -> bytes:
    if not text.replace("_", "").isalpha():
        raise FormatError(f"{text} is no cgroup subsystem", hint="write thread.cgroup.memory")
    return text.encode()


def _nametid(batch: EventBatch, rows: Rows, argument: None) -> Column:  # noqa: ARG001
    state = state_of(batch)
    return state.text_column(state.threads(rows), lambda thread: b"%s%d" % (thread.comm, thread.tid))


def _main_memory(attribute: str, factor: int = 1) -> Extract:
    def extract(batch: EventBatch, rows: Rows, argument: None) -> Column:  # noqa: ARG001
        state = state_of(batch)
        own_memory = state.counters(rows, attribute)
        threads = state.threads(rows)
        is_main = (threads != ABSENT) & (state.mains(rows) == threads)
        return Numbers(np.where(is_main, own_memory.values * factor, 0).astype(np.uint64), own_memory.valid)

    return extract


def counter_field(name: str, description: str, attribute: str) -> Field:
    """A field that reads a counter of the event's thread."""

    def extract(batch: EventBatch, rows: Rows, argument: None) -> Column:  # noqa: ARG001
        return state_of(batch).counters(rows, attribute)

    return Field(name, ParamType.UINT64, description, extract, format=PrintFormat.DEC, cost=Cost.STATE)


def _execution_time(batch: EventBatch, rows: Rows, argument: None) -> Column:  # noqa: ARG001
    return Numbers(state_of(batch).run_times.executed[rows])


def _total_time(batch: EventBatch, rows: Rows, argument: None) -> Column:  # noqa: ARG001
    state = state_of(batch)
    return Numbers(state.run_times.totals[rows], state.threads(rows) != ABSENT)


def _share(name: str) -> Extract:
    def extract(batch: EventBatch, rows: Rows, argument: None) -> Column:  # noqa: ARG001
        return state_of(batch).run_times.shares(rows, name)

    return extract


#: Bits of capability masks, lowest first.
CAPABILITIES = tuple(
    """
    CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE
    NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN
    SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE
    MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE
    """.split()  # noqa: SIM905 - as a list it would be a page long
)


def _capabilities(attribute: str) -> Callable[[Thread], bytes]:
    def names(thread: Thread) -> bytes:
        mask = getattr(thread, attribute)
        return " ".join(f"CAP_{name}" for bit, name in enumerate(CAPABILITIES) if mask >> bit & 1).encode()

    return names


_COUNTERS = {"thread.pfmajor": ("pfmajor", "major"), "thread.pfminor": ("pfminor", "minor")}
_HIDDEN = frozenset({"TABLE_ONLY"})

THREAD_FIELDS = (
    Field("thread.tid", ParamType.INT64, "The thread's id, as the event gives it.", _tid, format=PrintFormat.ID),
    flag_field("thread.ismain", "Whether the thread is the main thread of its process.", lambda thread: thread.is_main),
    number_field("thread.vtid", "The thread's id in its own pid namespace.", lambda thread: thread.vtid, missing=-1),
    Field(
        "thread.nametid",
        ParamType.CHARBUF,
        "The thread's name with its id right behind it.",
        _nametid,
        flags=_HIDDEN,
        cost=Cost.STATE,
    ),
    Field(
        "thread.exectime",
        ParamType.RELTIME,
        "On a switch event, how long the thread ran: the time since the latest switch on the same processor.",
        _execution_time,
        format=PrintFormat.DEC,
        cost=Cost.STATE,
    ),
    Field(
        "thread.totexectime",
        ParamType.RELTIME,
        "How long the thread has run since the start of the capture, as switch events tell it.",
        _total_time,
        format=PrintFormat.DEC,
        cost=Cost.STATE,
    ),
    *(
        Field(
            name,
            ParamType.DOUBLE,
            f"On a report about the thread, the share of a processor it used {where}since the one before, in percent.",
            _share(share),
            cost=Cost.STATE,
        )
        for name, share, where in (
            ("thread.cpu", "both", ""),
            ("thread.cpu.user", "user", "for itself "),
            ("thread.cpu.system", "system", "in the kernel "),
        )
    ),
    text_field("thread.cgroups", "The cgroups of the thread, as subsystem=path.", _cgroups),
    Field(
        "thread.cgroup",
        ParamType.CHARBUF,
        "The cgroup of the thread in one subsystem.",
        _cgroup,
        argument=FieldArgument(_parse_subsystem, required=True, form=".SUBSYSTEM", suffix=True),
        cost=Cost.STATE,
    ),
    *(
        counter_field(name, f"Page faults of the thread since its start, {kind} ones.", attribute)
        for name, (attribute, kind) in _COUNTERS.items()
    ),
    *(
        Field(
            f"thread.{name}{unit}",
            ParamType.UINT64,
            f"{what}, {size}; 0 for all but main threads, so that sums are right.",
            _main_memory(name, factor),
            format=PrintFormat.DEC,
            flags=flags,
            cost=Cost.STATE,
        )
        for name, what in (("vmsize", "Virtual memory"), ("vmrss", "Resident memory"))
        for unit, size, factor, flags in (("", "kB", 1, frozenset()), (".b", "bytes", 1024, _HIDDEN))
    ),
    *(
        text_field(f"thread.cap_{kind}", f"The {kind} capabilities of the thread.", _capabilities(f"cap_{kind}"))
        for kind in ("permitted", "inheritable", "effective")
    ),
)
