"""Compiled filters: text or tree, bound to fields, ready to select the rows of batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scaptools.columns import ALL_ROWS
from scaptools.errors import FilterSyntaxError
from scaptools.filter.check import Checker, shared_texts
from scaptools.filter.parse import MAX_NESTING, parse
from scaptools.filter.plan import Frame
from scaptools.filter.presearch import with_search

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scaptools.columns import Rows
    from scaptools.filter.ast import Expression
    from scaptools.filter.dialect import Remark
    from scaptools.filter.plan import Term
    from scaptools.filter.resolver import FieldHandle, FieldResolver


@dataclass(frozen=True, slots=True)
class CompiledFilter:
    """A filter bound to fields.

    ``fields`` are those it reads, in the order of the text; ``remarks`` what is legal but looks like a slip.
    """

    text: str
    expression: Expression
    plan: Term
    fields: tuple[FieldHandle, ...]
    remarks: tuple[Remark, ...]
    shared: frozenset[str]

    def select(self, batch: Any, rows: Rows = ALL_ROWS) -> NDArray[np.intp]:
        """The matching rows of a batch, ascending, among ``rows``, which are ascending row numbers or a slice."""
        frame = Frame(batch, rows, self.shared)
        if not frame.size:
            return np.zeros(0, np.intp)
        found = np.flatnonzero(frame.answer(self.plan, None))
        return np.asarray(frame.absolute(found), np.intp)

    def explain(self) -> str:
        """The plan in the order of evaluation, a line for each term, indented by depth."""
        return "\n".join(self.plan.lines())


def compile_filter(filter_: str | Expression, resolver: FieldResolver) -> CompiledFilter:
    """Bind a filter to fields.

    Raises FilterSyntaxError, FilterTypeError and UnknownFieldError; the last is a FilterError too. Positions in errors
    count in the filter's text, for a tree in ``str()`` of it.
    """
    if isinstance(filter_, str):
        text, expression = filter_, parse(filter_)
    else:
        text = _text_of(filter_)
        # the text of a tree has at most two brackets for each one of the text it came from
        expression = parse(text, nesting=2 * MAX_NESTING + 2)
    checker = Checker(text, resolver)
    plan = checker.term(expression)
    return CompiledFilter(
        text,
        expression,
        with_search(plan),
        tuple(checker.handles.values()),
        tuple(sorted(checker.remarks)),
        shared_texts(plan),
    )


def _text_of(expression: Expression) -> str:
    try:
        return str(expression)
    except RecursionError as error:
        raise FilterSyntaxError("exceeded max depth limit of Python's stack", expression="", position=0) from error
