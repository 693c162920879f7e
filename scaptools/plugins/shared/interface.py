"""The declarations of an API generation as cffi and numpy see them."""

from __future__ import annotations

from functools import cache
from typing import Any

import cffi
import numpy as np

from scap_formats.plugin_abi import PLUGIN_ABIS, header_text


@cache
def ffi_of(major: int) -> Any:
    """The cffi interface of one API generation; one each, because the same symbol changes its signature."""
    abi = PLUGIN_ABIS[major]
    ffi = cffi.FFI()
    for name in abi.packed:
        ffi.cdef(header_text(name), packed=True)
    for name in abi.headers:
        ffi.cdef(header_text(name))
    return ffi


@cache
def struct_dtype(major: int, name: str) -> np.dtype[Any]:
    """A declared structure as a numpy dtype: pointers are uint64, what is neither number nor pointer is left out."""
    ffi = ffi_of(major)
    ctype = ffi.typeof(name)
    members = [(key, member, _number(ffi, member.type)) for key, member in ctype.fields]
    known = [(key, member.offset, dtype) for key, member, dtype in members if dtype is not None]
    return np.dtype(
        {
            "names": [key for key, _, _ in known],
            "formats": [dtype for _, _, dtype in known],
            "offsets": [offset for _, offset, _ in known],
            "itemsize": ffi.sizeof(ctype),
        }
    )


def _number(ffi: Any, ctype: Any) -> str | None:
    if ctype.kind == "pointer":
        return "<u8"
    if ctype.kind != "primitive":
        return None
    if ctype.cname == "_Bool":
        return "?"
    return f"<{'u' if ctype.cname.startswith('uint') else 'i'}{ffi.sizeof(ctype)}"
