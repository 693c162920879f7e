r"""String contents: from the bytes between the quotes to the text they stand for.

The reader is lenient where JSON is strict. Control characters and bytes that are not UTF-8 pass, an escape nobody
knows stays as its two characters, half a surrogate pair stays as its six, and two halves that do not belong together
become one U+FFFD.
"""

from __future__ import annotations

import re
from json import JSONDecoder
from typing import Final

_ESCAPE: Final = re.compile(
    rb"\\(?:u([dD][89a-fA-F][0-9a-fA-F]{2})\\u([0-9a-fA-F]{4})|u([0-9a-fA-F]{4})|([\"\\/bfnrt]))|\\.", re.DOTALL
)
_DECODER: Final = JSONDecoder(strict=False)
_SIMPLE: Final = {
    b'"': b'"',
    b"\\": b"\\",
    b"/": b"/",
    b"b": b"\b",
    b"f": b"\f",
    b"n": b"\n",
    b"r": b"\r",
    b"t": b"\t",
}
_REPLACEMENT: Final = "\ufffd".encode()


def unescape(raw: bytes) -> bytes:
    """The text of a string literal whose quotes have been taken off."""
    if b"\\" not in raw:
        return raw
    try:
        # The standard library agrees wherever it accepts the text and the result is proper UTF-8.
        text: str = _DECODER.decode(f'"{raw.decode()}"')
        return text.encode()
    except ValueError:  # includes UnicodeError, both ways
        pass
    return _ESCAPE.sub(_unescaped, raw)


def _unescaped(match: re.Match[bytes]) -> bytes:
    high, low, unit, simple = match.groups()
    if simple is not None:
        return _SIMPLE[simple]
    if unit is not None:
        code = int(unit, 16)
        return match[0] if 0xD800 <= code < 0xE000 else chr(code).encode()
    if high is not None:
        first, second = int(high, 16), int(low, 16)
        if first < 0xDC00 <= second < 0xE000:
            return chr(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)).encode()
        return _REPLACEMENT
    return match[0]
