"""A trial under evaluation."""

from __future__ import annotations

from dataclasses import dataclass, field

from nas.evaluation import Quality
from search_spaces import SubnetConfig
from storage import LatencyRecord, TrialRecord
from workers import LaneName


@dataclass(slots=True)
class OpenTrial:
    """What is known of a trial that is being evaluated, and what is missing.

    Attributes:
        missing: lanes that have not answered.
        attempts: dispatches of the trial so far, over all runs.
        quality: of the examples seen so far.
        latencies: measurements of this trial, newest last.
        latency: the measurement that it is ranked by.
        seconds: spent by workers.
    """

    record: TrialRecord
    config: SubnetConfig
    missing: set[LaneName]
    attempts: int = 0
    metrics: dict[str, float] = field(default_factory=dict)
    quality: Quality | None = None
    latencies: list[LatencyRecord] = field(default_factory=list)
    latency: LatencyRecord | None = None
    seconds: float = 0.0

    @property
    def number(self) -> int:
        """Of the trial."""
        return self.record.number

    @property
    def is_full_model(self) -> bool:
        """Whether it is the full model, which all else refers to."""
        return self.record.origin == "baseline:full"

    @property
    def is_raced(self) -> bool:
        """Whether it may be paused; baselines are evaluated in full, so that reports can show them."""
        return not self.record.origin.startswith("baseline:")

    @property
    def seen(self) -> int:
        """Examples evaluated so far."""
        return 0 if self.quality is None else self.quality.examples
