"""Lenient JSON, read many documents at a time: the reader that the CloudTrail and JSON plugins share."""

from __future__ import annotations

from scaptools.plugins.jsontext.documents import Documents, Spans
from scaptools.plugins.jsontext.grammar import MAX_DEPTH
from scaptools.plugins.jsontext.printing import compact, indented
from scaptools.plugins.jsontext.strings import unescape

__all__ = ["MAX_DEPTH", "Documents", "Spans", "compact", "indented", "unescape"]
