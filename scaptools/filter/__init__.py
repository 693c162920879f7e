"""The filter language: text or Python expressions to selected rows.

    from scaptools.filter import compile_filter, field
    wanted = compile_filter("evt.type = open and fd.name startswith /etc", resolver)
    rows = wanted.select(batch)

`parse` gives the tree of a filter, `field` starts one written in Python, `compile_filter` binds either to fields.
"""

from __future__ import annotations

from scaptools.filter.ast import Expression
from scaptools.filter.compiled import CompiledFilter, compile_filter
from scaptools.filter.compose import field, transform
from scaptools.filter.dialect import Remark
from scaptools.filter.parse import parse, sysdig_differences
from scaptools.filter.resolver import FieldHandle, FieldResolver, UnknownFieldInFilterError

__all__ = [
    "CompiledFilter",
    "Expression",
    "FieldHandle",
    "FieldResolver",
    "Remark",
    "UnknownFieldInFilterError",
    "compile_filter",
    "field",
    "parse",
    "sysdig_differences",
    "transform",
]
