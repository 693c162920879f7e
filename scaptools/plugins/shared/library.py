"""A shared library opened as a plugin: its symbols, checked in the order a host checks them.

What a plugin returns stays the plugin's; every text is copied here, at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from scap_formats.plugin_abi import PLUGIN_ABIS, SYMBOL_PREFIX, PluginType, SchemaType
from scaptools.errors import PluginError
from scaptools.plugins.contract import PluginInfo
from scaptools.plugins.shared.declaration import (
    Declaration,
    check_identity,
    read_fields,
    read_names,
    read_schema,
)
from scaptools.plugins.shared.interface import ffi_of
from scaptools.plugins.shared.versions import Version, abi_for, parse_version

if TYPE_CHECKING:
    from scap_formats.plugin_abi import PluginAbi

#: Longest text taken from a plugin; one that goes on longer has lost its end.
_LONGEST_TEXT: Final = 1 << 26


@dataclass(slots=True)
class Library:
    """An opened library; ``api`` is the version it requires, ``name`` what it is called in errors."""

    path: str
    name: str
    abi: PluginAbi
    api: Version
    ffi: Any
    handle: Any

    def has(self, symbol: str) -> bool:
        """Whether the library exports a symbol (without the common prefix)."""
        return _symbol(self.ffi, self.handle, symbol) is not None

    def call(self, symbol: str, *arguments: Any) -> Any:
        """Call a symbol that is there."""
        return getattr(self.handle, SYMBOL_PREFIX + symbol)(*arguments)

    def text(self, pointer: Any) -> str | None:
        """A copy of a C string, None for NULL. Raises PluginError where it does not end."""
        if pointer == self.ffi.NULL:
            return None
        data = self.ffi.string(pointer, _LONGEST_TEXT)
        if len(data) == _LONGEST_TEXT:
            raise self.error("gave a text without an end")
        return bytes(data).decode("utf-8", "replace")

    def answer(self, symbol: str) -> str | None:
        """The text a symbol without arguments gives, None where there is neither symbol nor text."""
        return self.text(self.call(symbol)) if self.has(symbol) else None

    def error(self, message: str, *, hint: str | None = None) -> PluginError:
        """An error of this plugin."""
        return PluginError(message, plugin=self.name, hint=hint)


def open_library(path: str) -> Library:
    """Open a library and find out its API generation. Raises PluginError."""
    file = Path(path)
    if not file.exists():
        raise PluginError("no such file", plugin=path)
    # Only the one symbol whose signature never changed is called before the generation is known.
    ffi = ffi_of(min(PLUGIN_ABIS))
    handle = _opened(ffi, file)
    asked = _symbol(ffi, handle, "get_required_api_version")
    pointer = ffi.NULL if asked is None else asked()
    if pointer == ffi.NULL:
        raise PluginError("is no plugin: it does not say which API it requires", plugin=path)
    abi, api = abi_for(bytes(ffi.string(pointer, 256)).decode("utf-8", "replace"), plugin=path)
    ffi = ffi_of(abi.major)
    library = Library(path, path, abi, api, ffi, _opened(ffi, file))
    missing = sorted(name for name in abi.required if not library.has(name))
    if missing:
        raise library.error(f"lacks the symbol {SYMBOL_PREFIX}{missing[0]}")
    return library


def _symbol(ffi: Any, handle: Any, symbol: str) -> Any:
    """A function of a library, None where either the library or its generation has none of that name."""
    try:
        return getattr(handle, SYMBOL_PREFIX + symbol)
    except (AttributeError, ffi.error):
        return None


def _opened(ffi: Any, file: Path) -> Any:
    try:
        # Absolute, because a bare name would be looked for in the system's library folders.
        return ffi.dlopen(str(file.resolve()), ffi.RTLD_NOW | ffi.RTLD_LOCAL)
    except OSError as error:
        raise PluginError(f"cannot be loaded: {error}", plugin=str(file)) from error


def declare(library: Library) -> Declaration:
    """Everything the plugin says about itself. Raises PluginError for what no host may accept."""
    version = library.answer("get_version") or ""
    if parse_version(version) is None:
        raise library.error(f"has a version that is none: {version!r}")
    name = library.answer("get_name") or ""
    capabilities = _capabilities(library)
    sourcing = "sourcing" in capabilities
    info = PluginInfo(
        name=name,
        version=version,
        description=library.answer("get_description") or "",
        contact=library.answer("get_contact") or "",
        id=int(library.call("get_id")) if sourcing and library.has("get_id") else 0,
        source=(library.answer("get_event_source") or "") if sourcing else "",
    )
    check_identity(info, major=library.abi.major, sourcing=sourcing, plugin=library.path)
    library.name = name
    events: tuple[str, ...] = ()
    if "async" in capabilities:
        events = _names(library, "get_async_events", "its asynchronous events")
        if not events:
            raise library.error("declares no asynchronous events")
    return Declaration(
        api=library.api,
        info=info,
        capabilities=capabilities,
        fields=_fields(library) if "extraction" in capabilities else (),
        extract_sources=_sources(library, "extract", "extraction" in capabilities, info),
        parse_sources=_sources(library, "parse", "parsing" in capabilities, info),
        async_sources=_sources(library, "async", "async" in capabilities, info),
        async_events=events,
        schema=_schema(library),
    )


def _capabilities(library: Library) -> frozenset[str]:
    found = set()
    for name, rule in library.abi.capabilities.items():
        missing = sorted(symbol for symbol in rule.symbols if not library.has(symbol))
        if not missing:
            found.add(name)
        elif any(library.has(symbol) for symbol in rule.refused):
            raise library.error(f"has a broken {name} capability: it lacks the symbol {SYMBOL_PREFIX}{missing[0]}")
    if library.abi.major == 0:
        found = _of_type(library, found)
    if not found:
        raise library.error("has no capability")
    return frozenset(found)


def _of_type(library: Library, found: set[str]) -> set[str]:
    """What is left of the capabilities in the generation where a plugin says which of two types it is."""
    number = int(library.call("get_type"))
    needs = {PluginType.SOURCE: "sourcing", PluginType.EXTRACTOR: "extraction"}.get(number)  # type: ignore[call-overload]
    if needs is None:
        raise library.error(f"is of the unknown type {number}")
    if needs not in found:
        missing = sorted(name for name in library.abi.capabilities[needs].symbols if not library.has(name))
        raise library.error(f"lacks the symbol {SYMBOL_PREFIX}{missing[0]}")
    return found if number == PluginType.SOURCE else {needs}


def _fields(library: Library) -> Any:
    text = library.answer("get_fields")
    if text is None:
        raise library.error("declares no fields")
    return read_fields(text, library.abi.major, plugin=library.name)


def _names(library: Library, symbol: str, what: str) -> tuple[str, ...]:
    text = library.answer(symbol)
    if text is None or (not text and library.abi.major >= EMPTY_LISTS_SINCE):
        return ()
    return read_names(text, what, plugin=library.name)


#: Since this generation a source list may be an empty text.
EMPTY_LISTS_SINCE: Final = 3


def _sources(library: Library, verb: str, capable: bool, info: PluginInfo) -> tuple[str, ...]:
    """The event sources a capability accepts: those listed and always its own."""
    if not capable:
        return ()
    # 0.x: a source reads only what it produces itself, whatever it lists.
    if library.abi.major == 0 and info.source:
        return (info.source,)
    listed = _names(library, f"get_{verb}_event_sources", f"the sources it can {verb}")
    own = (info.source,) if info.source and info.source not in listed else ()
    return (*listed, *own)


def _schema(library: Library) -> dict[str, Any] | None:
    if not library.has("get_init_schema"):
        return None
    kind = library.ffi.new("int *")
    text = library.text(library.call("get_init_schema", kind))
    if text is None or kind[0] == SchemaType.NONE:
        return None
    if kind[0] != SchemaType.JSON:
        raise library.error(f"describes its init configuration in an unknown language ({kind[0]})")
    return read_schema(text, plugin=library.name)
