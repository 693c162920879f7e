"""The declarations of an API generation as cffi and numpy see them."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from scap_formats.plugin_abi import PLUGIN_ABIS

if TYPE_CHECKING:
    import numpy as np


@cache
def ffi_of(major: int) -> Any:
    """The cffi interface of one API generation; one each, because the same symbol changes its signature."""
    (header,) = PLUGIN_ABIS[major].headers
    return import_module(f"scap_formats.plugin_abi.parsed.{header.removesuffix('.h')}").ffi


@cache
def struct_dtype(major: int, name: str) -> np.dtype[Any]:
    """A declared structure as a numpy dtype: pointers are uint64, what is neither number nor pointer is left out."""
    import numpy as np

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
