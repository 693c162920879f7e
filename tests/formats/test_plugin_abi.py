"""The plugin interface: structures are as large as compilers make them, and every symbol a rule names is declared."""

from __future__ import annotations

import re

import cffi
import pytest

from scap_formats.plugin_abi import PLUGIN_ABIS, STATE_MEMBERS, SYMBOL_PREFIX, PluginAbi, c_header, header_text

#: Sizes on 64-bit systems, and where some members lie.
SIZES = {
    0: {"event": 32, "extract_field": 48},
    1: {"event": 32, "extract_field": 64},
    2: {"event": 32, "extract_field": 64},
    3: {
        "event": 26, "event_input": 24, "byte_buffer": 16, "extract_value_offsets": 16, "extract_field": 64,
        "state_data": 8, "table_info": 16, "table_fieldinfo": 16, "metric": 32, "table_reader_vtable": 32,
        "table_reader_vtable_ext": 48, "table_writer_vtable": 48, "table_fields_vtable": 24, "table_input": 152,
        "init_tables_input": 72, "init_input": 40, "field_extract_input": 80, "event_parse_input": 112,
        "capture_listen_input": 40,
    },
}  # fmt: skip
OFFSETS = {
    (3, "event", "nparams"): 22,
    (3, "metric", "value_type"): 24,
    (3, "table_input", "reader_ext"): 128,
    (3, "init_tables_input", "fields_ext"): 48,
    (3, "field_extract_input", "value_offsets"): 72,
    (1, "extract_field", "flist"): 56,
    (0, "extract_field", "res_u64"): 40,
}


def interface(abi: PluginAbi) -> cffi.FFI:
    ffi = cffi.FFI()
    for name in abi.packed:
        ffi.cdef(header_text(name), packed=True)
    for name in abi.headers:
        ffi.cdef(header_text(name))
    return ffi


@pytest.mark.parametrize("abi", PLUGIN_ABIS.values(), ids=lambda abi: str(abi.major))
def test_layouts(abi) -> None:
    ffi = interface(abi)
    sizes = {name: ffi.sizeof(f"ss_plugin_{name}") for name in SIZES[abi.major]}
    assert sizes == SIZES[abi.major]
    for (major, name, member), offset in OFFSETS.items():
        if major == abi.major:
            assert ffi.offsetof(f"ss_plugin_{name}", member) == offset, (name, member)


@pytest.mark.parametrize("abi", PLUGIN_ABIS.values(), ids=lambda abi: str(abi.major))
def test_rules_name_declared_symbols(abi) -> None:
    declared = set(re.findall(rf"\b{SYMBOL_PREFIX}(\w+)\(", c_header(abi.major)))
    named = set(abi.required)
    for rule in abi.capabilities.values():
        named |= rule.symbols | rule.refused
    assert named <= declared
    assert abi.oldest[0] == abi.newest[0] == abi.major
    assert abi.oldest <= abi.newest


def test_state_members_are_declared() -> None:
    ffi = interface(PLUGIN_ABIS[3])
    assert set(STATE_MEMBERS.values()) == {name for name, _ in ffi.typeof("ss_plugin_state_data").fields}


def test_the_parsed_headers_are_the_headers(tmp_path) -> None:
    from scap_formats.plugin_abi.parse import PARSED, write_headers

    write_headers(tmp_path)
    made = {path.name: path.read_text() for path in tmp_path.glob("*.py")}
    assert made == {path.name: path.read_text() for path in PARSED.glob("v*.py")}
    assert made.keys() == {"v0.py", "v1.py", "v3.py"}
