"""Every error scaptools raises on purpose.

    ScapError
    ├── InputError             a path, URL or stream cannot be read
    ├── OutputError            a path or stream cannot be written
    ├── CaptureError           the bytes are not what a capture should hold
    │   ├── NotACaptureError       the first bytes are no section header
    │   ├── EmptyCaptureError      there is nothing in the file
    │   ├── TruncatedError         the file ends inside a block
    │   ├── CorruptedError         a block contradicts itself or its neighbours
    │   └── UnsupportedVersionError  a section of a major version nobody has written yet
    ├── FilterError            a filter expression is wrong
    │   ├── FilterSyntaxError      it does not parse
    │   └── FilterTypeError        it parses, but compares what cannot be compared
    ├── UnknownFieldError      a field nobody provides
    ├── FormatError            an output format is wrong
    ├── ExportError            the target format cannot hold what it was given
    └── PluginError            a plugin is missing, wrong, or failed

Each class owns the exit status the command line ends with. Messages say what is wrong, where, and how to go on;
``hint`` holds the last part when it is worth a line of its own.
"""

from __future__ import annotations

from enum import IntEnum


class ExitStatus(IntEnum):
    """Exit statuses of the ``scap`` command."""

    DONE = 0
    FOUND = 1
    USAGE = 2
    DAMAGED = 3
    UNSUPPORTED = 4
    INTERRUPTED = 130


class ScapError(Exception):
    """Base of all errors; ``str()`` is the one-line message without the file's name."""

    exit_status: ExitStatus = ExitStatus.USAGE

    def __init__(self, message: str, *, path: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.path = path
        self.hint = hint

    def __str__(self) -> str:
        """``PATH: message, hint`` with the parts that are known."""
        text = self.message if self.hint is None else f"{self.message}; {self.hint}"
        return text if self.path is None else f"{self.path}: {text}"


class InputError(ScapError):
    """A path, URL or stream cannot be read."""


class OutputError(ScapError):
    """A path or stream cannot be written."""


class CaptureError(ScapError):
    """The bytes are not what a capture should hold; ``offset`` counts from the start of the decompressed file."""

    exit_status = ExitStatus.DAMAGED

    def __init__(
        self, message: str, *, offset: int | None = None, path: str | None = None, hint: str | None = None
    ) -> None:
        where = "" if offset is None else f" at byte {offset}"
        super().__init__(f"{message}{where}", path=path, hint=hint)
        self.offset = offset


class NotACaptureError(CaptureError):
    """The first bytes are no section header, compressed or not."""

    exit_status = ExitStatus.USAGE


class EmptyCaptureError(CaptureError):
    """The file holds no byte, or nothing but an empty compressed stream."""

    exit_status = ExitStatus.USAGE


class TruncatedError(CaptureError):
    """The file ends inside a block; everything before it is intact."""


class CorruptedError(CaptureError):
    """A block contradicts itself or its neighbours."""


class UnsupportedVersionError(CaptureError):
    """The section header asks for a major version above 1."""

    exit_status = ExitStatus.UNSUPPORTED


class FilterError(ScapError):
    """A filter expression is wrong; ``position`` is the 0-based character index in ``expression``."""

    def __init__(self, message: str, *, expression: str, position: int, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.expression = expression
        self.position = position

    @property
    def line(self) -> int:
        """1-based line of the fault."""
        return self.expression.count("\n", 0, self.position) + 1

    @property
    def column(self) -> int:
        """1-based column of the fault."""
        return self.position - (self.expression.rfind("\n", 0, self.position) + 1) + 1

    def __str__(self) -> str:
        """The message with its line and column."""
        text = f"filter error at line {self.line}, column {self.column}: {self.message}"
        return text if self.hint is None else f"{text}; {self.hint}"

    def caret(self) -> str:
        """The faulty line of the expression with a caret below the fault."""
        text = self.expression.split("\n")[self.line - 1]
        return f"{text}\n{' ' * (self.column - 1)}^"


class FilterSyntaxError(FilterError):
    """The expression does not parse."""


class FilterTypeError(FilterError):
    """The expression parses, but an operator does not fit its field, or a constant does not fit the field's type."""


class UnknownFieldError(ScapError):
    """A field nobody provides; ``suggestions`` are the nearest names."""

    def __init__(self, name: str, *, suggestions: tuple[str, ...] = ()) -> None:
        near = f"did you mean {' or '.join(suggestions)}?" if suggestions else "see 'scap fields' for the list"
        super().__init__(f"unknown field {name}", hint=near)
        self.name = name
        self.suggestions = suggestions


class FormatError(ScapError):
    """An output format such as ``%evt.num %proc.name`` is wrong."""


class ExportError(ScapError):
    """The target format cannot hold what it was given."""


class PluginError(ScapError):
    """A plugin is missing, wrong, or failed; ``plugin`` is its name or path."""

    exit_status = ExitStatus.UNSUPPORTED

    def __init__(self, message: str, *, plugin: str, hint: str | None = None) -> None:
        super().__init__(f"plugin {plugin}: {message}", hint=hint)
        self.plugin = plugin
