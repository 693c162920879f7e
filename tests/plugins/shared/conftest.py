"""Plugins compiled from the sources beside the tests."""

from __future__ import annotations

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
    """Compile a source against an API version, with further definitions; the library's path."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler is installed")
    folder = tmp_path_factory.mktemp("plugins")
    built: dict[tuple[object, ...], str] = {}

    def compile_(source: str, version: str, **definitions: str | int) -> str:
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
                    compiler, "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", f"-I{headers}",
                    *(f"-D{name}={value}" for name, value in macros.items()),
                    str(SOURCES / source), "-o", str(target), "-pthread",
                ],
                check=True,
            )  # fmt: skip
            built[key] = str(target)
        return built[key]

    return compile_


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
