"""Settings: a configuration in YAML as plain values, merged from several files and from the command line.

Keys merge at the top level only. ``${VAR}`` in a text stands for a variable of the environment, ``$${x}`` for ``${x}``.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from scaptools.errors import InputError
from scaptools.rules.document import YamlError, documents, truth

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from scaptools.rules.document import Node

_VARIABLE = re.compile(r"\$?\$\{([^}]*)\}")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)(?:[eE][-+]?[0-9]+)?")
_STEP = re.compile(r"((?:[^.\[\\]|\\.)+)|\[([0-9]*)\]")
_SUFFIXES = frozenset({".yaml", ".yml"})
#: Nodes of a configuration; more is an alias bomb.
_MAX_NODES = 100_000
_MAX_DEPTH = 50
_MAX_INDEX = 10_000


class Text(str):
    """A scalar as written; ``quoted`` ones stay text whatever they look like."""

    __slots__ = ("quoted",)
    quoted: bool

    def __new__(cls, value: str, *, quoted: bool = False) -> Text:
        """A text."""
        text = super().__new__(cls, value)
        text.quoted = quoted
        return text


def read_settings(path: str, overrides: Iterable[str] = ()) -> dict[str, Any]:
    """The settings of a file, with those it names under ``config_files`` merged in, and ``key=value`` overrides last.

    Scalars are `Text`, nothing is None. Raises InputError.
    """
    changes = [split_override(override) for override in overrides]
    settings = _read(Path(path))
    for key, value in changes:
        if key.split(".")[0].split("[")[0] == "config_files":
            set_value(settings, key, value)
    for entry in settings.get("config_files") or []:
        merge_file(settings, entry, Path(path))
    for key, value in changes:
        set_value(settings, key, value)
    return settings


def merge_file(settings: dict[str, Any], entry: Any, main: Path) -> None:
    """Merge one entry of ``config_files``: a path, or a path and a strategy; missing files are passed over."""
    strategy = "append"
    if isinstance(entry, dict):
        strategy = str(entry.get("strategy") or strategy)
        entry = entry.get("path")
    if not isinstance(entry, str):
        _fail(main, "config_files holds something that is no path")
    place = Path(entry)
    if place.is_dir():
        files = sorted(file for file in place.iterdir() if file.suffix in _SUFFIXES and file.is_file())
    else:
        files = [place] if place.exists() else []
    for file in files:
        if file.resolve() == main.resolve():
            _fail(main, "config_files names the file it stands in")
        further = _read(file)
        if "config_files" in further:
            _fail(file, "config_files may stand in the main file only")
        _merge(settings, further, strategy)


def _merge(settings: dict[str, Any], further: Mapping[str, Any], strategy: str) -> None:
    for key, value in further.items():
        if key in settings and strategy == "add-only":
            continue
        known = settings.get(key)
        if strategy != "override" and isinstance(known, list) and isinstance(value, list):
            settings[key] = known + value
        else:
            settings[key] = value


def split_override(text: str) -> tuple[str, Any]:
    """A ``key=value`` of the command line; a value in braces or brackets is YAML. Raises InputError."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise InputError(f"{text!r} is no setting", hint="write -o KEY=VALUE")
    if value.lstrip()[:1] in {"{", "["}:
        try:
            found = documents(value)
        except YamlError as error:
            raise InputError(f"{key}: the value is not YAML: {error}") from error
        if len(found) == 1:
            return key.strip(), _Converter(Path("-o")).value(found[0])
    return key.strip(), Text(_expanded(value))


def set_value(settings: dict[str, Any], key: str, value: Any) -> None:
    """Set one value by its path: dots between keys, ``[n]`` for items, ``[]`` for a new one. Raises InputError."""
    steps: list[str | int | None] = []
    at = 0
    while at < len(key):
        found = _STEP.match(key, at)
        if found is None:
            raise InputError(f"{key!r} is no name of a setting")
        if found[1] is not None:
            steps.append(re.sub(r"\\(.)", r"\1", found[1]))
        else:
            steps.append(int(found[2]) if found[2] else None)
        at = found.end()
        if key.startswith(".", at):
            at += 1
    if not steps:
        raise InputError("a setting without a name")
    place: Any = settings
    for step, following in zip(steps, [*steps[1:], ""], strict=True):
        last = following == ""
        place = _stepped(place, step, value if last else ({} if isinstance(following, str) else []), key, last=last)


def _stepped(place: Any, step: str | int | None, value: Any, key: str, *, last: bool) -> Any:
    """Go into a container, making what is missing; set the value where the way ends."""
    if isinstance(step, str):
        if not isinstance(place, dict):
            raise InputError(f"{key}: {step!r} is looked for in something without keys")
        if last or place.get(step) is None:
            place[step] = value
        return place[step]
    if not isinstance(place, list):
        raise InputError(f"{key}: an item of something that is no list")
    index = len(place) if step is None else step
    if index > _MAX_INDEX:
        raise InputError(f"{key}: there is no item {index}")
    place += [None] * (index + 1 - len(place))
    if last or place[index] is None:
        place[index] = value
    return place[index]


def typed(value: Any) -> Any:
    """Settings as JSON has them: scalars become what they look like, quoted ones stay text."""
    if isinstance(value, dict):
        return {key: typed(inner) for key, inner in sorted(value.items())}
    if isinstance(value, list):
        return [typed(inner) for inner in value]
    if not isinstance(value, Text) or value.quoted:
        return None if value is None else str(value)
    if _INTEGER.fullmatch(value):
        return int(value)
    if _FLOAT.fullmatch(value):
        return float(value)
    return {"true": True, "false": False}.get(value.lower(), str(value))


def _read(path: Path) -> dict[str, Any]:
    try:
        found = documents(path.read_text("utf-8-sig"))
    except OSError as error:
        raise InputError(error.strerror or "cannot be read", path=str(path)) from error
    except UnicodeDecodeError as error:
        raise InputError("is not UTF-8 text", path=str(path)) from error
    except YamlError as error:
        where = f"line {error.mark.line + 1}, column {error.mark.column + 1}"
        raise InputError(f"is not YAML: {error} at {where}", path=str(path)) from error
    found = [document for document in found if not document.is_null]
    if not found:
        return {}
    if len(found) > 1 or not found[0].is_mapping:
        _fail(path, "a configuration is one mapping")
    settings = _Converter(path).value(found[0])
    return settings if isinstance(settings, dict) else {}


class _Converter:
    """Turns nodes into values, within bounds."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._nodes = 0

    def value(self, node: Node, depth: int = 0) -> Any:
        """The value of a node."""
        self._nodes += 1
        if self._nodes > _MAX_NODES or depth > _MAX_DEPTH:
            _fail(self._path, "the configuration is too large or nested too deeply")
        if node.is_null:
            return None
        if node.is_scalar:
            return Text(_expanded(node.text), quoted=node.is_quoted)
        if node.is_sequence:
            return [self.value(item, depth + 1) for item in node.items()]
        result: dict[str, Any] = {}
        for key in node.keys():  # noqa: SIM118 - a node is no dictionary
            value = node.get(key.text) if key.is_scalar else None
            if value is not None and key.text not in result:
                result[key.text] = self.value(value, depth + 1)
        return result


def _expanded(text: str) -> str:
    def value(found: re.Match[str]) -> str:
        return found[0][1:] if found[0].startswith("$$") else os.environ.get(found[1], "")

    return _VARIABLE.sub(value, text)


def boolean(value: Any, *, default: bool = False) -> bool | None:
    """The truth of a setting, the default where it is missing, None where it is none."""
    return default if value is None else truth(value) if isinstance(value, str) else None


def _fail(path: Path, message: str) -> NoReturn:
    raise InputError(message, path=str(path))
