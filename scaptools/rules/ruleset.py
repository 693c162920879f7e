"""Rule sets: rules loaded from files, which of them are active, and what loading had to say.

Files are loaded in order; each adds to what was defined before, and everything is compiled again. The first error ends
the file it is in, and the set keeps the rules it had.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scaptools.errors import ScapError
from scaptools.rules.collector import Collector
from scaptools.rules.compiler import Compilation, RulesCompiler
from scaptools.rules.definitions import Definitions
from scaptools.rules.issues import Code, Context, Issue, LoadFailureError
from scaptools.rules.library import find_rules
from scaptools.rules.priority import Priority
from scaptools.rules.reader import RulesReader
from scaptools.rules.selection import active_rules
from scaptools.rules.sources import EventSources

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from scaptools.fields.catalog import Catalog
    from scaptools.rules.compiler import CompiledRule
    from scaptools.rules.output import AppendedOutput
    from scaptools.rules.selection import Selection


class RulesError(ScapError):
    """A rules file that cannot be loaded; ``result`` says why."""

    def __init__(self, result: LoadResult) -> None:
        issue = result.errors[0]
        mark = issue.context.file_mark
        kind, name = issue.context.item
        where = f" in {kind} '{name}'" if name else ""
        super().__init__(
            f"line {mark.line + 1}, column {mark.column + 1}: {issue.message}{where} ({issue.code.name})",
            path=result.name,
            hint=issue.hint,
        )
        self.result = result


@dataclass(slots=True)
class LoadResult:
    """What loading one file led to."""

    name: str
    issues: list[Issue] = field(default_factory=list)
    content: str = field(default="", repr=False)

    @property
    def errors(self) -> list[Issue]:
        """The error that ended loading, if any."""
        return [issue for issue in self.issues if issue.code.is_error]

    @property
    def warnings(self) -> list[Issue]:
        """What is doubtful."""
        return [issue for issue in self.issues if not issue.code.is_error]

    @property
    def successful(self) -> bool:
        """Whether the file was loaded."""
        return not self.errors

    def summary(self) -> str:
        """One line, as Falco's validation prints it."""
        if not self.successful:
            return f"{self.name}: Invalid"
        return f"{self.name}: Ok, with warnings" if self.issues else f"{self.name}: Ok"

    def to_json(self) -> dict[str, Any]:
        """The object Falco's validation prints as JSON."""
        return {
            "errors": [issue.to_json() for issue in self.errors],
            "name": self.name,
            "schema_valid": self.successful,
            "schema_warnings": [],
            "successful": self.successful,
            "warnings": [issue.to_json() for issue in self.warnings],
        }


class RuleSet:
    """Rules from files, ready to be evaluated.

    ``minimum`` leaves out rules that are less severe. ``appended`` is added to outputs, ``static_fields`` are values
    every source has as ``static.NAME``.
    """

    def __init__(
        self,
        catalog: Catalog,
        *,
        minimum: Priority = Priority.DEBUG,
        appended: Iterable[AppendedOutput] = (),
        static_fields: Mapping[str, str] | None = None,
    ) -> None:
        self.catalog = catalog
        self.sources = EventSources(catalog, static_fields)
        self.minimum = minimum
        self.definitions = Definitions()
        self.results: list[LoadResult] = []
        self._appended = tuple(appended)
        self._compiled = Compilation((), {}, {})

    @property
    def rules(self) -> tuple[CompiledRule, ...]:
        """All rules that could be compiled, disabled ones included, in the order of definition."""
        return self._compiled.rules

    @property
    def compilation(self) -> Compilation:
        """Rules, macros and lists as compiled."""
        return self._compiled

    def active(self, selections: Iterable[Selection] = ()) -> tuple[CompiledRule, ...]:
        """The rules that are enabled, in the order they are tried, after switching some on and off."""
        return active_rules(self.rules, selections)

    def load_text(self, content: str, name: str = "<rules>") -> LoadResult:
        """Add the rules of a text. Errors are in the result; then the set is as it was before."""
        result = LoadResult(name, content=content)
        self.results.append(result)
        context = Context.of_file(name, content)
        definitions = copy.deepcopy(self.definitions)
        compiler = RulesCompiler(
            definitions, self.sources, result.issues, minimum=self.minimum, appended=self._appended
        )
        try:
            RulesReader(Collector(definitions, self.sources, result.issues), result.issues).read(content, context)
            compiler.check_plugins()
            self._compiled = compiler.compile()
        except LoadFailureError as error:
            result.issues.append(error.issue)
            return result
        self.definitions = definitions
        return result

    def load_file(self, path: str) -> LoadResult:
        """Add the rules of a file, or of the built-in rules of that name. Errors are in the result."""
        found = find_rules(path)
        name = str(found) if found == Path(path) else path
        try:
            content = found.read_text("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            result = LoadResult(name)
            result.issues.append(Issue(Code.LOAD_ERR_FILE_READ, str(reason), Context.of_file(name, "")))
            self.results.append(result)
            return result
        return self.load_text(content, name)


def load_rules(
    paths: Iterable[str],
    catalog: Catalog,
    *,
    minimum: Priority = Priority.DEBUG,
    appended: Iterable[AppendedOutput] = (),
    static_fields: Mapping[str, str] | None = None,
) -> RuleSet:
    """Load rules files in order. Raises RulesError at the first one that is wrong."""
    rules = RuleSet(catalog, minimum=minimum, appended=appended, static_fields=static_fields)
    for path in paths:
        result = rules.load_file(path)
        if not result.successful:
            raise RulesError(result)
    return rules
