"""JUnit XML: how tests of rules ended, in the format build servers read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scaptools.rules.cases import CaseResult

#: Characters XML 1.0 cannot hold.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(results: Sequence[CaseResult]) -> bytes:
    """An XML document with one suite for each file."""
    root = ET.Element("testsuites", _counts(results))
    for file in dict.fromkeys(result.file for result in results):
        own = [result for result in results if result.file == file]
        suite = ET.SubElement(root, "testsuite", {"name": _clean(file), **_counts(own)})
        for result in own:
            attributes = {
                "classname": _clean(file),
                "name": _clean(result.case.name),
                "time": f"{result.seconds:.3f}",
            }
            case = ET.SubElement(suite, "testcase", attributes)
            for tag, text in (("error", result.error), ("failure", result.failure)):
                if text:
                    clean = _clean(text)
                    ET.SubElement(case, tag, {"message": clean.splitlines()[0]}).text = clean
    document: bytes = ET.tostring(root, "utf-8", xml_declaration=True)
    return document + b"\n"


def _counts(results: Sequence[CaseResult]) -> dict[str, str]:
    return {
        "tests": str(len(results)),
        "failures": str(sum(bool(result.failure) for result in results)),
        "errors": str(sum(bool(result.error) for result in results)),
        "time": f"{sum(result.seconds for result in results):.3f}",
    }


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
