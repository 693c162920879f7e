r"""Marks: what a JSON payload must hold one of for a value read from it to contain a text.

A text stands in the payload as it is, unless an escape hides it. Escapes of the form ``\uXXXX`` can hide anything, the
short ones only the characters they are for.
"""

from __future__ import annotations

import re
from typing import Final

_UNICODE_ESCAPE: Final = b"\\u"
_ANY_ESCAPE: Final = b"\\"
#: What short escapes stand for.
_ESCAPABLE: Final = re.compile(rb'["\\/\x00-\x1f]')
#: What may have white space beside it that is taken out when a value is printed.
_SYNTAX: Final = re.compile(rb'["{}\[\],:]')


def in_string(text: bytes) -> frozenset[bytes] | None:
    """For values that are, or are parts of, decoded strings; None where nothing can be said."""
    if not text:
        return None
    return frozenset({text, _ANY_ESCAPE if _ESCAPABLE.search(text) else _UNICODE_ESCAPE})


def in_value(text: bytes) -> frozenset[bytes] | None:
    """For values that are decoded strings or the compact source of anything else; None where nothing can be said."""
    return None if _SYNTAX.search(text) else in_string(text)
