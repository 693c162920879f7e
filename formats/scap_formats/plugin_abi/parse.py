"""Parse C declarations ahead of time, because parsing takes longer than most plugins take to start.

``python -m scap_formats.plugin_abi.parse`` writes the modules under ``parsed``, in the form cffi gives to declarations
of its ABI mode; they are to be written again whenever a header changes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cffi

from scap_formats.plugin_abi import PLUGIN_ABIS, header_text

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Where the parsed headers are, a module for each.
PARSED = Path(__file__).with_name("parsed")


def write_parsed(path: Path, plain: Sequence[str], packed: Sequence[str] = ()) -> None:
    """Write declarations, those of packed structures first, as a module whose ``ffi`` knows them."""
    ffi = cffi.FFI()
    for text in packed:
        ffi.cdef(text, packed=True)
    for text in plain:
        ffi.cdef(text)
    ffi.set_source(path.stem, None)
    ffi.emit_python_code(str(path))


def write_headers(folder: Path) -> None:
    """Write every generation's header as a module in a folder."""
    for header, packed in {abi.headers: abi.packed for abi in PLUGIN_ABIS.values()}.items():
        path = folder / Path(header[0]).with_suffix(".py")
        write_parsed(path, [header_text(name) for name in header], [header_text(name) for name in packed])


if __name__ == "__main__":
    write_headers(PARSED)
