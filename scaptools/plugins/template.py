"""The start of a plugin: a package with a source, a field, an entry point and a test that passes."""

from __future__ import annotations

import re
from string import Template
from typing import TYPE_CHECKING, Final

from scaptools.errors import OutputError, PluginError

if TYPE_CHECKING:
    from pathlib import Path

_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")

_PROJECT: Final = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "scaptools-$name"
version = "0.1.0"
description = "The $name plugin for scaptools"
requires-python = ">=3.11"
dependencies = ["scaptools"]

[project.entry-points."scaptools.plugins"]
$name = "scaptools_$name:$class_name"

[tool.hatch.build.targets.wheel]
packages = ["scaptools_$name"]
"""

_PACKAGE: Final = '''\
"""The $name plugin: the lines of a text file as events, and fields of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from scap_formats.types import ParamType
from scaptools.errors import PluginError
from scaptools.plugins.contract import ArgumentRule, PluginInfo
from scaptools.plugins.simple import EventExtractor, EventSource, event_field

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scaptools.plugins.contract import SourceEvent


class $class_name(EventSource, EventExtractor):
    """Lines of a text file."""

    # 999 is the id for plugins under development; registered ones have their own.
    info = PluginInfo("$name", "0.1.0", "Lines of a text file", id=999, source="$name")
    config_schema = {"type": "object", "properties": {"skip": {"type": "integer", "description": "Lines to skip"}}}

    def events(self, params: str) -> Iterator[bytes | SourceEvent | None]:
        """The lines of the file named by the open parameters."""
        try:
            lines = Path(params).read_bytes().splitlines()
        except OSError as error:
            raise PluginError(f"cannot read {params}: {error.strerror}", plugin=self.info.name) from error
        yield from lines[self.config.get("skip", 0) :]

    @event_field("$name.words", ParamType.UINT64, "How many words the line has.")
    def words(self, event: SourceEvent, argument: str | None) -> int:
        return len(event.payload.split())

    @event_field("$name.word", ParamType.CHARBUF, "One word, by position.", argument=ArgumentRule.REQUIRED_INDEX)
    def word(self, event: SourceEvent, argument: str | None) -> bytes | None:
        words = event.payload.split()
        index = int(argument or 0)
        return words[index] if index < len(words) else None
'''

_TEST: Final = '''\
"""The plugin does what the contract asks."""

from __future__ import annotations

from pathlib import Path

from scaptools.plugins.check import check_plugin
from scaptools_$name import $class_name


def test_contract(tmp_path: Path) -> None:
    text = tmp_path / "lines.txt"
    text.write_bytes(b"one\\ntwo words\\n")
    assert check_plugin($class_name(), str(text)) == []


def test_events(tmp_path: Path) -> None:
    text = tmp_path / "lines.txt"
    text.write_bytes(b"one\\ntwo words\\n")
    events = [event.payload for batch in $class_name({"skip": 1}).open(str(text)) for event in batch]
    assert events == [b"two words"]
'''

_README: Final = """\
# scaptools-$name

    pip install -e .
    scap plugins check $name
    scap record $name lines.txt -w lines.scap
    scap filter '$name.words > 1' lines.scap
"""

#: Path of each file -> its text.
FILES: Final = {
    "pyproject.toml": _PROJECT,
    "README.md": _README,
    "scaptools_$name/__init__.py": _PACKAGE,
    "tests/test_plugin.py": _TEST,
}


def write_template(name: str, folder: Path) -> list[Path]:
    """Write a plugin package called ``name`` into a new folder; the files written.

    Raises PluginError for a name that cannot be one, OutputError where the folder is there or cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise PluginError("its name must be made of small letters, digits and _", plugin=name)
    words = {"name": name, "class_name": "".join(part.capitalize() for part in name.split("_")) + "Plugin"}
    written = []
    try:
        folder.mkdir(parents=True)
        for path, text in FILES.items():
            file = folder / Template(path).substitute(words)
            file.parent.mkdir(exist_ok=True)
            file.write_text(Template(text).substitute(words), "utf-8")
            written.append(file)
    except OSError as error:
        raise OutputError(f"cannot be written: {error.strerror or error}", path=str(folder)) from error
    return written
