"""`python -m benchmarks load`: a real service under 32 clients, a search running and its database dying."""

from __future__ import annotations
