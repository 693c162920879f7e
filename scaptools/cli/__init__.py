"""The command line: one module a subcommand; it parses options, calls the library, and prints."""

from __future__ import annotations
