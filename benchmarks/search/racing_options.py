"""How a study is told to race or not: the library's defaults, nothing tuned for the benchmarks."""

from __future__ import annotations

from typing import Any

from nas.racing import Racing


def racing_options(*, is_raced: bool) -> dict[str, Any]:
    """Options of `nas.create_study`."""
    return {} if is_raced else {"racing": None}


def declared_rate() -> float:
    """The rate of wrong stops that the default settings declare: the risk of their one-sided bound."""
    return 1 - Racing().confidence
