"""The configuration: what the keys of ``falco.yaml`` mean here."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, TypeVar

from scaptools.errors import InputError
from scaptools.rules.alerts import AlertFormat
from scaptools.rules.engine import Matching
from scaptools.rules.eventcapture import CaptureSettings
from scaptools.rules.output import AppendedOutput
from scaptools.rules.outputs.http import HttpSettings
from scaptools.rules.outputs.syslog import LOCAL_SOCKET
from scaptools.rules.priority import Priority
from scaptools.rules.selection import Selection
from scaptools.rules.settings import boolean, read_settings, typed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from scaptools.rules.ratelimit import RateLimit

T = TypeVar("T")
_MAX_BURST = 1000
#: Whether every rule's alerts are followed by a capture, or those of rules with ``capture`` only.
_CAPTURE_MODES = {"rules": False, "all_rules": True}


@dataclass(frozen=True, slots=True)
class PluginSettings:
    """A plugin to use: its name, its init configuration and open parameters as texts, and its library's path."""

    name: str
    init_config: str = ""
    open_params: str = ""
    library: str = ""


@dataclass(frozen=True, slots=True)
class OutputSettings:
    """Where alerts go; what is None or False is not used."""

    stdout: bool = False
    file: str | None = None
    file_keep_alive: bool = False
    program: str | None = None
    program_keep_alive: bool = False
    syslog: str | None = None
    http: HttpSettings | None = None
    capacity: int = 0
    timeout_ms: int = 2000

    @property
    def enabled(self) -> bool:
        """Whether there is any."""
        return self.stdout or any(one is not None for one in (self.file, self.program, self.syslog, self.http))


@dataclass(frozen=True, slots=True)
class Config:
    """A configuration; ``capture`` is the file to replay. ``plugins`` None means every installed one.

    ``event_capture`` says how the events after alerts are captured, None where they are not.
    """

    rules_files: tuple[str, ...] = ()
    selections: tuple[Selection, ...] = ()
    priority: Priority = Priority.DEBUG
    matching: Matching = Matching.FIRST
    format: AlertFormat = field(default_factory=AlertFormat)
    appended: tuple[AppendedOutput, ...] = ()
    static_fields: Mapping[str, str] = field(default_factory=dict)
    outputs: OutputSettings = field(default_factory=OutputSettings)
    rate: float = 0.0
    max_burst: int = _MAX_BURST
    plugins: tuple[PluginSettings, ...] | None = None
    capture: str | None = None
    event_capture: CaptureSettings | None = None

    def rate_limit(self) -> RateLimit | None:
        """The limit alerts are held to, None where there is none."""
        from scaptools.rules.ratelimit import RateLimit

        return RateLimit(self.rate, self.max_burst) if self.rate > 0 else None


def load_config(path: str, overrides: Iterable[str] = ()) -> Config:
    """Read a configuration file, with ``key=value`` overrides. Raises InputError."""
    return parse_config(read_settings(path, overrides), path)


def parse_config(settings: Mapping[str, Any], path: str = "the configuration") -> Config:
    """The configuration of settings. Raises InputError."""
    return _Parser(settings, path).config()


class _Parser:
    def __init__(self, settings: Mapping[str, Any], path: str) -> None:
        self._settings = settings
        self._path = path

    def config(self) -> Config:
        names = {flag.name for flag in fields(AlertFormat)}
        defaults = {flag.name: bool(flag.default) for flag in fields(AlertFormat)}
        return Config(
            rules_files=self._rules_files(),
            selections=self._selections(),
            priority=self._choice("priority", Priority.DEBUG, Priority.parse),
            matching=self._choice("rule_matching", Matching.FIRST, _matching),
            format=AlertFormat(**{name: self._flag(name, default=defaults[name]) for name in sorted(names)}),
            appended=self._appended(),
            static_fields={name: str(value or "") for name, value in self._mapping("static_fields").items()},
            outputs=self._outputs(),
            rate=self._number("outputs.rate", 0.0),
            max_burst=int(self._number("outputs.max_burst", _MAX_BURST)),
            plugins=self._plugins(),
            capture=self._text("engine.replay.capture_file") if self._text("engine.kind") == "replay" else None,
            event_capture=self._event_capture(),
        )

    def _fail(self, message: str, hint: str | None = None) -> InputError:
        return InputError(message, path=self._path, hint=hint)

    def _get(self, key: str) -> Any:
        value: Any = self._settings
        for part in key.split("."):
            if value is None:
                return None
            if not isinstance(value, dict):
                raise self._fail(f"{key}: {part!r} is looked for in something without keys")
            value = value.get(part)
        return value

    def _text(self, key: str) -> str | None:
        value = self._get(key)
        if value is not None and not isinstance(value, str):
            raise self._fail(f"{key} is no text")
        return None if value is None else str(value)

    def _flag(self, key: str, *, default: bool = False) -> bool:
        value = boolean(self._get(key), default=default)
        if value is None:
            raise self._fail(f"{key} is neither true nor false")
        return value

    def _number(self, key: str, default: float) -> float:
        text = self._text(key)
        try:
            value = default if text is None else float(text)
        except ValueError:
            value = -1.0
        if not 0 <= value < 2**63:
            raise self._fail(f"{key} is no number of at least 0")
        return value

    def _choice(self, key: str, default: T, parse: Any) -> T:
        text = self._text(key)
        if text is None:
            return default
        value: T | None = parse(text)
        if value is None:
            raise self._fail(f"{key}: {text!r} is none of the values there are")
        return value

    def _mapping(self, key: str) -> dict[str, Any]:
        value = self._get(key)
        if value is not None and not isinstance(value, dict):
            raise self._fail(f"{key} has no keys")
        return value or {}

    def _list(self, key: str) -> list[Any]:
        value = self._get(key)
        if value is not None and not isinstance(value, list):
            raise self._fail(f"{key} is no list")
        return value or []

    def _entries(self, key: str) -> list[dict[str, Any]]:
        entries = self._list(key)
        for entry in entries:
            if not isinstance(entry, dict):
                raise self._fail(f"an item of {key} has no keys")
        return entries

    def _rules_files(self) -> tuple[str, ...]:
        old, new = self._settings.get("rules_file"), self._settings.get("rules_files")
        if old is not None and new is not None:
            raise self._fail("rules_file and rules_files cannot be used together", "rules_file is the older name")
        named = old if old is not None else new
        names = named if isinstance(named, list) else [named]
        return tuple(str(name) for name in names if name is not None)

    def _selections(self) -> tuple[Selection, ...]:
        found: list[Selection] = []
        for entry in self._entries("rules"):
            for verb in ("enable", "disable"):
                step = entry.get(verb)
                if step is None:
                    continue
                if not isinstance(step, dict) or not {"rule", "tag"} & step.keys():
                    raise self._fail(f"rules: {verb} names neither a rule nor a tag")
                if step.get("rule") is not None:
                    found.append(Selection(verb == "enable", pattern=str(step["rule"])))
                if step.get("tag") is not None:
                    found.append(Selection(verb == "enable", tag=str(step["tag"])))
        return tuple(found)

    def _appended(self) -> tuple[AppendedOutput, ...]:
        found = []
        for entry in self._entries("append_output"):
            match = entry.get("match") or {}
            wanted = entry.get("extra_fields") or []
            if not isinstance(match, dict) or not isinstance(wanted, list):
                raise self._fail("append_output: match has keys, and extra_fields is a list")
            source, rule = match.get("source"), match.get("rule")
            found.append(
                AppendedOutput(
                    source=None if source is None else str(source),
                    tags=frozenset(map(str, match.get("tags") or ())),
                    rule=None if rule is None else str(rule),
                    text=str(entry.get("extra_output") or ""),
                    fields=tuple(self._extra_field(value) for value in wanted),
                    suggested=boolean(entry.get("suggested_output")) or False,
                )
            )
        return tuple(found)

    def _extra_field(self, value: Any) -> str | tuple[str, str]:
        if isinstance(value, str):
            return str(value)
        if not isinstance(value, dict) or len(value) != 1:
            raise self._fail("append_output: an extra field is a name, or one name with its format")
        name, form = next(iter(value.items()))
        return str(name), str(form or "")

    def _outputs(self) -> OutputSettings:
        return OutputSettings(
            stdout=self._flag("stdout_output.enabled"),
            file=self._target("file_output", "filename"),
            file_keep_alive=self._flag("file_output.keep_alive"),
            program=self._target("program_output", "program"),
            program_keep_alive=self._flag("program_output.keep_alive"),
            syslog=self._syslog(),
            http=self._http(),
            capacity=int(self._number("outputs_queue.capacity", 0)),
            timeout_ms=int(self._number("output_timeout", 2000)),
        )

    def _target(self, output: str, key: str) -> str | None:
        if not self._flag(f"{output}.enabled"):
            return None
        target = self._text(f"{output}.{key}")
        if not target:
            raise self._fail(f"{output} is enabled, but {output}.{key} is not given")
        return target

    def _syslog(self) -> str | None:
        if not self._flag("syslog_output.enabled"):
            return None
        return self._text("syslog_output.address") or f"unix:{LOCAL_SOCKET}"

    def _http(self) -> HttpSettings | None:
        url = self._target("http_output", "url")
        if url is None:
            return None
        values: dict[str, Any] = {"url": url}
        for known in fields(HttpSettings):
            if known.name == "url" or self._get(f"http_output.{known.name}") is None:
                continue
            key = f"http_output.{known.name}"
            if isinstance(known.default, bool):
                values[known.name] = self._flag(key)
            elif isinstance(known.default, int):
                values[known.name] = int(self._number(key, known.default))
            else:
                values[known.name] = self._text(key)
        return HttpSettings(**values)

    def _event_capture(self) -> CaptureSettings | None:
        if not self._flag("capture.enabled"):
            return None
        usual = CaptureSettings()
        return CaptureSettings(
            path_prefix=self._text("capture.path_prefix") or usual.path_prefix,
            all_rules=self._choice("capture.mode", usual.all_rules, _CAPTURE_MODES.get),
            default_duration_ms=int(self._number("capture.default_duration", usual.default_duration_ms)),
            max_file_size_mb=int(self._number("capture.max_file_size_mb", usual.max_file_size_mb)),
        )

    def _plugins(self) -> tuple[PluginSettings, ...] | None:
        entries = self._entries("plugins")
        known: dict[str, PluginSettings] = {}
        for entry in entries:
            name = entry.get("name")
            if not isinstance(name, str):
                raise self._fail("a plugin without a name")
            init, params = entry.get("init_config"), entry.get("open_params")
            text = init if isinstance(init, str) else "" if init is None else _compact(init)
            library = str(entry.get("library_path") or "")
            known[str(name)] = PluginSettings(str(name), str(text), str(params or "").strip(), library)
        if "load_plugins" not in self._settings:
            return tuple(known.values()) or None
        names = [str(name) for name in self._list("load_plugins")]
        for name in names:
            if name not in known:
                raise self._fail(f"load_plugins names {name!r}, which is not under plugins")
        return tuple(known[name] for name in names)


def _matching(text: str) -> Matching | None:
    return next((matching for matching in Matching if matching.value == text), None)


def _compact(value: Any) -> str:
    return json.dumps(typed(value), separators=(",", ":"), ensure_ascii=False)
