"""The process tree as lines for a terminal and as records for programs."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from scaptools.cli.times import duration_text, utc_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scaptools.state.processtree import Process, ProcessTree

#: Columns where the output is no terminal that tells its own.
_COLUMNS = 80
#: A branch deeper than this shows only where it ends.
_DEEPEST = 10
_SECOND = 1_000_000_000
_BRANCH, _LAST, _PASSING, _NOTHING = "├ ", "└ ", "│ ", "  "


def tree_lines(name: str, tree: ProcessTree, *, terminal: bool) -> Iterator[str]:
    """A heading and a line a process; childless ones that run the same one after the other share a line."""
    columns = shutil.get_terminal_size((_COLUMNS, 0)).columns if terminal else _COLUMNS
    total = sum(1 for _ in tree.walk())
    first, last = tree.first_ns, tree.last_ns
    span = "" if first is None or last is None else f" in {duration_text(last - first)} from {utc_text(first)}"
    yield f"{name}: {total:,} processes{span}"
    yield f"{'PID':>7}  {'STARTED':>11}  {'ENDED':>11}  COMMAND"
    for prefix, alike in _branches(tree.roots):
        process = alike[0]
        times = f"{_moment(process.started_ns, first, 'before')}  {_moment(alike[-1].ended_ns, first, '-')}"
        command = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in process.command)
        many = f"{len(alike):,} × " if len(alike) > 1 else ""
        threads = f"[{process.threads} threads] " if process.threads > 1 else ""
        line = f"{process.pid:>7}  {times}  {prefix}{many}{threads}{command}"
        yield line.rstrip() if len(line) <= columns else line[: columns - 1] + "…"


def _branches(roots: list[Process]) -> Iterator[tuple[str, list[Process]]]:
    """Processes in tree order, alike ones together, with the lines that lead to them."""
    pending = [("", "", group) for group in reversed(_alike(roots))]
    while pending:
        leading, mark, group = pending.pop()
        yield (leading if len(leading) <= 2 * _DEEPEST else "… ") + mark, group
        children = _alike(group[0].children)
        below = leading + {_BRANCH: _PASSING, _LAST: _NOTHING}.get(mark, "")
        below = below[: 2 * _DEEPEST + 2]
        marks = [*[_BRANCH] * (len(children) - 1), _LAST][: len(children)]
        pending.extend(reversed([(below, each, child) for each, child in zip(marks, children, strict=True)]))


def _alike(processes: list[Process]) -> list[list[Process]]:
    groups: list[list[Process]] = []
    for process in processes:
        if groups and not process.children and _shape(process) == _shape(groups[-1][-1]):
            groups[-1].append(process)
        else:
            groups.append([process])
    return groups


def _shape(process: Process) -> tuple[object, ...]:
    """What processes on one line have in common."""
    ended = process.ended_ns is None
    return process.name, process.args, process.threads, process.started_ns is None, ended, bool(process.children)


def _moment(ts: int | None, first: int | None, otherwise: str) -> str:
    if ts is None or first is None:
        return f"{otherwise:>11}"
    return f"{(ts - first) / _SECOND:>+10.3f}s"


def tree_record(name: str, tree: ProcessTree) -> dict[str, Any]:
    """The tree as one JSON object: processes in tree order, each naming its parent by place in the list."""
    places: dict[int, int] = {}
    processes: list[dict[str, Any]] = []
    for depth, process in tree.walk():
        places[id(process)] = len(processes)
        processes.append(
            {
                "pid": process.pid,
                "ppid": process.ppid,
                "parent": None if process.parent is None else places[id(process.parent)],
                "depth": depth,
                "name": process.name,
                "args": process.args,
                "uid": process.uid,
                "container": process.container_id,
                "threads": process.threads,
                "started_ts": process.started_ns,
                "ended_ts": process.ended_ns,
            }
        )
    return {"name": name, "first_ts": tree.first_ns, "last_ts": tree.last_ns, "processes": processes}
