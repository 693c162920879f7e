"""Every field of every event of the shared captures against what the peers say, cell by cell.

Where cells differ, the reason is that of the field in `bench.reasons`; how many do is counted here.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest

from bench.agreement import Agreement
from bench.reasons import NEWEST_REASONS, SYSDIG_REASONS

if TYPE_CHECKING:
    from pathlib import Path

CAPTURES = (
    "cat_write",
    "connect_localhost",
    "curl_google",
    "empty_v1",
    "empty_v2",
    "open-multiple-files",
    "run_as_user_0_container",
    "sample",
    "syscall",
    "write_tmp_test",
)
#: Cells that differ from sysdig 0.29.3, by field and capture.
SYSDIG_DIFFERENCES: dict[str, dict[str, int]] = {
    "evt.rawarg.args": {"cat_write": 1, "curl_google": 3, "run_as_user_0_container": 3},
    "evt.rawarg.cgroups": {"cat_write": 1, "curl_google": 3, "run_as_user_0_container": 3},
    "evt.rawarg.data": {"cat_write": 2, "curl_google": 55, "sample": 5},
    "evt.rawarg.env": {"cat_write": 1, "curl_google": 1, "run_as_user_0_container": 1},
    "fd.dev": {"connect_localhost": 5, "curl_google": 46, "run_as_user_0_container": 163},
    "fd.dev.major": {"connect_localhost": 5, "curl_google": 46, "run_as_user_0_container": 35},
    "fd.dev.minor": {"connect_localhost": 5, "curl_google": 46, "run_as_user_0_container": 139},
    "proc.is_exe_writable": {"sample": 9},
    "proc.tty": {"sample": 44},
    "thread.cpu.user": {"curl_google": 1},
    "user.loginuid": {"sample": 323},
}
#: Cells that differ from the newest libraries, by field, over all captures.
NEWEST_DIFFERENCES: dict[str, int] = {
    "evt.arg.pgid": 1,
    "evt.buffer": 22,
    "evt.deltatime": 85,
    "evt.deltatime.ns": 85,
    "evt.deltatime.s": 1,
    "evt.hostname": 6825,
    "evt.latency": 3590,
    "evt.latency.human": 3590,
    "evt.latency.ns": 3590,
    "evt.latency.s": 2604,
    "evt.rawarg.addr": 276,
    "evt.rawarg.args": 3,
    "evt.rawarg.cap_effective": 3,
    "evt.rawarg.cap_inheritable": 3,
    "evt.rawarg.cap_permitted": 3,
    "evt.rawarg.data": 23,
    "evt.rawarg.dev": 69,
    "evt.rawarg.env": 1,
    "evt.rawarg.exe_ino": 3,
    "evt.rawarg.exe_ino_ctime": 3,
    "evt.rawarg.exe_ino_mtime": 3,
    "evt.rawarg.filename": 2,
    "evt.rawarg.flags": 3,
    "evt.rawarg.gid": 3,
    "evt.rawarg.ino": 78,
    "evt.rawarg.loginuid": 2,
    "evt.rawarg.nativeID": 12,
    "evt.rawarg.pgid": 3,
    "evt.rawarg.pidns_init_start_ts": 4,
    "evt.rawarg.res": 1119,
    "evt.rawarg.trusted_exepath": 3,
    "evt.rawarg.tty": 2,
    "evt.rawarg.uid": 3,
    "evt.rawarg.val": 121,
    "evt.rawarg.vpgid": 2,
    "evt.reltime": 4041,
    "evt.reltime.ns": 4041,
    "evt.reltime.s": 3641,
    "evt.wait_latency": 6582,
    "fd.cip": 1,
    "fd.connected": 4,
    "fd.containerdirectory": 83,
    "fd.containername": 88,
    "fd.cport": 1,
    "fd.cproto": 15,
    "fd.dev": 4,
    "fd.dev.major": 4,
    "fd.dev.minor": 4,
    "fd.directory": 4,
    "fd.ino": 4,
    "fd.is_lower_layer": 4,
    "fd.is_server": 4,
    "fd.is_upper_layer": 4,
    "fd.l4proto": 4,
    "fd.lip": 1,
    "fd.lport": 1,
    "fd.lproto": 1,
    "fd.name": 3,
    "fd.name_changed": 4,
    "fd.nameraw": 299,
    "fd.num": 4,
    "fd.rip": 1,
    "fd.rport": 1,
    "fd.rproto": 1,
    "fd.sip": 1,
    "fd.sockfamily": 4,
    "fd.sport": 1,
    "fd.sproto": 1,
    "fd.type": 4,
    "fd.typechar": 5,
    "fd.types": 295,
    "fd.uid": 4,
    "proc.acmdline[0]": 8,
    "proc.aenv": 5412,
    "proc.aexe[0]": 8,
    "proc.aexepath[0]": 10,
    "proc.aname[0]": 8,
    "proc.apid": 5404,
    "proc.apid[0]": 8,
    "proc.cwd": 8,
    "proc.env": 65,
    "proc.exe_ino.ctime_duration_pidns_start": 4602,
    "proc.exepath": 2,
    "proc.fdlimit": 8,
    "proc.fdopencount": 8,
    "proc.is_pgid_leader": 8,
    "proc.is_sid_leader": 8,
    "proc.is_vpgid_leader": 8,
    "proc.nchilds": 1,
    "proc.nthreads": 13,
    "proc.pid": 8,
    "proc.ppid.duration": 5366,
    "thread.cpu": 26,
    "thread.cpu.system": 13,
    "thread.cpu.user": 14,
    "thread.exectime": 1326,
    "thread.ismain": 8,
    "thread.totexectime": 2077,
}


@cache
def compared(shared_data: Path, name: str, *, newest: bool = False, window_bytes: int = 32 << 20) -> Agreement:
    program, reasons = ("libsnew", NEWEST_REASONS) if newest else ("sysdig0293", SYSDIG_REASONS)
    agreement = Agreement(reasons)
    capture, values = shared_data / "captures" / f"{name}.scap", shared_data / "oracle" / f"{name}.{program}.jsonl.gz"
    agreement.add_values(str(capture), values, newest=newest, window_bytes=window_bytes)
    return agreement


@pytest.mark.parametrize("name", CAPTURES)
def test_every_cell_is_sysdigs_or_known_to_differ(shared_data: Path, name: str) -> None:
    agreement = compared(shared_data, name)
    counted = {field: counts[name] for field, counts in SYSDIG_DIFFERENCES.items() if name in counts}
    assert +agreement.different == counted
    assert agreement.unexplained() == 0
    assert sum(agreement.compared.values()) > 5_000


def test_all_but_one_cell_in_a_thousand_are_sysdigs(shared_data: Path) -> None:
    agreements = [compared(shared_data, name) for name in CAPTURES]
    cells = sum(sum(agreement.compared.values()) for agreement in agreements)
    assert sum(sum(agreement.different.values()) for agreement in agreements) < cells / 1000
    assert cells > 1_900_000


def test_every_cell_is_the_newest_libraries_or_known_to_differ(shared_data: Path) -> None:
    total = Agreement(NEWEST_REASONS)
    for name in CAPTURES:
        agreement = compared(shared_data, name, newest=True)
        total.different += agreement.different
        total.compared += agreement.compared
    assert +total.different == NEWEST_DIFFERENCES
    assert total.unexplained() == 0
    assert total.share > 0.96


def test_batches_of_any_size_say_the_same(shared_data: Path) -> None:
    for newest in (False, True):
        whole = compared(shared_data, "curl_google", newest=newest)
        parts = compared(shared_data, "curl_google", newest=newest, window_bytes=20_000)
        assert (whole.compared, whole.different) == (parts.compared, parts.different)
