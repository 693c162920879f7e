"""The loops in C, for machines with a C compiler: compiled once, kept in the user's cache folder.

They do what `extraction` and `session` do in Python, a multiple faster; where there is no compiler, or no folder that
is ours alone, nothing is said and Python does it. ``python -m scaptools.plugins.shared.loop`` parses their header
again, which is to be done whenever it changes.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from scap_formats.plugin_abi import c_header
from scap_formats.types import ParamType
from scaptools.plugins.shared.parsed_loop import ffi

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scaptools.plugins.shared.calls import Calls
    from scaptools.plugins.shared.extraction import Extracted, FieldRequest
    from scaptools.plugins.shared.payloads import PluginInputs

HERE: Final = Path(__file__).parent
_SOURCES: Final = ("loop.h", "loop.c", "fill.c")
_KINDS: Final = {ParamType.CHARBUF: 0, ParamType.BOOL: 2, ParamType.IPADDR: 3, ParamType.IPNET: 3}
_NUMBER_KIND: Final = 1
_OTHERS_MAY_WRITE: Final = 0o022
_COMPILE_SECONDS: Final = 60


def extract_compiled(
    calls: Calls, request: FieldRequest, field: Any, inputs: PluginInputs, rows: slice
) -> Extracted | None:
    """One field of some inputs, None where there is no compiled loop. Raises PluginError as `extraction` does."""
    import numpy as np

    from scaptools.plugins.shared.extraction import LONGEST_LIST, NUMBER_TYPES, Extracted, wrong_answer

    loops = compiled(calls.library.abi.major)
    if loops is None:
        return None
    first, last, _ = rows.indices(inputs.count)
    count = max(last - first, 0)
    out = ffi.new("scap_values *")
    given = calls.extract_input(field)
    try:
        status = loops.scap_extract(
            pointer_to(calls, calls.library.handle.plugin_extract_fields),
            pointer_to(calls, calls.state),
            ffi.cast("char *", inputs.first + first * inputs.stride),
            inputs.stride,
            count,
            pointer_to(calls, field),
            pointer_to(calls, given),
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
            _copy(out.counts, count, np.uint32),
            _copy(out.numbers, out.values, np.uint64).astype(NUMBER_TYPES[request.type])
            if numeric
            else none.view(np.uint64),
            none.view(np.uint32) if numeric else _copy(out.lengths, out.values, np.uint32),
            none if numeric else _copy(out.texts, out.texts_used, np.uint8),
        )
    finally:
        loops.scap_free(out)


def pointer_to(calls: Calls, pointer: Any) -> Any:
    """A pointer of a plugin's generation as the loops take it."""
    return ffi.cast("void *", int(calls.ffi.cast("uintptr_t", pointer)))


def _copy(pointer: Any, count: int, dtype: Any) -> NDArray[Any]:
    import numpy as np

    size = int(count) * np.dtype(dtype).itemsize
    return np.frombuffer(bytes(ffi.buffer(pointer, size)), dtype) if size else np.zeros(0, dtype)


@cache
def compiled(major: int) -> Any:
    """The loops for a generation as a library, None where there are none."""
    texts = "".join((HERE / name).read_text("ascii") for name in _SOURCES)
    source = f"#include <sys/types.h>\n#define API_MAJOR {major}\n{c_header(major)}{texts}"
    try:
        library = _compiled(source)
        return None if library is None else ffi.dlopen(str(library))
    except OSError:
        return None


def _compiled(source: str) -> Path | None:
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "scaptools"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.stat()
    if status.st_uid != os.getuid() or status.st_mode & _OTHERS_MAY_WRITE:
        return None
    digest = hashlib.sha256(f"{os.uname().machine}{source}".encode()).hexdigest()[:24]
    target = folder / f"loop-{digest}.so"
    return target if target.exists() else _compile(source, target)


def _compile(source: str, target: Path) -> Path | None:
    import shutil
    import subprocess
    import tempfile

    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        return None
    with tempfile.TemporaryDirectory(dir=target.parent) as work:
        text, made = Path(work) / "loop.c", Path(work) / "loop.so"
        text.write_text(source, "ascii")
        command = [compiler, "-O2", "-shared", "-fPIC", str(text), "-o", str(made)]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=_COMPILE_SECONDS)
        except subprocess.SubprocessError:
            return None
        # In one step, so that another process sees all of it or nothing.
        with contextlib.suppress(FileExistsError):
            made.replace(target)
    return target


def main() -> None:
    """Parse the header."""
    from scap_formats.plugin_abi.parse import write_parsed

    write_parsed(HERE / "parsed_loop.py", [(HERE / "loop.h").read_text("ascii")])


if __name__ == "__main__":
    main()
