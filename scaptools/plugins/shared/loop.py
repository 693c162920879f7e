"""The extraction loop in C, for machines with a C compiler: compiled once, kept in the user's cache folder.

It does what `extraction` does in Python, a multiple faster; where there is no compiler, or no folder that is ours
alone, nothing is said and Python does it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import cffi
import numpy as np

from scap_formats.plugin_abi import c_header
from scap_formats.types import ParamType
from scaptools.plugins.shared.extraction import LONGEST_LIST, NUMBER_TYPES, Extracted, wrong_answer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scaptools.plugins.shared.calls import Calls, PluginInputs
    from scaptools.plugins.shared.extraction import FieldRequest

_KINDS: Final = {ParamType.CHARBUF: 0, ParamType.BOOL: 2, ParamType.IPADDR: 3, ParamType.IPNET: 3}
_NUMBER_KIND: Final = 1
_OTHERS_MAY_WRITE: Final = 0o022


def extract_compiled(
    calls: Calls, request: FieldRequest, field: Any, inputs: PluginInputs, rows: slice
) -> Extracted | None:
    """One field of some inputs, None where there is no compiled loop. Raises PluginError as `extraction` does."""
    loaded = _loop(calls.library.abi.major)
    if loaded is None:
        return None
    ffi, loop = loaded
    first, last, _ = rows.indices(inputs.count)
    count = max(last - first, 0)
    out = ffi.new("scap_values *")
    address = calls.ffi.cast("uintptr_t", calls.library.handle.plugin_extract_fields)
    given = calls.extract_input(field)
    try:
        status = loop.scap_extract(
            ffi.cast("void *", int(address)),
            _pointer(calls, ffi, calls.state),
            ffi.cast("char *", inputs.first + first * inputs.stride),
            inputs.stride,
            count,
            _pointer(calls, ffi, field),
            _pointer(calls, ffi, given),
            _KINDS.get(request.type, _NUMBER_KIND),
            request.is_list,
            LONGEST_LIST,
            out,
        )
        if status > 0:
            raise wrong_answer(calls, request, field)
        if status < 0:
            raise calls.library.error(f"gave more values of {request.name} than memory holds")
        numeric = request.type in NUMBER_TYPES
        none = np.zeros(0, np.uint8)
        return Extracted(
            _copy(ffi, out.counts, count, np.uint32),
            _copy(ffi, out.numbers, out.values, np.uint64).astype(NUMBER_TYPES[request.type])
            if numeric
            else none.view(np.uint64),
            none.view(np.uint32) if numeric else _copy(ffi, out.lengths, out.values, np.uint32),
            none if numeric else _copy(ffi, out.texts, out.texts_used, np.uint8),
        )
    finally:
        loop.scap_free(out)


def _pointer(calls: Calls, ffi: Any, pointer: Any) -> Any:
    return ffi.cast("void *", int(calls.ffi.cast("uintptr_t", pointer)))


def _copy(ffi: Any, pointer: Any, count: int, dtype: Any) -> NDArray[Any]:
    size = int(count) * np.dtype(dtype).itemsize
    return np.frombuffer(bytes(ffi.buffer(pointer, size)), dtype) if size else np.zeros(0, dtype)


@cache
def _loop(major: int) -> tuple[Any, Any] | None:
    """The interface of a generation's loop and its library, None where there is none."""
    here = files(__package__ or "")
    declared = (here / "loop.h").read_text("ascii")
    source = f"#define API_MAJOR {major}\n{c_header(major)}{declared}{(here / 'loop.c').read_text('ascii')}"
    ffi = cffi.FFI()
    ffi.cdef(declared)
    try:
        library = _compiled(source)
        return None if library is None else (ffi, ffi.dlopen(str(library)))
    except (OSError, subprocess.SubprocessError):
        return None


def _compiled(source: str) -> Path | None:
    compiler = shutil.which(os.environ.get("CC", "cc"))
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "scaptools"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.stat()
    if status.st_uid != os.getuid() or status.st_mode & _OTHERS_MAY_WRITE:
        return None
    digest = hashlib.sha256(f"{platform.machine()}{source}".encode()).hexdigest()[:24]
    target = folder / f"loop-{digest}.so"
    if target.exists():
        return target
    if compiler is None:
        return None
    with tempfile.TemporaryDirectory(dir=folder) as work:
        text, made = Path(work) / "loop.c", Path(work) / "loop.so"
        text.write_text(source, "ascii")
        subprocess.run(
            [compiler, "-O2", "-shared", "-fPIC", str(text), "-o", str(made)],
            check=True,
            capture_output=True,
            timeout=60,
        )
        # In one step, so that another process sees all of it or nothing.
        with contextlib.suppress(FileExistsError):
            made.replace(target)
    return target
