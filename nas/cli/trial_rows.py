"""What tables need of a trial: one of a database, or one that a service told of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class SizesRow(Protocol):
    """Sizes as text, a range where layers differ."""

    @property
    def layers(self) -> str:
        """Kept layers."""

    @property
    def heads(self) -> str:
        """Heads of a layer."""

    @property
    def ffn(self) -> str:
        """FFN width."""

    @property
    def hidden(self) -> str:
        """Embedding dimension."""


class TrialRow(Protocol):
    """A trial of `nas.Study`, or of `nas.Client`."""

    @property
    def number(self) -> int:
        """Within the study, from 0."""

    @property
    def state(self) -> str:
        """DONE, PAUSED and the like."""

    @property
    def origin(self) -> str:
        """Who asked for it."""

    @property
    def architecture(self) -> str:
        """Sizes in short."""

    @property
    def portability(self) -> str:
        """Whether an export loads with the stock class."""

    @property
    def metrics(self) -> Mapping[str, float]:
        """Costs and measurements by name."""

    @property
    def is_feasible(self) -> bool:
        """Whether it was evaluated and every budget holds."""

    @property
    def reason(self) -> str | None:
        """Why it failed, is infeasible or was paused."""

    @property
    def sizes(self) -> SizesRow:
        """Sizes as tables show them."""

    def to_json(self) -> dict[str, Any]:
        """As `--json` prints it."""
