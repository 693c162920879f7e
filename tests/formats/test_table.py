from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

import pytest

from scap_formats.table import event_table, plugin_registry, syscall_table
from scap_formats.types import (
    ConversionAction,
    Direction,
    EventCategory,
    EventClass,
    EventFlag,
    ParamType,
    PrintFormat,
    SourceKind,
)

TABLE = event_table()


def test_ids_are_indexes_and_give_the_direction() -> None:
    assert [event.id for event in TABLE.events] == list(range(454))
    assert TABLE.EVENT_MAX == 454
    assert {event.direction for event in TABLE.events[::2]} == {Direction.ENTER}
    assert {event.direction for event in TABLE.events[1::2]} == {Direction.EXIT}


def test_open_exit() -> None:
    event = TABLE.events[3]
    assert (event.enum, event.name, event.category, event.event_class) == (
        "SYSCALL_OPEN_X",
        "open",
        EventCategory.FILE,
        EventClass.SYSCALL,
    )
    assert event.flags == EventFlag.CREATES_FD | EventFlag.MODIFIES_STATE | EventFlag.CONVERTER_MANAGED
    assert [(param.name, param.type, param.format) for param in event.params] == [
        ("fd", ParamType.FD, PrintFormat.DEC),
        ("name", ParamType.FSPATH, PrintFormat.NA),
        ("flags", ParamType.FLAGS32, PrintFormat.HEX),
        ("mode", ParamType.UINT32, PrintFormat.OCT),
        ("dev", ParamType.UINT32, PrintFormat.HEX),
        ("ino", ParamType.UINT64, PrintFormat.DEC),
    ]
    assert event.params[2].flags_table == "file_flags"
    assert event.history == (("2014-01", 4), ("2019-04", 5), ("2022-06", 6))
    assert event.old_params == event.params[:5]


def test_lengths_are_wide_for_three_types_only() -> None:
    assert [event.id for event in TABLE.events if event.length_width == 4] == [322, 324, 402]
    assert {event.length_width for event in TABLE.events} == {2, 4}


def test_history_grows_to_the_newest_count() -> None:
    for event in TABLE.events:
        counts = [count for _label, count in event.history]
        assert event.history[0][0] == event.since
        assert counts[-1] == event.nparams
        assert all(earlier < later for earlier, later in pairwise(counts))


def test_tables_that_params_refer_to_exist() -> None:
    for event in TABLE.events:
        for param in event.params:
            assert param.flags_table is None or param.flags_table in TABLE.flags_tables
            assert (param.type is ParamType.DYN) == (param.dynamic_table in TABLE.dynamic_tables)
            if param.dirfd_param is not None:
                assert event.params[param.dirfd_param].type is ParamType.FD
                assert param.type is ParamType.FSRELPATH


def test_every_historical_count_of_a_managed_type_has_a_conversion() -> None:
    for event in TABLE.events:
        if EventFlag.CONVERTER_MANAGED not in event.flags:
            assert not event.conversions
            continue
        enter_or_old = event.direction is Direction.ENTER or EventFlag.OLD_VERSION in event.flags
        for _label, count in event.history:
            if enter_or_old or count != event.nparams:
                assert count in event.conversions, (event.id, count)


def test_conversions_end_at_a_current_event() -> None:
    """Whatever a capture holds, following the rules stops, and at the newest number of parameters."""
    for event in TABLE.events:
        for count in event.conversions:
            current, nparams, steps = event, count, 0
            while (rule := current.conversions.get(nparams)) is not None:
                steps += 1
                assert steps < 30
                if rule.action is ConversionAction.CHANGE:
                    assert rule.to is not None
                    current, nparams = TABLE.events[rule.to], len(rule.params)
                elif rule.action is ConversionAction.ADD:
                    assert rule.params
                    nparams += len(rule.params)
                else:
                    break
            assert nparams == current.nparams or rule is not None


def test_sources_refer_to_existing_params() -> None:
    for event in TABLE.events:
        for count, rule in event.conversions.items():
            for source in rule.params:
                if source.kind is SourceKind.OLD:
                    assert 0 <= source.index < count
                elif source.kind in {SourceKind.ENTER_OR_DEFAULT, SourceKind.ENTER_OR_EMPTY}:
                    assert event.direction is Direction.EXIT
                    assert 0 <= source.index < TABLE.events[event.id - 1].nparams
                else:
                    assert source.index == -1


def test_brk_changes_its_type() -> None:
    rule = TABLE.events[11].conversions[1]
    assert (rule.action, rule.to) == (ConversionAction.CHANGE, 159)
    assert [(source.kind, source.index) for source in rule.params] == [
        (SourceKind.OLD, 0),
        (SourceKind.ENTER_OR_EMPTY, 0),
        *[(SourceKind.EMPTY, -1)] * 3,
    ]


def test_what_sysdig_0_29_3_knows() -> None:
    assert TABLE.old_event_max == 336
    assert all((event.old_params is None) == (event.id >= 336) for event in TABLE.events)
    plugin = TABLE.events[322]
    assert plugin.params[0].name == "plugin_id"
    assert plugin.params[0].name_0_29_3 == "plugin ID"
    assert plugin.old_params is not None
    assert plugin.old_params[0].name == "plugin ID"
    assert (TABLE.events[269].name, TABLE.events[269].old_name) != ("tracer", "tracer")
    execve = TABLE.events[293].old_params
    assert execve is not None
    assert (len(execve), execve[16].type, execve[17].name) == (20, ParamType.INT32, "pgid")


def test_find_param_takes_old_and_new_names() -> None:
    event = TABLE.events[322]
    assert [event.find_param(name) for name in ("plugin_id", "plugin ID", "event_data", "data")] == [0, 0, 1, None]


def test_by_name() -> None:
    assert [event.id for event in TABLE.by_name("open")] == [2, 3]
    assert TABLE.by_name("no such event") == ()
    assert sum(map(len, TABLE.names.values())) == 454


def test_flags_tables_keep_their_order() -> None:
    assert TABLE.flags_tables["socket_families"][0] == (39, "AF_NFC")
    assert [value for value, _name in TABLE.flags_tables["lseek_whence"]] == [2, 1, 0]


def test_dynamic_tables() -> None:
    assert [choice.type for choice in TABLE.dynamic_tables["sockopt_dynamic_param"]] == [
        ParamType.BYTEBUF,
        ParamType.ERRNO,
        ParamType.UINT32,
        ParamType.UINT64,
        ParamType.RELTIME,
    ]


def test_syscalls() -> None:
    table = syscall_table()
    assert [call.code for call in table.syscalls] == list(range(454))
    assert table.old_max == 329
    assert (table.name(3), table.find_code("read"), table.find_native(0)) == ("read", 3, 3)
    assert (table.name(298), table.syscalls[298].old_name) == ("rt_sigreturn", "sigreturn")
    assert table.name(382) is None
    assert table.name(454) is None
    assert table.name(-1) is None
    assert table.find_code("no such call") is None
    assert table.syscalls[5].events == (2, 3)
    assert all(id_ < TABLE.EVENT_MAX for call in table.syscalls for id_ in call.events)


def test_plugin_registry() -> None:
    registry = plugin_registry()
    assert (registry[2].name, registry[2].source) == ("cloudtrail", "aws_cloudtrail")
    assert registry[999].source == "test"
    assert all(id_ == plugin.id for id_, plugin in registry.items())


@pytest.mark.parametrize("heavy", ["construct", "numpy"])
def test_reading_the_table_imports_nothing_heavy(heavy: str) -> None:
    code = f"import sys, scap_formats.table as t; t.event_table(); sys.exit({heavy!r} in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)}, timeout=60)
