"""Where the real captures are, and how their blocks are found without the code under test."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DATA = Path(__file__).parents[2].parent / "shared" / "data"
REFERENCE = DATA.parent / "reference"


def _files(*patterns: str) -> list[Path]:
    return sorted(path for pattern in patterns for path in DATA.glob(pattern))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for argument, patterns in {
        "capture_path": ("captures/*.scap", "wireshark/*.scap"),
        "pcapng_path": ("wireshark/*.pcapng",),
    }.items():
        if argument in metafunc.fixturenames:
            paths = _files(*patterns)
            missing = pytest.param(None, marks=pytest.mark.skip(reason="no captures beside the checkout"), id="none")
            metafunc.parametrize(argument, [pytest.param(path, id=path.name) for path in paths] or [missing])


@pytest.fixture(scope="session")
def captures() -> Path:
    """The directory of real captures."""
    if not (DATA / "captures").is_dir():
        pytest.skip("no captures beside the checkout")
    return DATA / "captures"


@pytest.fixture(scope="session")
def reference() -> Path:
    """The directory the tables are generated from."""
    if not REFERENCE.is_dir():
        pytest.skip("no reference files beside the checkout")
    return REFERENCE


@pytest.fixture(scope="session")
def read_capture() -> Callable[[Path], bytes]:
    """Read a capture, compressed or not."""

    def read(path: Path) -> bytes:
        data = path.read_bytes()
        return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data

    return read


@pytest.fixture(scope="session")
def walk() -> Callable[[bytes], Iterator[tuple[int, bytes]]]:
    """Yield offset and bytes of every block of an undamaged little-endian file."""

    def blocks(data: bytes) -> Iterator[tuple[int, bytes]]:
        position = 0
        while position < len(data):
            (total,) = struct.unpack_from("<I", data, position + 4)
            yield position, data[position : position + total]
            position += total

    return blocks
