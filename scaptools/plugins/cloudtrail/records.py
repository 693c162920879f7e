"""CloudTrail records as columns: what every field rule starts from.

Texts here are Arrow arrays of the records' ``type`` and are not yet cut at NUL bytes; a missing value is a null.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scaptools.plugins.jsontext.texts import truths

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scaptools.columns import Mask
    from scaptools.plugins.jsontext import Documents, Spans

# Given to pyarrow as its own scalars: it looks for pandas whenever it has to convert a Python value.
_FALSE: Final = pa.scalar(value=False)


@cache
def _steps(path: str) -> tuple[bytes, ...]:
    return tuple(step.encode() for step in path.split("."))


class Records:
    """The records of one set of payloads; paths are member names joined by dots."""

    def __init__(self, documents: Documents) -> None:
        self.documents = documents
        self.type = documents.text_type
        self._texts: dict[str, pa.Array] = {}
        self._results: dict[Callable[[Records], pa.Array], pa.Array] = {}

    def __len__(self) -> int:
        return len(self.documents)

    def at(self, path: str) -> Spans:
        """Where the values at a path lie."""
        return self.documents.path(*_steps(path))

    def text(self, path: str) -> pa.Array:
        """The text at a path: empty for a value that is no string, missing where the last member is."""
        known = self._texts.get(path)
        if known is None:
            known = self._texts[path] = self.documents.strings(self.at(path))
        return known

    def string(self, path: str) -> pa.Array:
        """The text at a path where it is a string, else missing."""
        spans = self.at(path)
        is_string = self.documents.is_string(spans)
        if np.array_equal(is_string, spans.present):
            return self.text(path)
        return pc.if_else(truths(is_string), self.text(path), self.constant(None))

    def parsed(self) -> Mask:
        """Which records are JSON at all."""
        return self.documents.root.present

    def constant(self, value: bytes | None) -> pa.Scalar:
        """A value to stand beside text columns."""
        return pa.scalar(value, self.type)

    def equal(self, text: pa.Array, value: bytes) -> Mask:
        """Where a text is present and equal to ``value``."""
        return as_mask(pc.equal(text, self.constant(value)))

    def select(self, kind: pa.Array, choices: Mapping[bytes, pa.Array | pa.Scalar]) -> pa.Array:
        """For each record the choice its ``kind`` names, missing where it names none."""
        names = list(choices)
        number = pc.index_in(kind, value_set=pa.array(names, self.type))
        result = pa.nulls(len(self), self.type)
        for position, name in enumerate(names):
            mask = as_mask(pc.equal(number, pa.scalar(position, number.type)))
            if mask.any():
                result = pc.if_else(truths(mask), choices[name], result)
        return result

    def once(self, rule: Callable[[Records], pa.Array]) -> pa.Array:
        """A rule's result, computed the first time it is asked for."""
        known = self._results.get(rule)
        if known is None:
            known = self._results[rule] = rule(self)
        return known

    def join(self, *parts: pa.Array | pa.Scalar | bytes) -> pa.Array:
        """Texts put together; a missing part adds nothing."""
        arrays = [self.constant(part) if isinstance(part, bytes) else part for part in parts]
        return pc.binary_join_element_wise(*arrays, self.constant(b""), null_handling="replace", null_replacement="")


def as_mask(mask: pa.Array) -> Mask:
    """An Arrow truth array as numpy, missing as false."""
    return np.asarray(pc.fill_null(mask, _FALSE).to_numpy(zero_copy_only=False))
