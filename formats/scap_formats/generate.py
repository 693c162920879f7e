"""Rebuild the JSON tables of this package from the reference files, or check them.

``python -m scap_formats.generate REFERENCE_DIR [--check]``. The reference files are ``events.json``,
``syscalls.json`` and ``plugin-registry.json``. ``--check`` verifies that the committed tables are in canonical form and
consistent, and, where the reference is there, that they are what it gives; it exits 1 and says what differs.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scap_formats.types import EventCategory, EventClass, EventFlag, ParamType, PrintFormat

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(__file__).parent
Table = dict[str, Any]
_ACTIONS = frozenset({"pass", "store", "store+pass", "add", "change"})
_WORD_SOURCES = frozenset({"default", "empty", "container_json?empty"})
_INDEXED_SOURCES = frozenset({("old", ""), ("enter", "default"), ("enter", "empty")})


def event_table(reference: Table) -> Table:
    """The event table in package form: upstream prefixes dropped, what follows from other values left out."""
    about = reference["about"]
    return {
        "about": {
            "libs_commit": about["libs_commit"],
            "driver_schema": about["driver_schema"],
            "v0_29_3_libs_commit": about["sysdig_0_29_3_libs_commit"],
            "v0_29_3_event_max": about["event_max_sysdig_0_29_3"],
        },
        "events": [_event(event) for event in reference["events"]],
        "flags_tables": {
            name: [[int(value), text] for value, text in entries.items()]
            for name, entries in reference["flags_tables"].items()
        },
        "dynamic_tables": {
            name: [[entry["type"].removeprefix("PT_"), _format(entry["fmt"])] for entry in entries]
            for name, entries in reference["dynamic_tables"].items()
        },
    }


def syscall_table(reference: Table) -> Table:
    """PPM_SC code to ``[name]``, ``[name, event ids]`` or ``[name, event ids, x86_64 number]``."""
    about = reference["about"]
    return {
        "about": {
            "libs_commit": about["libs_commit"],
            "v0_29_3_max": about["ppm_sc_max_sysdig_0_29_3"],
        },
        "syscalls": [
            _without_empty(
                {
                    "code": int(code),
                    "name": entry["name"],
                    "x86_64": entry.get("nr_x86_64"),
                    "events": entry["events"],
                    "v0_29_3_name": entry.get("sysdig_0_29_3_name"),
                    "v0_29_3": entry.get("in_sysdig_0_29_3"),
                    "reserved": entry.get("reserved"),
                }
            )
            for code, entry in reference["ppm_sc"].items()
        ],
    }


def plugin_registry(reference: Table) -> Table:
    """The registered source plugins: id, name and event source; plugins that only extract have no id."""
    sourcing = [
        (plugin["capabilities"]["sourcing"], plugin["name"])
        for plugin in reference["plugins"]
        if "id" in plugin["capabilities"].get("sourcing", {})
    ]
    return {
        "about": {
            "plugins_commit": reference["provenance"]["commit"],
            "reserved_sources": reference["reserved_sources"],
        },
        "plugins": sorted(
            ({"id": entry["id"], "name": name, "source": entry.get("source", "")} for entry, name in sourcing),
            key=lambda plugin: plugin["id"],
        ),
    }


#: Table file, reference file, and how the one is made of the other.
TABLES = {
    "event_table.json": ("events.json", event_table),
    "syscall_table.json": ("syscalls.json", syscall_table),
    "plugin_registry.json": ("plugin-registry.json", plugin_registry),
}


def _without_empty(entry: Table) -> Table:
    return {key: value for key, value in entry.items() if value is not None and value != []}


def _format(name: str) -> str:
    return PrintFormat.PADDED_DEC.name if name == "PF_10_PADDED_DEC" else name.removeprefix("PF_")


def _param(param: Table) -> Table:
    return _without_empty(
        {
            "name": param["name"],
            "type": param["type"].removeprefix("PT_"),
            "fmt": _format(param["fmt"]),
            "flags": param.get("flags"),
            "dyn": param.get("dyn"),
            "dirfd_param": param.get("dirfd_param"),
        }
    )


def _older(difference: Any) -> Any:
    """What sysdig 0.29.3 has instead: false = type unknown, None = the same."""
    if difference is None:
        return False
    if difference == "same":
        return None
    params = {
        index: {
            key: _format(value) if key == "fmt" else value.removeprefix("PT_") if key == "type" else value
            for key, value in param.items()
        }
        for index, param in difference.get("params", {}).items()
    }
    return {**difference, "params": params} if params else difference


def _event(event: Table) -> Table:
    return _without_empty(
        {
            "id": event["id"],
            "enum": event["enum"].removeprefix("PPME_"),
            "name": event["name"],
            "category": event["category"].removeprefix("EC_"),
            "class": event["class"] and event["class"].removeprefix("EC_"),
            "flags": [flag.removeprefix("EF_") for flag in event["flags"]],
            "params": [_param(param) for param in event["params"]],
            "since": event["since"],
            "history": event.get("history"),
            "v0_29_3": _older(event["v0_29_3"]),
            "convert": event.get("convert"),
        }
    )


def text_of(table: Table) -> str:
    """Canonical text: one entry of a top-level list or object per line."""
    parts = []
    for key, value in table.items():
        if isinstance(value, list):
            lines = [json.dumps(entry, separators=(",", ":")) for entry in value]
            opening, closing = "[", "]"
        else:
            lines = [f"{json.dumps(name)}:{json.dumps(entry, separators=(',', ':'))}" for name, entry in value.items()]
            opening, closing = "{", "}"
        body = ",\n".join(f"  {line}" for line in lines)
        parts.append(f" {json.dumps(key)}: {opening}\n{body}\n {closing}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def read_reference(reference: Path) -> dict[str, Table]:
    """The tables a reference directory gives, by file name. Raises OSError and ValueError."""
    return {name: make(json.loads((reference / source).read_text("utf-8"))) for name, (source, make) in TABLES.items()}


def reference_problems(reference: Path) -> Iterator[str]:
    """Where the numbers in `types` differ from the reference's."""
    source = json.loads((reference / "events.json").read_text("utf-8"))
    for name, entry in source["param_types"].items():
        type_ = ParamType.__members__.get(name.removeprefix("PT_"))
        if type_ is None or (type_.value, type_.size) != (entry["id"], entry["size"]):
            yield f"types.py: {name} should be {entry['id']} of size {entry['size']}"
    numbers = {
        **{_format(name): (value, PrintFormat) for name, value in source["param_formats"].items()},
        **{name.removeprefix("EF_"): (value, EventFlag) for name, value in source["event_flags"].items()},
    }
    for name, (value, enum) in numbers.items():
        if name not in enum.__members__ or enum[name] != value:
            yield f"types.py: {enum.__name__}.{name} should be {value}"
    for name, value in source["categories"].items():
        short = name.removeprefix("EC_")
        members: Any = EventClass if value > EventCategory.INTERNAL else EventCategory
        if value not in {member.value for member in members} or (
            short in members.__members__ and members[short] != value
        ):
            yield f"types.py: {name} should be {value}"


def consistency_problems(tables: dict[str, Table]) -> Iterator[str]:
    """What contradicts itself in a set of tables, one sentence each."""
    events = tables["event_table.json"]["events"]
    if [event["id"] for event in events] != list(range(len(events))):
        yield "event_table.json: ids are not contiguous"
        return
    for event in events:
        for problem in _event_problems(event, tables["event_table.json"]):
            yield f"event_table.json: event {event['id']}: {problem}"
    for entry in tables["syscall_table.json"]["syscalls"]:
        if any(not 0 <= id_ < len(events) for id_ in entry.get("events", ())):
            yield f"syscall_table.json: code {entry['code']} refers to an unknown event"
    codes = [entry["code"] for entry in tables["syscall_table.json"]["syscalls"]]
    if codes != list(range(len(codes))):
        yield "syscall_table.json: codes are not contiguous"
    ids = [plugin["id"] for plugin in tables["plugin_registry.json"]["plugins"]]
    if ids != sorted(set(ids)):
        yield "plugin_registry.json: ids are not unique and sorted"


def _event_problems(event: Table, table: Table) -> Iterator[str]:
    params = event.get("params", [])
    suffix = "_X" if event["id"] % 2 else "_E"
    if not event["enum"].endswith(suffix):
        yield f"{event['enum']} does not end in {suffix}"
    if event["category"] not in EventCategory.__members__ or event.get("class", "NONE") not in EventClass.__members__:
        yield "unknown category or class"
    if unknown := set(event.get("flags", ())) - set(EventFlag.__members__):
        yield f"unknown flags {sorted(unknown)}"
    for param in params:
        if param["type"] not in ParamType.__members__ or param["fmt"] not in PrintFormat.__members__:
            yield f"unknown type or format of {param['name']}"
        if param.get("flags") not in {None, *table["flags_tables"]}:
            yield f"no flags table {param['flags']}"
        if (param["type"] == "DYN") != (param.get("dyn") in table["dynamic_tables"]):
            yield f"no dynamic table for {param['name']}"
        if not 0 <= param.get("dirfd_param", 0) < len(params):
            yield f"{param['name']} refers to a missing parameter"
    counts = [count for _label, count in event.get("history", [[event["since"], len(params)]])]
    if counts != sorted(set(counts)) or counts[-1] != len(params):
        yield "history does not grow to the present number of parameters"
    for nparams, conversion in event.get("convert", {}).items():
        yield from _conversion_problems(event, int(nparams), conversion, table["events"])


def _conversion_problems(event: Table, nparams: int, conversion: Table, events: list[Table]) -> Iterator[str]:
    where = f"conversion of {nparams} parameters"
    action, sources = conversion["action"], conversion.get("params", [])
    if action not in _ACTIONS:
        yield f"{where}: unknown action {action}"
    if nparams > len(event.get("params", [])):
        yield f"{where}: the type never had that many"
    if action == "add" and nparams + len(sources) > len(event.get("params", [])):
        yield f"{where}: appends beyond the table"
    if action == "change":
        target = conversion.get("to", -1)
        if not 0 <= target < len(events):
            yield f"{where}: no such target type"
        elif len(sources) > len(events[target].get("params", [])):
            yield f"{where}: more parameters than the target has"
    enter = events[event["id"] - 1] if event["id"] % 2 else {}
    limits = {"old": nparams, "enter": len(enter.get("params", []))}
    for source in sources:
        if source in _WORD_SOURCES:
            continue
        origin, _, rest = source.partition(":")
        index, _, fallback = rest.partition("?")
        if (origin, fallback) not in _INDEXED_SOURCES or not index.isdecimal() or int(index) >= limits[origin]:
            yield f"{where}: {source} refers to nothing"


def check(reference: Path | None) -> list[str]:
    """Everything that is wrong with the committed tables, one sentence each; empty where all is well."""
    problems = []
    tables = {}
    for name in TABLES:
        text = (PACKAGE / name).read_text("utf-8")
        tables[name] = json.loads(text)
        if text != text_of(tables[name]):
            problems.append(f"{name}: not in canonical form")
    problems += consistency_problems(tables)
    if reference is not None:
        problems += reference_problems(reference)
        for name, table in read_reference(reference).items():
            problems += [f"{name}: {line}" for line in _differences(tables[name], table)]
    return problems


def _differences(committed: Table, wanted: Table) -> Iterator[str]:
    have, want = text_of(committed).splitlines(), text_of(wanted).splitlines()
    yield from (f"missing or outdated: {line.strip()[:120]}" for line in want if line not in set(have))
    yield from (f"not in the reference: {line.strip()[:120]}" for line in have if line not in set(want))


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="scap_formats.generate", description="Rebuild or check the JSON tables.")
    parser.add_argument("reference", type=Path, help="directory with events.json, syscalls.json, plugin-registry.json")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where something differs")
    options = parser.parse_args(arguments)
    present = all((options.reference / source).is_file() for source, _make in TABLES.values())
    if options.check:
        problems = check(options.reference if present else None)
        for problem in problems:
            sys.stderr.write(f"{problem}\n")
        if not present:
            sys.stderr.write(f"no reference files in {options.reference}: checked the tables by themselves only\n")
        return 1 if problems else 0
    if not present:
        parser.error(f"no reference files in {options.reference}")
    for name, table in read_reference(options.reference).items():
        (PACKAGE / name).write_text(text_of(table), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
