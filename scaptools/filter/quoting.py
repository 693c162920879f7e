r"""How constants are written: which text may stand bare, what quotes and escapes mean, and the way back.

Constants are bytes. Bare text is taken as it is. In quotes, ``\b \f \n \r \t`` are control characters, ``\\`` and a
backslash before a blank are a backslash, ``\/`` is a slash, ``\"`` and ``\'`` are the quote that surrounds them and
``\xHH`` is a byte. A quote after a backslash never ends the text.
"""

from __future__ import annotations

import re

BLANKS = " \t\r\n\b"
_NO_VALUE = BLANKS + "\v\f"
BARE_VALUE = re.compile(f"[^()\"'=,{_NO_VALUE}]+")
BARE_ARGUMENT = re.compile(f"[^\\[\\]\"'{_NO_VALUE}]+")
HEX_NUMBER = re.compile(r"0[xX][0-9a-fA-F]+", re.ASCII)
NUMBER = re.compile(r"[+-]?[0-9]+\.?[0-9]*(?:[eE][+-][0-9]+)?", re.ASCII)
MODIFIERS = ("oneof", "anyof", "allof")

_ESCAPES = {
    "b": b"\b",
    "f": b"\f",
    "n": b"\n",
    "r": b"\r",
    "t": b"\t",
    "\\": b"\\",
    " ": b"\\",
    "/": b"/",
    '"': b'"',
    "'": b"'",
}
_CONTROL = {"\b": r"\b", "\f": r"\f", "\n": r"\n", "\r": r"\r", "\t": r"\t"}
_HEX_PAIR = re.compile("[0-9a-fA-F]{2}")


class EscapeError(ValueError):
    """A wrong escape; ``offset`` counts from the first character of the quoted text."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


def to_bytes(text: str) -> bytes:
    """The bytes of a piece of filter text; bytes that are no UTF-8 arrive as surrogates (PEP 383)."""
    return text.encode("utf-8", "surrogateescape")


def to_text(value: bytes) -> str:
    """The inverse of `to_bytes`."""
    return value.decode("utf-8", "surrogateescape")


def unescape(body: str, quote: str) -> bytes:
    """The bytes that ``body``, the text between two ``quote`` characters, stands for; raises EscapeError."""
    parts: list[bytes] = []
    index = 0
    while True:
        backslash = body.find("\\", index)
        if backslash < 0:
            parts.append(to_bytes(body[index:]))
            return b"".join(parts)
        parts.append(to_bytes(body[index:backslash]))
        escape = body[backslash + 1 : backslash + 2]
        index = backslash + 2
        if escape == "x":
            pair = _HEX_PAIR.match(body, index)
            if pair is None:
                raise EscapeError("truncated hex char escape sequence", backslash)
            parts.append(bytes.fromhex(pair.group()))
            index += 2
        elif escape in {'"', "'"} - {quote}:
            raise EscapeError(f"invalid \\{escape} escape in {quote}-quoted string", backslash)
        elif escape in _ESCAPES:
            parts.append(_ESCAPES[escape])
        else:
            raise EscapeError(f"unsupported string escape sequence: \\{escape}", backslash)


def quoted(value: bytes) -> str:
    """``value`` in double quotes; `unescape` gives it back."""
    text = "".join(map(_escaped, value.decode("utf-8", "surrogateescape")))
    if text.endswith("\\\\"):  # the closing quote would count as escaped
        text = text[:-2] + r"\x5c"
    return f'"{text}"'


def written(value: bytes) -> str:
    """``value`` as an operand: bare where that is possible, otherwise quoted."""
    text = to_text(value)
    plain = BARE_VALUE.fullmatch(text) is not None and text.isprintable() and text not in MODIFIERS
    return text if plain else quoted(value)


def written_argument(argument: str) -> str:
    """The argument of a field as it stands between the brackets."""
    if BARE_ARGUMENT.fullmatch(argument) and argument.isprintable():
        return argument
    return quoted(to_bytes(argument))


def is_number(text: str) -> bool:
    """Whether the text is one number token of the grammar."""
    return HEX_NUMBER.fullmatch(text) is not None or NUMBER.fullmatch(text) is not None


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character in _CONTROL:
        return _CONTROL[character]
    if character == " " or character.isprintable():
        return character
    return "".join(f"\\x{byte:02x}" for byte in to_bytes(character))
