"""Random captures as sysdig sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from bench.agreement import Agreement, comparable_fields
from scap_formats.blocks import BlockKind
from scaptools.capture.reader import open_reader
from tests.state.scenarios import capture_bytes, events_of, random_operations
from tests.state.varied import varied_events

if TYPE_CHECKING:
    from pathlib import Path

#: sysdig does not come to an end with fields that climb from parent to parent in captures whose ids form loops, and
#: with sockets bound and then sent from its addresses overlap in memory.
LEFT_OUT = ("proc.loginshellid", "proc.sname", "proc.aname", "proc.apid")
OVERLAPPING = ("fd.name", "fd.cip", "fd.sip", "fd.lip", "fd.rip", "fd.is_server", "fd.sockfamily", "fd.l4proto")
#: What nobody sets of the thread that stands for a container.
UNSET = ("user.uid", "group.gid", "proc.ppid")


@pytest.mark.interop
@pytest.mark.parametrize("seed", range(2))
def test_varied_captures_look_alike_to_sysdig(seed: int, sysdig: str, tmp_path: Path) -> None:
    capture = tmp_path / "varied.scap"
    capture.write_bytes(capture_bytes(varied_events(seed, 400)))
    agreement = Agreement()
    left_out = (*LEFT_OUT, *OVERLAPPING, *UNSET, "fd.container")
    fields = [each for each in comparable_fields() if not each.name.startswith(left_out)]
    agreement.add(str(capture), [each for each in fields if not each.name.endswith(("port", "proto"))])
    assert sum(agreement.compared.values()) > 40_000
    assert agreement.unexplained() == 0, list(agreement.lines(2))


def cut(capture: Path, first: int) -> bytes:
    """A capture without its lists of processes and descriptors and without the events before a number."""
    kept = []
    reader = open_reader(str(capture))
    batches = list(reader.batches())
    (section,) = reader.sections
    kept.append(section.header.raw)
    kept += [block.raw for block in section.blocks if block.kind not in {BlockKind.PROCESSES, BlockKind.DESCRIPTORS}]
    kept += [batch.raw_blocks(np.arange(max(first - batch.first_number, 0), len(batch))) for batch in batches]
    return b"".join(kept)


@pytest.mark.interop
@pytest.mark.parametrize(("name", "first"), [("curl_google", 700), ("run_as_user_0_container", 1500), ("syscall", 1)])
def test_captures_cut_at_the_start_look_alike_to_sysdig(
    name: str, first: int, sysdig: str, shared_data: Path, tmp_path: Path
) -> None:
    path = tmp_path / "cut.scap"
    path.write_bytes(cut(shared_data / "captures" / f"{name}.scap", first))
    agreement = Agreement()
    agreement.add(str(path), comparable_fields())
    assert sum(agreement.compared.values()) > 20_000
    assert agreement.unexplained() == 0, list(agreement.lines(2))


@pytest.mark.interop
@pytest.mark.parametrize("seed", range(2))
def test_random_captures_look_alike_to_sysdig(seed: int, sysdig: str, tmp_path: Path) -> None:
    chosen = random_operations(seed, 600)
    capture = tmp_path / "random.scap"
    capture.write_bytes(capture_bytes(events_of(chosen)))
    agreement = Agreement()
    fields = [
        field
        for field in comparable_fields()
        if not field.name.startswith(LEFT_OUT)
        and field.name not in OVERLAPPING
        and not field.name.endswith(("port", "proto"))
        and not field.name.startswith("fd.container")
    ]
    agreement.add(str(capture), fields)
    assert sum(agreement.compared.values()) > 50_000
    assert agreement.unexplained() == 0, list(agreement.lines(2))
