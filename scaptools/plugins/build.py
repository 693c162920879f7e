"""Building: a Python plugin as a shared library that sysdig and Falco load.

The library holds an interpreter that imports the plugin from where it is installed now; it is made with cffi's
embedding and a C compiler.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import cffi

from scap_formats.plugin_abi import PLUGIN_ABIS, SYMBOL_PREFIX, header_text
from scaptools.errors import OutputError, PluginError
from scaptools.plugins.contract import ExtractorPlugin, SourcePlugin

if TYPE_CHECKING:
    from scaptools.plugins.contract import Plugin

#: API major -> the version the library says it requires.
VERSIONS: Final = {0: "0.3.0", 3: "3.0.0"}
_FUNCTION: Final = re.compile(rf"^[^\n]*\b{SYMBOL_PREFIX}(\w+)\(.*;$", re.MULTILINE)
_COMMON: Final = (
    "get_required_api_version get_name get_description get_contact get_version get_init_schema init destroy "
    "get_last_error get_type"
)
#: Functions of a capability that libraries we build have.
_SOURCING: Final = "get_id get_event_source open close next_batch event_to_string get_progress"
_EXTRACTION: Final = "get_fields get_extract_event_sources extract_fields"

#: Extension modules look for the interpreter among what is visible to all, where a host does not put a plugin.
_PRELUDE: Final = """\
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
__attribute__((constructor)) static void scap_show_interpreter(void) {{
    dlopen("{interpreter}", RTLD_LAZY | RTLD_GLOBAL);
}}
"""
_STARTUP: Final = """\
import sys
sys.path[:0] = [entry for entry in {path!r} if entry not in sys.path]
from {module} import ffi
from scaptools.plugins.embedded import serve
serve(ffi, {reference!r}, {version!r}, {exports!r})
"""


def build_plugin(plugin: type[Plugin], target: Path, *, major: int = 0) -> Path:
    """Build a plugin class into a library for hosts of an API generation; the library's path.

    Raises PluginError where the class cannot be imported by name, or there is no compiler or no shared interpreter;
    OutputError where the library cannot be written.
    """
    name = plugin.info.name
    if "<locals>" in plugin.__qualname__ or plugin.__module__ == "__main__":
        raise PluginError("cannot be built: it is not importable by name", plugin=name)
    if major not in VERSIONS:
        raise PluginError(f"cannot be built for API {major}", plugin=name, hint=f"there are {sorted(VERSIONS)}")
    exports = set(_COMMON.split())
    exports |= set(_SOURCING.split()) if issubclass(plugin, SourcePlugin) else set()
    exports |= set(_EXTRACTION.split()) if issubclass(plugin, ExtractorPlugin) else set()
    module = f"_scap_{re.sub(r'[^a-z0-9_]', '_', name)}_{major}"
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / f"{module}.c"
        reference = f"{plugin.__module__}:{plugin.__qualname__}"
        builder = _builder(module, major, exports, reference, name)
        with contextlib.redirect_stdout(io.StringIO()):  # cffi says what it does
            builder.emit_c_code(str(source))
        library = Path(folder) / "library.so"
        _compile(source, library, name)
        try:
            shutil.copyfile(library, target)
            target.chmod(0o755)
        except OSError as error:
            raise OutputError(f"cannot be written: {error.strerror or error}", path=str(target)) from error
    return target


def _builder(module: str, major: int, exports: set[str], reference: str, name: str) -> cffi.FFI:
    abi = PLUGIN_ABIS[major]
    builder = cffi.FFI()
    prelude = [_PRELUDE.format(interpreter=_interpreter(name))]
    for header in abi.packed:
        builder.cdef(header_text(header), packed=True)
        prelude.append(f"#pragma pack(push, 1)\n{header_text(header)}#pragma pack(pop)\n")
    functions = []
    for header in abi.headers:
        text = header_text(header)
        functions += [found[0] for found in _FUNCTION.finditer(text) if found[1] in exports]
        types = _FUNCTION.sub("", text)
        builder.cdef(types)
        prelude.append(types)
    builder.embedding_api("\n".join(functions))
    found = frozenset(match[1] for match in _FUNCTION.finditer("\n".join(functions)))
    startup = _STARTUP.format(
        path=[entry for entry in sys.path if entry],
        module=module,
        reference=reference,
        version=VERSIONS[major],
        exports=sorted(found),
    )
    builder.embedding_init_code(startup)
    builder.set_source(module, "\n".join(prelude))
    return builder


def _interpreter(name: str) -> str:
    """The file of the shared interpreter."""
    variables = sysconfig.get_config_vars("Py_ENABLE_SHARED", "LIBDIR", "INSTSONAME")
    shared, folder, library = variables
    if not shared or not library:
        raise PluginError(
            "cannot be built: this Python has no shared library", plugin=name, hint="use one built with --enable-shared"
        )
    return str(Path(str(folder)) / str(library))


def _compile(source: Path, library: Path, name: str) -> None:
    configured = os.environ.get("CC") or str(sysconfig.get_config_var("CC") or "cc")
    words = shlex.split(configured)
    compiler = shutil.which(words[0]) or shutil.which("cc")
    if compiler is None:
        raise PluginError(
            "cannot be built: there is no C compiler", plugin=name, hint="install gcc or clang, or set CC"
        )
    folder, version = sysconfig.get_config_var("LIBDIR"), sysconfig.get_config_var("LDVERSION")
    command = [
        compiler, "-O2", "-shared", "-fPIC", f"-I{sysconfig.get_path('include')}", str(source), "-o", str(library),
        f"-L{folder}", f"-lpython{version}", f"-Wl,-rpath,{folder}", "-ldl",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise PluginError(f"cannot be built: the compiler failed: {last[0]}", plugin=name)
