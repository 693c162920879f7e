"""API versions: three numbers, and which plugin runs in which host."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

from scap_formats.plugin_abi import PLUGIN_ABIS
from scaptools.errors import PluginError

if TYPE_CHECKING:
    from scap_formats.plugin_abi import PluginAbi

Version: TypeAlias = tuple[int, int, int]

#: As ``scanf("%u.%u.%u")`` takes it: text after the third number does not matter.
_NUMBERS = re.compile(r"\s*\+?(\d{1,10})\.\s*\+?(\d{1,10})\.\s*\+?(\d{1,10})", re.ASCII)


def parse_version(text: str) -> Version | None:
    """The three numbers a version begins with, None where there are not three."""
    found = _NUMBERS.match(text)
    return None if found is None else (int(found[1]), int(found[2]), int(found[3]))


def shown(version: Version) -> str:
    """A version as people write it."""
    return ".".join(map(str, version))


def serves(host: Version, wanted: Version) -> bool:
    """Whether a host of one version runs a plugin that wants another: same major, and nothing newer."""
    return host[0] == wanted[0] and host[1:] >= wanted[1:]


def abi_for(text: str, *, plugin: str) -> tuple[PluginAbi, Version]:
    """The generation a plugin speaks, from the version it requires. Raises PluginError where none does."""
    wanted = parse_version(text)
    if wanted is None:
        raise PluginError(f"requires an API version that is none: {text!r}", plugin=plugin)
    abi = PLUGIN_ABIS.get(wanted[0])
    hint = "known are " + ", ".join(f"{shown(known.oldest)} to {shown(known.newest)}" for known in PLUGIN_ABIS.values())
    if abi is None or not serves(abi.newest, wanted):
        raise PluginError(f"requires plugin API {shown(wanted)}, which is not known", plugin=plugin, hint=hint)
    if wanted < abi.oldest:
        raise PluginError(
            f"requires plugin API {shown(wanted)}, an unreleased one with other structures", plugin=plugin, hint=hint
        )
    return abi, wanted
