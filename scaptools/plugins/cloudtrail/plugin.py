"""The CloudTrail plugin: reads log files of AWS CloudTrail and extracts fields from their records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
import pyarrow as pa

from scaptools.columns import Texts
from scaptools.errors import PluginError
from scaptools.plugins.cloudtrail.config import SCHEMA, Config
from scaptools.plugins.cloudtrail.fields import ENTRIES
from scaptools.plugins.cloudtrail.records import Records
from scaptools.plugins.cloudtrail.source import CloudTrailStream, open_stream
from scaptools.plugins.cloudtrail.summary import summaries
from scaptools.plugins.contract import ExtractorPlugin, Payloads, PluginField, PluginInfo, SourcePlugin
from scaptools.plugins.jsontext import Documents
from scaptools.plugins.jsontext.texts import column_of, cut_at_nul

if TYPE_CHECKING:
    from scaptools.columns import Column

_NAME: Final = "cloudtrail"
_ENTRIES: Final = {entry.name: entry for entry in ENTRIES}


class CloudTrailPlugin(SourcePlugin, ExtractorPlugin):
    """Source and fields of AWS CloudTrail records, with the results of the plugin of that name in version 0.17.1."""

    info: ClassVar[PluginInfo] = PluginInfo(
        name=_NAME,
        version="0.17.1",
        description="Reads AWS CloudTrail logs from files, S3 or SQS and extracts fields from their records",
        contact="github.com/falcosecurity/plugins/",
        id=2,
        source="aws_cloudtrail",
    )
    config_schema: ClassVar[dict[str, Any] | None] = SCHEMA
    fields: ClassVar[tuple[PluginField, ...]] = tuple(entry.declared() for entry in ENTRIES)
    extract_sources: ClassVar[tuple[str, ...]] = ("aws_cloudtrail",)

    def __init__(self, config: dict[str, Any] | None = None) -> None:
        """Raises PluginError for a configuration value of the wrong type."""
        super().__init__(config)
        self._config = Config.parse(self.config, plugin=_NAME)

    def open(self, params: str) -> CloudTrailStream:
        """Start reading log files: of a path, of ``s3://BUCKET/PREFIX`` or ``sqs://QUEUE``. Raises PluginError."""
        return open_stream(params, self._config, plugin=_NAME)

    def event_text(self, payload: bytes) -> str:
        """Region, user, service and event in one line."""
        payloads = Payloads(pa.array([payload], pa.binary()), np.zeros(1, np.uint64), np.zeros(1, np.uint64))
        line: bytes = self.event_texts(payloads).array[0].as_py()
        return line.decode("utf-8", "replace")

    def event_texts(self, payloads: Payloads) -> Texts:
        """The `event_text` of many events at once, as bytes."""
        return Texts(cut_at_nul(summaries(self.prepare(payloads))))

    def prepare(self, payloads: Payloads) -> Records:
        """The records; they are parsed when the first field is asked for, once for all fields."""
        return Records(Documents.of(payloads.data, strip_nuls=True))

    def extract(self, prepared: Records, name: str, argument: str | None) -> Column:
        """The column of one field. Raises PluginError for a field that is not declared or an index that is none."""
        entry = _ENTRIES.get(name)
        if entry is None:
            raise PluginError(f"there is no field {name}", plugin=_NAME)
        rule = entry.rule
        if argument is not None:
            if entry.at_index is None or not argument.isdecimal() or len(argument) > _INDEX_DIGITS:
                raise PluginError(f"{name} does not take the argument {argument!r}", plugin=_NAME)
            rule = entry.at_index(int(argument))
        return column_of(rule(prepared))


#: Digits of the largest index an argument may be; no record has more elements.
_INDEX_DIGITS: Final = 18
