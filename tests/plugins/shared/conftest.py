"""Plugins compiled from the sources beside the tests."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scap_formats.plugin_abi import c_header
from scaptools.plugins.shared.plugin import LibraryPlugin, load_library

SOURCES = Path(__file__).parents[2] / "fixtures" / "plugins"
Build = Callable[..., str]


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Compile a C or C++ source against an API version, with further definitions; the library's path."""
    folder = tmp_path_factory.mktemp("plugins")
    built: dict[tuple[object, ...], str] = {}

    def compile_(source: str, version: str, **definitions: str | int) -> str:
        compiler, *flags = _compiler(source)
        key = (source, version, *sorted(definitions.items()))
        if key not in built:
            major = int(version.partition(".")[0])
            headers = folder / f"api{major}"
            headers.mkdir(exist_ok=True)
            (headers / "plugin_api.h").write_text(c_header(major))
            target = folder / f"lib{Path(source).stem}{len(built)}.so"
            macros = {"API_MAJOR": major, "API_VERSION": f'"{version}"', **definitions}
            subprocess.run(
                [
                    compiler, *flags, "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", f"-I{headers}",
                    *(f"-D{name}={value}" for name, value in macros.items()),
                    str(SOURCES / source), "-o", str(target), "-pthread",
                ],
                check=True,
            )  # fmt: skip
            built[key] = str(target)
        return built[key]

    return compile_


def _compiler(source: str) -> list[str]:
    names, flags = _COMPILERS[Path(source).suffix]
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip(f"{names[0]} is not installed")
    return [found, *flags]


#: Compilers by suffix, and what they need to be told.
_COMPILERS = {".c": (("gcc", "cc"), ()), ".cpp": (("g++", "c++"), ("-std=c++17", "-Wno-unused-function"))}


@pytest.fixture(scope="session")
def go_library() -> str:
    """The plugin with the official Go SDK."""
    command = ["go", "build", "-buildvcs=false", "-buildmode=c-shared", "-o", "libsample.so", "."]
    return _built("go", command, {"CGO_ENABLED": "1", "GOFLAGS": "-mod=readonly"})


@pytest.fixture(scope="session")
def rust_library() -> str:
    """The plugin with the official Rust crate."""
    return _built("rust", ["cargo", "build", "--quiet", "--locked"], {"CARGO_TARGET_DIR": "target"})


def _built(language: str, command: list[str], settings: dict[str, str]) -> str:
    """A library built from the sources of a language, once for all test runs that build the same with the same tool."""
    tool = shutil.which(command[0])
    if tool is None:
        pytest.skip(f"{command[0]} is not installed")
    sources = sorted(file for file in (SOURCES / language).rglob("*") if file.is_file())
    digest = hashlib.sha256(
        subprocess.run([tool, "version" if language == "go" else "--version"], capture_output=True).stdout
    )
    for source in sources:
        digest.update(str(source.relative_to(SOURCES)).encode() + b"\0" + source.read_bytes())
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "scaptools-tests"
    folder = cache / f"{language}-{digest.hexdigest()[:16]}"
    folder.mkdir(parents=True, exist_ok=True)
    library = folder / "built.so"
    # Test processes run side by side: one builds, the others wait for it.
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not library.exists():
            work = folder / "work"
            shutil.copytree(SOURCES / language, work, dirs_exist_ok=True)
            subprocess.run([tool, *command[1:]], cwd=work, env={**os.environ, **settings}, check=True)
            made = next(work.rglob("libsample.so"))
            made.rename(library)
            shutil.rmtree(work)
    return str(library)


@pytest.fixture
def load() -> Iterator[Callable[..., LibraryPlugin]]:
    """`load_library`, and an end to every plugin it made."""
    made: list[LibraryPlugin] = []

    def loaded(*args: object, **options: object) -> LibraryPlugin:
        made.append(load_library(*args, **options))  # type: ignore[arg-type]
        return made[-1]

    yield loaded
    for plugin in made:
        plugin.end()
