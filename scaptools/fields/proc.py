"""The proc.* fields: the process of an event, its parents and its session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scap_formats.types import ParamType, PrintFormat
from scaptools.columns import Coded, Column, Lists, Numbers, Rows, Texts
from scaptools.errors import FormatError
from scaptools.fields.model import Cost, Field, FieldArgument
from scaptools.fields.thread import (
    counter_field,
    flag_field,
    main,
    number_field,
    own,
    parent,
    text_field,
)
from scaptools.state.descriptors import TYPE_TEXTS
from scaptools.state.engine import state_of
from scaptools.state.names import fd_values
from scaptools.state.paths import known
from scaptools.state.timeline import ABSENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.fields.model import Extract
    from scaptools.state.batchstate import BatchState
    from scaptools.state.thread import Thread

#: Ancestors beyond this are not looked for: ids can form loops.
MAX_GENERATIONS = 100
#: Upstream's rules for fields that read ancestors.
_ANCESTOR_FLAGS = frozenset({"ARG_ALLOWED", "NO_TRANSFORMER", "NO_RHS"})


# What a thread says -------------------------------------------------------------------------------------------------


def comm(thread: Thread) -> bytes:
    """The name of a thread."""
    return thread.comm


def _exe(thread: Thread) -> bytes:
    return thread.exe


def _exepath(thread: Thread) -> bytes:
    return known(thread.exepath)


def arguments(thread: Thread) -> bytes:
    """The arguments behind the first one with blanks between them."""
    return thread.args[:-1].replace(b"\0", b" ")


def _cmdline(thread: Thread) -> bytes:
    return b"%s %s" % (thread.comm, arguments(thread)) if thread.args else thread.comm


def _exeline(thread: Thread) -> bytes:
    return b"%s %s" % (thread.exe, arguments(thread))


def _env(thread: Thread) -> bytes:
    return thread.env[:-1].replace(b"\0", b" ")


def _cwd(thread: Thread) -> bytes:
    return known(thread.cwd)


def pid(thread: Thread) -> int:
    """The process of a thread."""
    return thread.pid


def _vpid(thread: Thread) -> int:
    return thread.vpid


def session_id(thread: Thread) -> int:
    """The session of a thread."""
    return thread.sid


def _vpgid(thread: Thread) -> int:
    return thread.vpgid


def _pgid(thread: Thread) -> int:
    return thread.pgid


def _clone_ts(thread: Thread) -> int:
    return thread.clone_ts


def _arg_count(thread: Thread) -> int:
    return thread.args.count(b"\0") if thread.args != b"\0" else 0


def _leads(of: Callable[[Thread], int]) -> Callable[[Thread], bool]:
    return lambda thread: of(thread) == thread.vpid != -1


def parent_process(state: BatchState, rows: Rows) -> NDArray[np.int64]:
    """The main thread of the process at the parent id of the event's process."""
    positions = 2 * state.index(rows)
    return state.mains_of(state.parents_of(state.mains(rows), positions), positions)


# Ancestors ----------------------------------------------------------------------------------------------------------


def _parse_generation(text: str) -> int:
    if not text.isdigit() or int(text) > MAX_GENERATIONS:
        raise FormatError(f"{text} is no number of generations", hint=f"write 0 to {MAX_GENERATIONS}")
    return int(text)


_GENERATION = FieldArgument(_parse_generation, required=False, form="[N]")


def ancestor_lists(state: BatchState, rows: Rows) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The ancestors of each event's process, nearest first: offsets of shape ``(n + 1,)``, and versions.

    The process itself is none of them. The chain ends where a parent is unknown, is its own parent, or was met before.
    """
    positions = 2 * state.index(rows)
    start = state.mains(rows)
    # Work is done once per run of equal chains, not per event: most events of a process see the same ancestors.
    levels: list[NDArray[np.int64]] = []
    current, seen = start, [start]
    alive = current != ABSENT
    for _ in range(MAX_GENERATIONS):
        above = np.where(alive, state.parents_of(current, positions), ABSENT)
        for earlier in seen:
            above = np.where(above == earlier, ABSENT, above)
        alive = above != ABSENT
        if not alive.any():
            break
        levels.append(above)
        seen.append(above)
        current = above
    if not levels:
        return np.zeros(len(start) + 1, np.int64), np.empty(0, np.int64)
    table = np.stack(levels, axis=1)
    present = table != ABSENT
    offsets = np.concatenate(([0], np.cumsum(present.sum(axis=1))))
    return offsets, table[present]


def _ptid(thread: Thread) -> int:
    return thread.ptid


def ancestor_text(of: Callable[[Thread], bytes]) -> Extract:
    """A text of the ancestor so many generations up, or of all."""

    def extract(batch: EventBatch, rows: Rows, generation: int | None) -> Column:
        state = state_of(batch)
        if generation is not None:
            return state.text_column(state.ancestors(rows, generation), of)
        offsets, versions = ancestor_lists(state, rows)
        texts = Coded(versions, state.texts(of)).expand()
        return Lists(offsets, texts, state.threads(rows) != ABSENT)

    return extract


def _ancestor_pid(batch: EventBatch, rows: Rows, generation: int | None) -> Column:
    state = state_of(batch)
    if generation is not None:
        return state.number_column(state.ancestors(rows, generation), pid)
    offsets, versions = ancestor_lists(state, rows)
    return Lists(offsets, state.number_column(versions, pid), state.threads(rows) != ABSENT)


def _ancestor_args(batch: EventBatch, rows: Rows, generation: int | None) -> Column:
    if generation is not None:
        return ancestor_text(arguments)(batch, rows, generation)
    state = state_of(batch)
    offsets, versions = ancestor_lists(state, rows)
    chains: dict[bytes, int] = {}
    texts: list[bytes | None] = []
    codes = np.full(len(offsets) - 1, ABSENT)
    for row, (first, last) in enumerate(zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)):
        chain = versions[first:last]
        key = chain.tobytes()
        if key not in chains:
            chains[key] = len(texts)
            texts.append(_joined(arguments(state.versions[version]) for version in chain.tolist()) or None)
        codes[row] = chains[key]
    return Coded(codes, Texts.of(texts))


def _joined(texts: Iterable[bytes]) -> bytes:
    """Texts with a blank between them, but none in front."""
    whole = b""
    for text in texts:
        whole = b"%s %s" % (whole, text) if whole else text
    return whole


def _ancestor_field(name: str, description: str, of: Callable[[Thread], bytes]) -> Field:
    return Field(
        name,
        ParamType.CHARBUF,
        f"{description} With [N] that of the ancestor N generations up, 0 being the process itself; in a filter "
        "without it, any of them may match.",
        ancestor_text(of),
        argument=_GENERATION,
        flags=_ANCESTOR_FLAGS,
        cost=Cost.STATE,
        comparison="any",
    )


def _is_shell(thread: Thread) -> bool:
    return thread.comm.endswith(b"sh")


def _login_shell(batch: EventBatch, rows: Rows, argument: None) -> Column:  # noqa: ARG001
    state = state_of(batch)
    current, positions = state.mains(rows), 2 * state.index(rows)
    is_shell = state.flags(_is_shell)
    found = np.full(len(current), ABSENT)
    seen: list[NDArray[np.int64]] = []
    for _ in range(MAX_GENERATIONS):
        alive = current != ABSENT
        if not alive.any():
            break
        found = np.where(alive & is_shell[current], current, found)
        seen.append(current)
        current = np.where(alive, state.parents_of(current, positions), ABSENT)
        for earlier in seen:
            current = np.where(current == earlier, ABSENT, current)
    return state.number_column(found, pid)


# Leaders ------------------------------------------------------------------------------------------------------------


def leaders(state: BatchState, rows: Rows, of: Callable[[Thread], int], *, oneself: bool) -> NDArray[np.int64]:
    """The leader of each event's session or process group, whose id ``of`` reads.

    That is the thread of that id where there is one, else the eldest in the unbroken line of ancestors with the same
    id. With ``oneself`` that line starts with the process itself, and ids of pid namespaces are taken for the host's,
    as sysdig 0.29.3 does.
    """
    threads, positions = state.threads(rows), 2 * state.index(rows)
    if not len(state.versions):
        return threads
    ids = state.numbers(of)
    known = threads != ABSENT
    wanted = np.where(known, ids[threads], ABSENT)
    direct = known if oneself else known & (wanted != ABSENT) & ~state.flags(_in_namespace)[threads]
    leader = np.where(direct, state.find(wanted, positions), ABSENT)
    open_ = known & (leader == ABSENT) & (oneself | (wanted != ABSENT))
    start = np.where(open_, state.mains(rows), ABSENT)
    eldest, current = np.where(open_ & oneself, start, ABSENT), start
    for _ in range(MAX_GENERATIONS):
        above = np.where(current != ABSENT, state.parents_of(current, positions), ABSENT)
        current = np.where((above != ABSENT) & (ids[above] == wanted) & (above != current), above, ABSENT)
        if not (current != ABSENT).any():
            break
        eldest = np.where(current != ABSENT, current, eldest)
    return np.where(open_, eldest, leader)


def _in_namespace(thread: Thread) -> bool:
    return thread.vtid not in {thread.tid, -1}


def leader_text(of_id: Callable[[Thread], int], of: Callable[[Thread], bytes], *, oneself: bool) -> Extract:
    """A text of a leader, see `leaders`; empty where there is none."""

    def extract(batch: EventBatch, rows: Rows, argument: None) -> Column:  # noqa: ARG001
        state = state_of(batch)
        found = leaders(state, rows, of_id, oneself=oneself)
        texts = Texts.of([*map(of, state.versions), b""])
        nobody = (state.threads(rows) != ABSENT) & (found == ABSENT)
        return Coded(np.where(nobody, len(state.versions), found), texts)

    return extract


def _leader_fields(prefix: str, group: str, of_id: Callable[[Thread], int]) -> tuple[Field, ...]:
    parts = (("name", "name", comm), ("exe", "first argument", _exe), ("exepath", "program's path", _exepath))
    return tuple(
        Field(
            _SESSION_NAME if (prefix, part) == ("proc.sid", "name") else f"{prefix}.{part}",
            ParamType.CHARBUF,
            f"The {what} of the leader of the {group}, empty if that is not known.",
            leader_text(of_id, of, oneself=(prefix, part) == ("proc.sid", "name")),
            cost=Cost.STATE,
        )
        for part, what, of in parts
    )


#: The one field about leaders that sysdig 0.29.3 has.
_SESSION_NAME = "proc.sname"


# Items of lists -----------------------------------------------------------------------------------------------------


def _parse_index(text: str) -> int:
    if not text.isdigit():
        raise FormatError(f"{text} is no index", hint="arguments are counted from 0")
    return int(text)


def _args_column(batch: EventBatch, rows: Rows, index: int | None) -> Column:
    state = state_of(batch)
    threads = state.threads(rows)
    if index is None:
        return state.text_column(threads, arguments)
    key = ("argument", index)

    def one(thread: Thread) -> bytes:
        items = thread.args.split(b"\0")[:-1]
        return items[index] if index < len(items) else b""

    return state.text_column(threads, state.memo(key, lambda: one))


def _variable(env: bytes, name: bytes) -> bytes:
    """The value of an environment variable, empty where it is not set."""
    start = name + b"="
    return next((item[len(start) :] for item in env.split(b"\0") if item.startswith(start)), b"").strip(b" ")


def _env_column(batch: EventBatch, rows: Rows, name: str | None) -> Column:
    state = state_of(batch)
    if name is None:
        return state.text_column(state.mains(rows), _env)
    wanted = name.encode()
    of = state.memo(("variable", name), lambda: lambda thread: _variable(thread.env, wanted))
    return state.text_column(state.mains(rows), of)


def _parse_variable(text: str) -> str | None:
    return None if text.isdigit() else text


def _ancestor_env(batch: EventBatch, rows: Rows, argument: int | str | None) -> Column:
    if not isinstance(argument, str):
        return ancestor_text(_env)(batch, rows, argument)
    state = state_of(batch)
    offsets, versions = ancestor_lists(state, rows)
    wanted = argument.encode()
    values = [_variable(thread.env, wanted) for thread in state.versions]
    has_value = np.array([bool(value) for value in values], bool)[versions]
    owner = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    hits = np.flatnonzero(has_value)
    found = np.full(len(offsets) - 1, len(values))
    found[owner[hits][::-1]] = versions[hits][::-1]
    return Coded(np.where(state.threads(rows) != ABSENT, found, ABSENT), Texts.of([*values, b""]))


def _parse_variable_or_generation(text: str) -> int | str:
    return _parse_generation(text) if text.isdigit() else text


# Numbers that need more than a thread -------------------------------------------------------------------------------


def _since(of: Callable[[Thread], int], which: Callable[[BatchState, Rows], NDArray[np.int64]]) -> Extract:
    def extract(batch: EventBatch, rows: Rows, argument: None) -> Column:  # noqa: ARG001
        state = state_of(batch)
        start = state.number_column(which(state, rows), of, 0)
        elapsed = batch.header("ts", rows).astype(np.int64) - start.values
        return Numbers(elapsed.astype(np.uint64), start.valid)

    return extract


def _open_count(batch: EventBatch, rows: Rows, argument: None) -> Column:  # noqa: ARG001
    return state_of(batch).open_counts(rows)


def _fdlimit(thread: Thread) -> int:
    return thread.fdlimit


def _fd_usage(batch: EventBatch, rows: Rows, argument: None) -> Column:  # noqa: ARG001
    state = state_of(batch)
    count = state.open_counts(rows)
    limit = state.number_column(state.mains(rows), _fdlimit).values.astype(np.float64)
    usage = np.divide(100.0 * count.values, limit, out=np.zeros(len(limit)), where=limit > 0)
    return Numbers(np.minimum(usage, 100.0), count.valid)


def _standard(fd: int, *, name: bool) -> Extract:
    """The type or the name of one of the first three descriptors of the process."""

    def extract(batch: EventBatch, rows: Rows, argument: None) -> Column:  # noqa: ARG001
        state = state_of(batch)
        index = state.index(rows)
        values = fd_values(state, index, np.full(len(index), fd))
        if name:
            return Coded(values, Texts(state.descriptors.names))
        types = state.descriptors.types
        codes = np.where(values != ABSENT, types[values], ABSENT) if len(types) else values
        return Coded(codes, Texts.of(TYPE_TEXTS[type_][1].encode() for type_ in sorted(TYPE_TEXTS)))

    return extract


def _ppid(batch: EventBatch, rows: Rows, argument: None) -> Column:  # noqa: ARG001
    state = state_of(batch)
    return state.number_column(state.mains(rows), _ptid)


def _thread_total(thread: Thread) -> int:
    return thread.children + 1


def _thread_count(batch: EventBatch, rows: Rows, argument: None) -> Column:  # noqa: ARG001
    state = state_of(batch)
    counts = state.number_column(state.mains(rows), _thread_total)
    return Numbers(counts.values.astype(np.uint64), counts.valid)


def _exe_flag(bit: int) -> Callable[[Thread], bool]:
    return lambda thread: bool(thread.exe_flags >> bit & 1)


def _time_gap(later: str, earlier: str) -> Callable[[Thread], int]:
    """The time from one moment of a thread to another, 0 where it is not known."""

    def gap(thread: Thread) -> int:
        start, end = getattr(thread, earlier), getattr(thread, later)
        return max(end - start, 0) if start and end else 0

    return gap


def _field(name: str, type_: ParamType, description: str, extract: Extract, **more: Any) -> Field:
    return Field(name, type_, description, extract, cost=Cost.STATE, **more)


_DEC: dict[str, Any] = {"format": PrintFormat.DEC}
_ID: dict[str, Any] = {"format": PrintFormat.ID}

PROC_FIELDS = (
    text_field("proc.exe", "The first argument the process was started with.", _exe),
    text_field("proc.pexe", "The first argument of the parent process.", _exe, parent_process),
    _ancestor_field("proc.aexe", "The first argument of an ancestor.", _exe),
    text_field("proc.exepath", "The full path of the program.", _exepath),
    text_field("proc.pexepath", "The full path of the parent's program.", _exepath, parent_process),
    _ancestor_field("proc.aexepath", "The full path of an ancestor's program.", _exepath),
    text_field("proc.name", "The name of the process, without its path.", comm),
    text_field("proc.pname", "The name of the parent process.", comm, parent),
    _ancestor_field("proc.aname", "The name of an ancestor.", comm),
    _field(
        "proc.args",
        ParamType.CHARBUF,
        "The arguments behind the first one; with [N] one of them, counted from 0.",
        _args_column,
        argument=FieldArgument(_parse_index, required=False, form="[N]"),
    ),
    _field(
        "proc.aargs",
        ParamType.CHARBUF,
        "The arguments of all ancestors, nearest first; with [N] those of the ancestor N generations up.",
        _ancestor_args,
        argument=_GENERATION,
        flags=frozenset({"ARG_ALLOWED"}),
    ),
    text_field("proc.cmdline", "The name of the process and its arguments.", _cmdline),
    text_field("proc.pcmdline", "The name and arguments of the parent process.", _cmdline, parent),
    _ancestor_field("proc.acmdline", "The name and arguments of an ancestor.", _cmdline),
    number_field("proc.cmdnargs", "How many arguments there are.", _arg_count, type_=ParamType.UINT64, **_DEC),
    number_field(
        "proc.cmdlenargs",
        "The bytes of all arguments together.",
        lambda thread: len(thread.args) - thread.args.count(b"\0"),
        type_=ParamType.UINT64,
        **_DEC,
    ),
    text_field("proc.exeline", "The first argument and all others.", _exeline),
    _field(
        "proc.env",
        ParamType.CHARBUF,
        "The environment; with [NAME] the value of one variable.",
        _env_column,
        argument=FieldArgument(_parse_variable, required=False, form="[NAME]"),
    ),
    _field(
        "proc.aenv",
        ParamType.CHARBUF,
        "The environment of ancestors; with [N] that of one of them, with [NAME] the nearest value of a variable.",
        _ancestor_env,
        argument=FieldArgument(_parse_variable_or_generation, required=False, form="[NAME] or [N]"),
        flags=_ANCESTOR_FLAGS,
        comparison="any",
    ),
    text_field("proc.cwd", "The working directory, with a slash at its end.", _cwd, main),
    _field(
        "proc.loginshellid",
        ParamType.INT64,
        "The process id of the eldest shell among the process and its ancestors.",
        _login_shell,
        **_ID,
    ),
    number_field("proc.tty", "The controlling terminal, 0 for none.", lambda thread: thread.tty, type_=ParamType.INT32),
    number_field("proc.pid", "The process id.", pid),
    _field("proc.ppid", ParamType.INT64, "The process id of the parent.", _ppid, **_ID),
    _field(
        "proc.apid",
        ParamType.INT64,
        "The process id of an ancestor. With [N] that of the ancestor N generations up, 0 being the process itself; "
        "in a filter without it, any of them may match.",
        _ancestor_pid,
        argument=_GENERATION,
        flags=_ANCESTOR_FLAGS,
        comparison="any",
        **_ID,
    ),
    number_field("proc.vpid", "The process id in its own pid namespace.", _vpid, missing=-1),
    number_field("proc.pvpid", "The process id of the parent in its own pid namespace.", _vpid, parent_process),
    number_field("proc.sid", "The session id.", session_id),
    *_leader_fields("proc.sid", "session", session_id),
    number_field("proc.vpgid", "The process group id in its own pid namespace.", _vpgid),
    *_leader_fields("proc.vpgid", "process group", _vpgid),
    number_field("proc.pgid", "The process group id on the host.", _pgid),
    *_leader_fields("proc.pgid", "process group", _pgid),
    flag_field("proc.is_sid_leader", "Whether it leads its session.", _leads(session_id)),
    flag_field("proc.is_vpgid_leader", "Whether it leads its process group.", _leads(_vpgid)),
    flag_field("proc.is_pgid_leader", "Whether it leads its process group.", lambda thread: thread.pgid == thread.pid),
    _field(
        "proc.duration",
        ParamType.RELTIME,
        "How long ago the process was started, where its start was seen.",
        _since(_clone_ts, own),
        **_DEC,
    ),
    _field(
        "proc.ppid.duration",
        ParamType.RELTIME,
        "How long ago the parent was started, where its start was seen.",
        _since(_clone_ts, parent_process),
        **_DEC,
    ),
    number_field("proc.pid.ts", "When the process was started.", _clone_ts, type_=ParamType.RELTIME, missing=0, **_DEC),
    number_field(
        "proc.ppid.ts", "When the parent was started.", _clone_ts, parent_process, type_=ParamType.RELTIME, **_DEC
    ),
    flag_field("proc.is_exe_writable", "Whether the user may write to the program's file.", _exe_flag(0)),
    flag_field("proc.is_exe_upper_layer", "Whether the program's file is in an overlay's upper layer.", _exe_flag(1)),
    flag_field("proc.is_exe_from_memfd", "Whether the program's file is in memory only.", _exe_flag(2)),
    flag_field("proc.is_exe_lower_layer", "Whether the program's file is in an overlay's lower layer.", _exe_flag(3)),
    number_field("proc.exe_ino", "The inode of the program's file.", lambda t: t.exe_ino, missing=0, **_DEC),
    number_field(
        "proc.exe_ino.ctime",
        "When the inode of the program's file changed last.",
        lambda thread: thread.exe_ino_ctime,
        type_=ParamType.ABSTIME,
        missing=0,
        **_DEC,
    ),
    number_field(
        "proc.exe_ino.mtime",
        "When the contents of the program's file changed last.",
        lambda thread: thread.exe_ino_mtime,
        type_=ParamType.ABSTIME,
        missing=0,
        **_DEC,
    ),
    number_field(
        "proc.exe_ino.ctime_duration_proc_start",
        "The time from the last change of the program's inode to the start of the process.",
        _time_gap("clone_ts", "exe_ino_ctime"),
        type_=ParamType.RELTIME,
        missing=0,
        **_DEC,
    ),
    number_field(
        "proc.exe_ino.ctime_duration_pidns_start",
        "The time from the start of the pid namespace to the last change of the program's inode.",
        _time_gap("exe_ino_ctime", "pidns_init_start_ts"),
        type_=ParamType.RELTIME,
        missing=0,
        **_DEC,
    ),
    number_field(
        "proc.pidns_init_start_ts",
        "When the first process of the pid namespace was started.",
        lambda thread: thread.pidns_init_start_ts,
        type_=ParamType.UINT64,
        missing=0,
        **_DEC,
    ),
    _field("proc.fdopencount", ParamType.UINT64, "How many descriptors the process has open.", _open_count, **_DEC),
    number_field("proc.fdlimit", "How many descriptors it may have open, -1 if unknown.", _fdlimit, main, **_DEC),
    _field("proc.fdusage", ParamType.DOUBLE, "The share of its limit it has open, in percent.", _fd_usage),
    *(
        _field(
            f"proc.{stream}.{what}",
            ParamType.CHARBUF,
            f"The {what} of the process' {words}.",
            _standard(fd, name=what == "name"),
        )
        for fd, stream, words in ((0, "stdin", "input"), (1, "stdout", "output"), (2, "stderr", "error output"))
        for what in ("type", "name")
    ),
    *(
        counter_field(f"proc.{name}", f"{what} of the process in kB.", name)
        for name, what in (("vmsize", "Virtual memory"), ("vmrss", "Resident memory"), ("vmswap", "Swapped memory"))
    ),
    _field("proc.nthreads", ParamType.UINT64, "How many threads the process has.", _thread_count, **_DEC),
    number_field(
        "proc.nchilds",
        "How many threads besides the main one the process has.",
        lambda thread: thread.children,
        type_=ParamType.UINT64,
        **_DEC,
    ),
)
