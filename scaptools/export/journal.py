"""System-call events as journal text: ``KEY=value`` lines that Wireshark's own dissector shows and filters.

``MESSAGE`` is what the packet list shows; keys with a leading underscore are those the dissector has typed fields for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scaptools.fields.paramtext.style import DEFAULT_STYLE
from scaptools.output.lines import field_text

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.fields.catalog import Catalog
    from scaptools.fields.model import BoundField

#: The message: literals and fields.
_MESSAGE = ("%proc.name", "(", "%proc.pid", ") ", "%evt.dir", " ", "%evt.type", " ", "%evt.args")
#: Journal keys and the fields they hold; an event without a value has no such line.
_KEYS = (
    ("_PID", "proc.pid"),
    ("_COMM", "proc.name"),
    ("_EXE", "proc.exepath"),
    ("_CMDLINE", "proc.cmdline"),
    ("_UID", "user.uid"),
    ("_GID", "group.gid"),
    ("CODE_FUNC", "evt.type"),
    ("SCAP_TID", "thread.tid"),
    ("SCAP_DIR", "evt.dir"),
    ("SCAP_RES", "evt.res"),
    ("SCAP_FD", "fd.num"),
    ("SCAP_FD_NAME", "fd.name"),
    ("SCAP_CONTAINER", "container.id"),
)


class Journal:
    """Renders events as journal text; ``fields`` are those it reads."""

    def __init__(self, catalog: Catalog) -> None:
        self._message = [catalog.parse(word[1:]) if word.startswith("%") else word.encode() for word in _MESSAGE]
        self._keys = [(key, catalog.parse(name)) for key, name in _KEYS if catalog.knows(name)]
        self._result = catalog.parse("evt.rawres")
        self.fields: list[BoundField] = [
            *(word for word in self._message if not isinstance(word, bytes)),
            *(bound for _, bound in self._keys),
            self._result,
        ]

    def text(self, batch: EventBatch, rows: NDArray[np.intp]) -> pa.Array:
        """The journal text of the given events, a binary array without nulls."""
        import pyarrow as pa
        import pyarrow.compute as pc

        message = [
            pa.scalar(word, pa.binary()) if isinstance(word, bytes) else pc.fill_null(_text(word, batch, rows), b"<NA>")
            for word in self._message
        ]
        lines = [b"MESSAGE=", *message, b"\n"]
        for key, bound in self._keys:
            lines.append(_line(key, _text(bound, batch, rows)))
        lines.append(_line("ERRNO", self._errors(batch, rows)))
        return pc.binary_join_element_wise(*lines, b"")

    def _errors(self, batch: EventBatch, rows: NDArray[np.intp]) -> pa.Array:
        """Error numbers of failed calls."""
        import pyarrow as pa
        import pyarrow.compute as pc

        results = self._result.column(batch, rows).to_arrow()
        errors = pc.if_else(pc.less(results, 0), pc.negate(results), pa.scalar(None, results.type))
        return errors.cast(pa.string()).cast(pa.binary())


def _text(bound: BoundField, batch: EventBatch, rows: NDArray[np.intp]) -> pa.Array:
    """A field as text that has no line ends of its own."""
    import pyarrow as pa
    import pyarrow.compute as pc

    text = field_text(bound.column(batch, rows), bound, DEFAULT_STYLE).to_arrow()
    if pc.any(pc.match_substring(text, b"\n")).as_py():
        text = pc.replace_substring(text, b"\n", b"\\n")
    return text.cast(pa.binary())


def _line(key: str, values: pa.Array) -> pa.Array:
    """``KEY=value`` and a line end where there is a value, nothing elsewhere."""
    import pyarrow.compute as pc

    return pc.fill_null(pc.binary_join_element_wise(f"{key}=".encode(), values, b"\n", b""), b"")
