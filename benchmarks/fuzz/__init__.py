"""`python -m benchmarks fuzz`: what strangers may send, sent by the hundred thousand."""

from __future__ import annotations
