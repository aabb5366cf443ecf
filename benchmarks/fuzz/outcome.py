"""What a part of the fuzzing found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SLOW_S: Final = 1.0
"""No single case may take longer."""

HEADER: Final = "| part | cases | took | slowest case | findings |\n|---|---|---|---|---|"


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """One line of the table.

    Attributes:
        seconds: of the whole part.
        slowest_s: the longest single case.
        findings: what went wrong, each with the input that shows it.
        also: figures for information.
    """

    part: str
    cases: int
    seconds: float
    slowest_s: float
    findings: tuple[str, ...] = ()
    also: str = ""

    @property
    def is_good(self) -> bool:
        """Whether nothing went wrong, and none took too long."""
        return not self.findings and self.slowest_s <= SLOW_S and self.cases > 0

    def line(self) -> str:
        """As a row of the table."""
        found = f"**{len(self.findings)}**" if self.findings else "none"
        also = f" ({self.also})" if self.also else ""
        slowest = f"{1000 * self.slowest_s:.0f} ms"
        return f"| {self.part}{also} | {self.cases:,} | {self.seconds:.0f} s | {slowest} | {found} |"
