"""Numbers as people read them; reports write them alike, see `nas.figures`."""

from __future__ import annotations

from nas.figures import figure, is_contended, latency, percent

__all__ = ["figure", "is_contended", "latency", "percent"]
