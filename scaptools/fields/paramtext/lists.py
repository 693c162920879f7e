"""Lists: parameters that hold several values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scaptools import digits
from scaptools.capture.overlap import overlapping
from scaptools.columns import Coded, Texts
from scaptools.fields.paramtext.arrays import binary_of, extents
from scaptools.fields.paramtext.buffers import rendered_once
from scaptools.fields.paramtext.distinct import distinct
from scaptools.fields.paramtext.names import SIGNALS
from scaptools.fields.paramtext.numbers import Rendering, render_numbers
from scaptools.fields.paramtext.values import ParamText
from scaptools.fields.paramtext.weave import Weave, filled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scaptools.fields.paramtext.values import ParamValues

_COUNT_BYTES = 2


def _signal_names(signals: int) -> bytes:
    return b" ".join(name for number, name in SIGNALS.items() if signals >> (number - 1) & 1)


_SIGNAL_SET = Rendering(_signal_names)


def signal_set(values: ParamValues) -> ParamText:
    """SIGSET: the names of the signals whose bits are set, from signal 1 on."""
    return render_numbers(values.numbers, _SIGNAL_SET)


def string_array(values: ParamValues) -> ParamText:
    """CHARBUFARRAY, CHARBUF_PAIR_ARRAY: NUL-separated strings, shown with commas between them."""
    return ParamText(rendered_once(values.column.bytes().array, lambda raw: raw.rstrip(b"\0").replace(b"\0", b",")))


def descriptor_list(values: ParamValues) -> ParamText:
    """FDLIST: every descriptor with the character of its type and its events in hexadecimal digits."""
    column = values.column
    order = "<" if column.byteorder == "little" else ">"
    entry = np.dtype([("fd", f"{order}i8"), ("flags", f"{order}i2")])
    stored = column.lengths >= _COUNT_BYTES
    counts = np.zeros(len(column), np.int64)
    counts[stored] = overlapping(column.data, np.dtype(f"{order}u2"))[column.starts[stored]]
    # A list that claims more than it has is as long as its bytes.
    np.minimum(counts, np.maximum(column.lengths - _COUNT_BYTES, 0) // entry.itemsize, out=counts)
    bounds = np.concatenate((np.zeros(1, np.int64), np.cumsum(counts)))
    owner = np.repeat(np.arange(len(column)), counts)
    place = np.arange(len(owner)) - bounds[owner]
    entries = overlapping(column.data, entry)[column.starts[owner] + _COUNT_BYTES + entry.itemsize * place]
    fds = entries["fd"].astype(np.int64)
    known = values.context.fd_character(values.batch, values.rows[owner], fds)
    weave = Weave(len(owner))
    weave.add(
        np.arange(len(owner)),
        [
            Coded((place > 0).astype(np.int8), Texts.of([b"", b" "])),
            Texts(digits.decimal(fds.view(np.uint64))),
            b":",
            b"?" if known is None else filled(known, b"?"),
            _event_digits(entries["flags"]),
        ],
    )
    starts, lengths, content = extents(weave.text())
    ends = np.append(starts, starts[-1] + lengths[-1]) if len(starts) else np.zeros(1, np.int64)
    return ParamText(Texts(binary_of(ends[bounds], content, column.lengths > 0)))


def _event_digits(flags: NDArray[np.int16]) -> Coded:
    codes, found = distinct(flags)
    return Coded(codes, Texts.of(b"%x" % (value % 2**32) for value in found.tolist()))
