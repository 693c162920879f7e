"""AWS CloudTrail: a built-in plugin for log files and their records."""

from __future__ import annotations

from scaptools.plugins.cloudtrail.plugin import CloudTrailPlugin

__all__ = ["CloudTrailPlugin"]
