"""Kubernetes audit events: a built-in plugin for log files of the API server and their events."""

from __future__ import annotations

from scaptools.plugins.k8saudit.plugin import KubernetesAuditPlugin

__all__ = ["KubernetesAuditPlugin"]
