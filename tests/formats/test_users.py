from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scap_formats.bodies import build_block, parse_block
from scap_formats.codec import ByteOrder, FormatsError

NUMBERS = st.integers(0, 2**32 - 1)
TEXTS = st.binary(max_size=12)
USERS = st.fixed_dictionaries(
    {"kind": st.just(0), "uid": NUMBERS, "gid": NUMBERS, "name": TEXTS, "home": TEXTS, "shell": TEXTS}
)
GROUPS = st.fixed_dictionaries({"kind": st.integers(1, 255), "gid": NUMBERS, "name": TEXTS})


@pytest.mark.parametrize("byteorder", ["little", "big"])
@pytest.mark.parametrize("block_type", [0x206, 0x220, 0x8012ABCD])
@given(entries=st.lists(st.one_of(USERS, GROUPS), max_size=4))
def test_every_version(byteorder: ByteOrder, block_type: int, entries: list[dict[str, Any]]) -> None:
    block = build_block(block_type, {"entries": entries}, byteorder)
    body = parse_block(block, byteorder).body
    assert body.entries == [{**entry, "extra": b""} for entry in entries]
    assert build_block(block_type, body, byteorder) == block


def test_layout() -> None:
    root = {"kind": 0, "uid": 0, "gid": 5, "name": b"root", "home": b"/root", "shell": b"/bin/sh"}
    wheel = {"kind": 1, "gid": 10, "name": b"wheel"}
    user = "0000000000050000000400" + b"root".hex() + "0500" + b"/root".hex() + "0700" + b"/bin/sh".hex()
    group = "010a0000000500" + b"wheel".hex()
    v1 = build_block(0x206, {"entries": [root, wheel]})
    assert v1[8:-4].hex() == user + group + "00"
    v2 = build_block(0x220, {"entries": [root, wheel]})
    assert v2[8:-4].hex() == "23000000" + user + "10000000" + group + "00"


def test_bytes_at_the_end_of_an_entry_are_kept() -> None:
    entry = {"kind": 1, "gid": 10, "name": b"wheel", "extra": b"later"}
    assert parse_block(build_block(0x220, {"entries": [entry]})).body.entries == [entry]


def test_cut_entry() -> None:
    block = build_block(0x206, {"entries": [{"kind": 1, "gid": 10, "name": b"a longer name"}]})
    with pytest.raises(FormatsError, match=r"entries\[0\].name: 13 bytes expected"):
        parse_block(build_block(0x206, block[8:-12]))
