"""Versions: what this engine calls itself, and when a required version is satisfied."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SEMVER = re.compile(r"(\d{1,9})\.(\d{1,9})\.(\d{1,9})")
_MAX_UINT = 2**32


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """A version of three numbers."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"

    def satisfies(self, wanted: Version) -> bool:
        """Whether this version will do where ``wanted`` is asked for: same major, and not older."""
        return self.major == wanted.major and self >= wanted

    @staticmethod
    def parse(text: str) -> Version | None:
        """A version written ``x.y.z``, None for any other text."""
        found = _SEMVER.fullmatch(text)
        return None if found is None else Version(*map(int, found.groups()))


#: The rules engine of Falco 0.44, whose behaviour this package has.
ENGINE_VERSION = Version(0, 62, 0)
FALCO_VERSION = "0.44.0"


def parse_engine_version(text: str) -> Version | None:
    """A required engine version: a plain number is the middle one of this engine's; None for a text that is none."""
    if text.isascii() and text.isdigit() and int(text[:11]) < _MAX_UINT:
        return Version(ENGINE_VERSION.major, int(text), ENGINE_VERSION.patch)
    return Version.parse(text)
