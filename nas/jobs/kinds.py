"""Kinds of jobs."""

from __future__ import annotations

from typing import Final

SEARCH: Final = "search"
EXPORT: Final = "export"
