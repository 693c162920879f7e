"""Outputs of rules: the text as a template, what configuration adds to it, and the fields JSON alerts show."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from scaptools.errors import FormatError
from scaptools.fields.model import BoundField
from scaptools.output.template import FieldToken, Template
from scaptools.rules.sources import is_deprecated
from scaptools.rules.transformed import TransformedField

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scaptools.output.template import DisplayField
    from scaptools.rules.definitions import RuleDefinition
    from scaptools.rules.sources import SourceFields

#: A field of former versions that stands for nothing.
_REMOVED = "%container.info"


@dataclass(frozen=True, slots=True)
class AppendedOutput:
    """An entry of ``append_output``: for which rules, and what it adds.

    ``fields`` are names of raw fields, or pairs of a name and a format.
    """

    source: str | None = None
    tags: frozenset[str] = frozenset()
    rule: str | None = None
    text: str = ""
    fields: tuple[str | tuple[str, str], ...] = ()
    suggested: bool = False

    def applies(self, rule: RuleDefinition) -> bool:
        """Whether a rule is one of those meant."""
        return self.source in {None, rule.source} and self.rule in {None, rule.name} and self.tags <= rule.tags


@dataclass(frozen=True, slots=True)
class RuleOutput:
    """A rule's output: the template of its message, and the further fields of JSON alerts by name."""

    text: str
    template: Template
    extra: tuple[tuple[str, DisplayField | Template], ...] = ()
    deprecated: tuple[str, ...] = field(default=(), compare=False)

    def shown(self) -> dict[str, DisplayField]:
        """The fields of the message as JSON names them; a transformed field shows what is inside."""
        found: dict[str, DisplayField] = {}
        for token in self.template.fields:
            for name, shown in _inner(token):
                found.setdefault(name, shown)
        return found

    def bound_fields(self) -> list[BoundField]:
        """The fields of message and extras that a catalog gave."""
        templates = [self.template, *(wanted for _, wanted in self.extra if isinstance(wanted, Template))]
        shown = [field for template in templates for token in template.fields for _, field in _inner(token)]
        shown += [wanted for _, wanted in self.extra if not isinstance(wanted, Template)]
        return [found for found in shown if isinstance(found, BoundField)]


def compile_output(rule: RuleDefinition, fields: SourceFields, appended: tuple[AppendedOutput, ...]) -> RuleOutput:
    """The output of a rule. Raises FormatError, UnknownFieldError and FilterError."""
    text = rule.output
    extra: list[tuple[str, DisplayField | Template]] = []
    for addition in appended:
        if not addition.applies(rule):
            continue
        if addition.suggested:
            names = dict.fromkeys(fields.suggested())
            text = " ".join([text, *(f"{name.replace('.', '_')}=%{name}" for name in names)])
        if addition.text:
            text = f"{text} {addition.text}"
        extra += [_extra(wanted, fields) for wanted in addition.fields]
    shown = text.replace(_REMOVED, "")
    template = _template(shown, fields)
    deprecated = [token.field.name for token in template.fields if is_deprecated(token.field.name)]
    if shown != text:
        deprecated.append(_REMOVED[1:])
    return RuleOutput(text, template, tuple(extra), tuple(dict.fromkeys(deprecated)))


def _template(text: str, fields: SourceFields) -> Template:
    """The template of a text; missing values always read ``<NA>``."""
    return Template.parse(text if text.startswith("*") else f"*{text}", fields)


def _extra(wanted: str | tuple[str, str], fields: SourceFields) -> tuple[str, DisplayField | Template]:
    if isinstance(wanted, tuple):
        return wanted[0], _template(wanted[1], fields)
    found = fields.match(wanted, 0)
    if found is None or found[1] != len(wanted):
        raise FormatError(f"there is no field {wanted}")
    return wanted, found[0]


def _inner(token: FieldToken) -> Iterator[tuple[str, DisplayField]]:
    shown: object = token.field
    if isinstance(shown, TransformedField):
        for handle in shown.inner:
            yield handle.name, handle  # type: ignore[misc]  # handles of a catalog can be displayed
    else:
        yield token.text, token.field
