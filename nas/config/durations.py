"""Durations as text: `4h`, `30m`, `90s`, `1h30m`, or a number of seconds."""

from __future__ import annotations

import math
import re

from nas.errors import ConfigError

_PARTS = re.compile(r"(?:([0-9]{1,9})d)?(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9})s)?")
_SECONDS = (86_400, 3_600, 60, 1)


def parse_duration(value: object) -> float:
    """Seconds of a duration.

    Raises:
        ConfigError: another form, or nothing above zero.
    """
    seconds = _seconds(value)
    if seconds is None or not math.isfinite(seconds) or seconds <= 0:
        raise ConfigError(
            f"got {str(value)[:40]!r}; write a duration above 0, e.g. 4h, 30m, 90s or 1h30m, or seconds"
        )
    return seconds


def _seconds(value: object) -> float | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    match = _PARTS.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    return float(sum(int(part or 0) * unit for part, unit in zip(match.groups(), _SECONDS, strict=True)))
